# Makes a project on the server, and applies what this folder says about it. Run it once: npm run setup
set -eu

bunbase projects create Todo > /dev/null
bunbase schemas push # schemas.toml: the fields of a todo
bunbase rules push   # rules.toml: everybody sees and changes only what is theirs
bunbase deploy       # functions/

key=$(bunbase keys create --kind publishable --name page --json | node -p 'JSON.parse(fs.readFileSync(0)).key')
printf 'BUNBASE_URL=%s\nBUNBASE_KEY=%s\n' "${BUNBASE_URL:-http://127.0.0.1:7070}" "$key" > .env
echo "The page's settings are in .env. Next: npm start"
