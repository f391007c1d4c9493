"""Plays another service: signs a note and sends it to the worker. Usage: python send.py "Buy bread and milk" """

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import sys
import time
import urllib.request
from pathlib import Path

id, at = f"msg_{secrets.token_hex(8)}", str(int(time.time()))
body = json.dumps({"text": " ".join(sys.argv[1:])}).encode()
key = base64.b64decode(Path(__file__).with_name("webhook.secret").read_text().strip().removeprefix("whsec_"))
signature = base64.b64encode(hmac.digest(key, f"{id}.{at}.".encode() + body, hashlib.sha256)).decode()
headers = {"webhook-id": id, "webhook-timestamp": at, "webhook-signature": f"v1,{signature}"}
request = urllib.request.Request(f"http://127.0.0.1:{os.environ.get('PORT', '3001')}", body, headers)
with urllib.request.urlopen(request, timeout=10) as answer:
    print(answer.status)
