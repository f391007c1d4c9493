# Makes a project on the server, and applies what this folder says about it. Run it once: sh setup.sh
set -eu
umask 077 # .env is for you only: it has the secret key

key() {
	bunbase keys create --kind "$1" --name household --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["key"])'
}

bunbase projects create Household > /dev/null
bunbase deploy # bunbase.toml and functions/
publishable=$(key publishable)
secret=$(key secret)
printf 'BUNBASE_URL=%s\nBUNBASE_KEY=%s\nBUNBASE_SECRET_KEY=%s\n' \
	"${BUNBASE_URL:-http://127.0.0.1:7070}" "$publishable" "$secret" > .env
echo "The keys are in .env. Next: bun seed.mjs"
