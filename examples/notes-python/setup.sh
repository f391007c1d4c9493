# Makes a project and the service account of the worker on the server. Run it once: sh setup.sh
set -eu
umask 077 # account.json and webhook.secret are for you only

bunbase projects create Notes > /dev/null
bunbase service-accounts create worker --scope data:read --scope data:write --json |
	python3 -c 'import json, os, sys
made = json.load(sys.stdin)
url = os.environ.get("BUNBASE_URL", "http://127.0.0.1:7070")
print(json.dumps({"url": url, "client_id": made["client_id"], "client_secret": made["client_secret"]}))' > account.json
python3 -c 'import base64, os; print("whsec_" + base64.b64encode(os.urandom(24)).decode())' > webhook.secret
echo "The worker's credential is in account.json. Next: python worker.py"
