# Makes a project on the server, and applies what this folder says about it. Run it once: npm run setup
set -eu

bunbase projects create Board > /dev/null
bunbase deploy # bunbase.toml: the collection, its rules, and the channel

key=$(bunbase keys create --kind publishable --name page --json | node -p 'JSON.parse(fs.readFileSync(0)).key')
printf 'VITE_BUNBASE_URL=%s\nVITE_BUNBASE_KEY=%s\n' "${BUNBASE_URL:-http://127.0.0.1:7070}" "$key" > .env
echo "The page's settings are in .env. Next: npm start"
