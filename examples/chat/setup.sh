# Makes a project on the server, and applies what this folder says about it. Run it once: npm run setup
set -eu
umask 077 # worker.env and webhook.secret are for you only

key() {
	bunbase keys create --kind "$1" --name chat --json | node -p 'JSON.parse(fs.readFileSync(0)).key'
}

# passkeys and mails lead to the page, whose port is in bunbase.toml
sed -i "s/localhost:5173/localhost:${PORT:-5173}/" bunbase.toml
bunbase projects create Chat > /dev/null
bunbase deploy # bunbase.toml and functions/

url=${BUNBASE_URL:-http://127.0.0.1:7070}
printf 'VITE_BUNBASE_URL=%s\nVITE_BUNBASE_KEY=%s\n' "$url" "$(key publishable)" > .env
printf 'BUNBASE_URL=%s\nBUNBASE_SECRET_KEY=%s\n' "$url" "$(key secret)" > worker.env
node -p '"whsec_" + crypto.randomBytes(24).toString("base64")' > webhook.secret
bunbase env set WEBHOOK_SECRET < webhook.secret
echo "The page's settings are in .env. Next: npm start"
