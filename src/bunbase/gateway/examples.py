"""One example for each request body that the OpenAPI document describes, by method and path.

The examples are in one file, and not beside the routes, because together they tell one story that works from top to
bottom: a bakery with posts, one end user and the function `resize`. `tests/e2e/test_every_route.py` sends all of them.
"""

from __future__ import annotations

from typing import Any, Final

from bunbase.gateway.answer_examples import ANSWERS
from bunbase.gateway.answer_values import BUCKET, CHANNELS, COLLEAGUE, POST, USER

PROJECT: Final = "/api/projects/{project}"
ORG: Final = "/api/orgs/{org}"
SIGN_IN: Final = {"email": "ada@example.com", "password": "correct horse battery"}
LINK_TOKEN: Final = "the token in the link of the mail"
TOKEN: Final = "the refresh_token of the last answer"
OAUTH_CLIENT: Final = {"client_id": "oac_01jd7qv8x2r4m6t0w9c3e5g7hb", "client_secret": "ocs_…"}

SIGNED: Final = {"clientDataJSON": "eyJ0eXBlIjoi…", "authenticatorData": "SZYN5YgO…", "signature": "MEUCIQ…"}
USED_PASSKEY: Final = {
    "id": "7Fq0…",
    "rawId": "7Fq0…",
    "type": "public-key",
    "response": {**SIGNED, "userHandle": "dXNy…"},
}
NEW_PASSKEY: Final = {
    "id": "7Fq0…",
    "rawId": "7Fq0…",
    "type": "public-key",
    "response": {"clientDataJSON": "eyJ0eXBlIjoi…", "attestationObject": "o2NmbXRk…"},
}

EXAMPLES: Final[dict[tuple[str, str], Any]] = {
    ("POST", "/rpc"): {"jsonrpc": "2.0", "id": 1, "method": "auth.verify", "params": {"token": "an access token"}},
    ("POST", "/api/auth/register"): {**SIGN_IN, "name": "Ada"},
    ("POST", "/api/auth/login"): SIGN_IN,
    ("POST", "/api/auth/login/second-factor"): {"challenge": "the challenge of the answer", "code": "123456"},
    ("POST", "/api/auth/login/passkey/options"): {"challenge": None},
    ("POST", "/api/auth/login/passkey/verify"): {"credential": USED_PASSKEY},
    ("POST", "/api/auth/totp/confirm"): {"code": "123456"},
    ("POST", "/api/auth/passkeys/register"): {"credential": NEW_PASSKEY, "name": "laptop"},
    ("PATCH", "/api/auth/passkeys/{passkey_id}"): {"name": "work laptop"},
    ("POST", "/api/auth/refresh"): {"refresh_token": TOKEN},
    ("POST", "/api/auth/oauth/exchange"): {"code": "the code in the address", "verifier": "the PKCE verifier"},
    ("POST", "/api/auth/register/confirm"): {"token": LINK_TOKEN, "password": SIGN_IN["password"]},
    ("POST", "/api/auth/device"): {"client": "bunbase on ada-laptop"},
    ("POST", "/api/auth/device/token"): {"device_code": "the device_code of POST /api/auth/device"},
    ("POST", "/api/auth/device/approve"): {"user_code": "WDJB-MJHT"},
    ("POST", "/api/auth/device/deny"): {"user_code": "WDJB-MJHT"},
    ("POST", "/api/auth/password-reset"): {"email": SIGN_IN["email"]},
    ("POST", "/api/auth/password-reset/confirm"): {"token": LINK_TOKEN, "password": "another horse battery"},
    ("POST", "/api/auth/verify-email"): {"email": SIGN_IN["email"]},
    ("POST", "/api/auth/verify-email/confirm"): {"token": LINK_TOKEN},
    ("POST", "/api/auth/email"): {"email": "ada@new.example"},
    ("POST", "/api/auth/email/confirm"): {"token": LINK_TOKEN},
    ("POST", "/api/invites"): {"email": "bob@example.com", "role": "user"},
    ("PATCH", "/api/auth/me"): {"name": "Ada L.", "avatar_url": "https://example.com/ada.png"},
    ("POST", "/api/auth/password"): {"password": "another horse battery", "current": "the password until now"},
    ("POST", "/api/auth/reauthenticate"): {"password": SIGN_IN["password"]},
    ("POST", "/api/auth/tokens"): {"name": "ci", "scopes": ["read", "write"], "expires_in_seconds": 7_776_000},
    ("PATCH", "/api/admin/accounts/{account_id}"): {"role": "admin"},
    ("POST", "/api/projects"): {"name": "Bakery"},
    ("PATCH", PROJECT): {"name": "Ada's bakery"},
    ("DELETE", PROJECT): {"confirm": "bakery"},
    ("POST", f"{PROJECT}/transfer"): {"org": "personal"},
    ("POST", f"{PROJECT}/members"): {"user": COLLEAGUE, "role": "developer"},
    ("PATCH", f"{PROJECT}/members/{{user}}"): {"role": "admin"},
    ("POST", f"{PROJECT}/invites"): {"email": "bob@example.com", "role": "developer"},
    ("POST", "/api/invites/accept"): {"token": "binv_…, the token of the link"},
    ("POST", "/api/invites/register"): {
        "token": "binm_…, the token of the link in the mail",
        "password": SIGN_IN["password"],
        "name": "Bob",
    },
    ("POST", "/api/orgs"): {"name": "Bakers' Guild"},
    ("PATCH", ORG): {"name": "Guild of Bakers"},
    ("DELETE", ORG): {"confirm": "bakers-guild"},
    ("PATCH", f"{ORG}/members/{{user}}"): {"role": "admin"},
    ("POST", f"{ORG}/invites"): {"email": "bob@example.com", "role": "viewer"},
    ("POST", f"{PROJECT}/keys"): {"kind": "secret", "name": "server"},
    ("PATCH", f"{PROJECT}/keys/{{key_id}}"): {"name": "reports", "scopes": ["data:read"]},
    ("POST", f"{PROJECT}/keys/{{key_id}}/rotate"): {"grace_seconds": 3600},
    ("POST", f"{PROJECT}/service-accounts"): {"name": "nightly report", "scopes": ["data:read"]},
    ("POST", f"{PROJECT}/storage/credentials"): {"name": "nightly sync", "access": "write", "buckets": ["photos"]},
    ("POST", "/api/admin/oauth-clients"): {
        "name": "Shop",
        "redirect_uris": ["https://shop.example/callback"],
        "kind": "confidential",
    },
    ("POST", "/oauth/token"): {
        "grant_type": "authorization_code",
        **OAUTH_CLIENT,
        "code": "the code in the address",
        "redirect_uri": "https://shop.example/callback",
        "code_verifier": "the PKCE verifier",
    },
    ("POST", "/oauth/revoke"): {"token": TOKEN, **OAUTH_CLIENT},
    ("POST", "/oauth/introspect"): {"token": TOKEN, **OAUTH_CLIENT},
    ("POST", "/v1/auth/token"): {
        "grant_type": "client_credentials",
        "client_id": "sa_01jd7qv8x2r4m6t0w9c3e5g7hb",
        "client_secret": "scs_…",
        "scope": "data:read",
    },
    ("PUT", f"{PROJECT}/env/{{name}}"): {"value": "the key of the payment provider", "exposed": False},
    ("PUT", f"{PROJECT}/functions/{{name}}"): {
        "bundle": 'module.exports.default = () => new Response("hello");',
        "config": '{"access": "key", "timeout_ms": 5000}',
    },
    ("POST", f"{PROJECT}/functions/{{name}}/rollback"): {"version": 1},
    ("POST", f"{PROJECT}/jobs"): {"function": "resize", "payload": {"image": "rye.jpg"}, "delay_seconds": 60},
    ("POST", f"{PROJECT}/walks"): {
        "kind": "migration",
        "name": "0001_split_name",
        "function": "migration-0001-split-name",
        "checksum": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
    ("POST", f"{PROJECT}/walks/rehearsal"): {"kind": "backfill", "function": "index", "where": {"status": "paid"}},
    ("PATCH", f"{PROJECT}/walks/{{walk_id}}"): {"state": "paused"},
    ("POST", f"{PROJECT}/backups/restore"): {"backup": "bkp_01jd7qv8x2r4m6t0w9c3e5g7hb"},
    ("PUT", f"{PROJECT}/backups/schedule"): {"every_hours": 24, "kept": 7},
    ("POST", f"{PROJECT}/import"): '{"_id": "rye", "title": "Rye bread"}\n{"_id": "spelt", "title": "Spelt bread"}\n',
    ("POST", f"{PROJECT}/auth/signing-keys/rotate"): {"now": False},
    ("PATCH", f"{PROJECT}/auth"): {"app_name": "Bakery", "redirect_urls": ["https://bakery.example/signed-in"]},
    ("POST", "/v1/auth/signup"): {"email": "eve@example.com", "password": "apples and pears", "data": {"name": "Eve"}},
    ("POST", "/v1/auth/anonymous"): {"data": {"theme": "dark"}},
    ("POST", "/v1/auth/login"): {"email": "eve@example.com", "password": "apples and pears"},
    ("POST", "/v1/auth/login/custom-token"): {"token": "the token of POST /v1/auth/custom-token"},
    ("POST", "/v1/auth/refresh"): {"refresh_token": TOKEN},
    ("POST", "/v1/auth/oauth/exchange"): {"code": "the code in the address", "verifier": "the PKCE verifier"},
    ("POST", "/v1/auth/identities/link"): {"provider": "google"},
    ("PATCH", "/v1/auth/me"): {"data": {"name": "Eve", "theme": "dark"}},
    ("POST", "/v1/auth/login/enrolment"): {"challenge": "the challenge of the answer"},
    ("POST", "/v1/auth/login/enrolment/confirm"): {"challenge": "the challenge of the answer", "code": "123456"},
    ("POST", "/v1/auth/login/passkey/options"): {"challenge": None},
    ("POST", "/v1/auth/login/passkey/verify"): {"credential": USED_PASSKEY},
    ("POST", "/v1/auth/login/second-factor"): {"challenge": "the challenge of the answer", "code": "123456"},
    ("POST", "/v1/auth/passkeys/register"): {"credential": NEW_PASSKEY, "name": "laptop"},
    ("PATCH", "/v1/auth/passkeys/{passkey_id}"): {"name": "work laptop"},
    ("POST", "/v1/auth/totp/confirm"): {"code": "123456"},
    ("POST", "/v1/auth/reauthenticate"): {"password": "apples and pears"},
    ("POST", "/v1/auth/password"): {"password": "another horse battery", "current": "the password until now"},
    ("POST", "/v1/auth/password-reset"): {"email": "eve@example.com"},
    ("POST", "/v1/auth/password-reset/confirm"): {"token": LINK_TOKEN, "password": "another horse battery"},
    ("POST", "/v1/auth/email"): {"email": "new@example.com"},
    ("POST", "/v1/auth/email/confirm"): {"token": LINK_TOKEN},
    ("POST", "/v1/auth/code"): {"email": "eve@example.com"},
    ("POST", "/v1/auth/login/code"): {"email": "eve@example.com", "code": "123456"},
    ("POST", "/v1/auth/login/phone"): {"phone": "+49 170 1234567", "code": "123456"},
    ("POST", "/v1/auth/phone"): {"phone": "+49 170 1234567", "language": "de"},
    ("POST", "/v1/auth/phone/change"): {"phone": "+49 170 7654321"},
    ("POST", "/v1/auth/phone/change/confirm"): {"phone": "+49 170 7654321", "code": "123456"},
    ("POST", "/v1/auth/link"): {"email": "eve@example.com", "redirect_to": "https://bakery.example/"},
    ("POST", "/v1/auth/login/link"): {"token": LINK_TOKEN},
    ("POST", "/v1/auth/signup/confirm"): {"token": LINK_TOKEN, "password": "apples and pears"},
    ("POST", "/v1/auth/verify-email"): {"email": "eve@example.com"},
    ("POST", "/v1/auth/verify-email/confirm"): {"token": LINK_TOKEN},
    ("POST", "/v1/auth/users"): {"email": "new@example.com", "password": "plums and cherries", "role": "editor"},
    ("PATCH", "/v1/auth/users/{user_id}"): {"role": "editor", "claims": {"team": "bread"}},
    ("POST", "/v1/auth/invites"): {"email": "fred@example.com", "role": "editor"},
    ("POST", "/v1/auth/users/bulk"): {"action": "sign_out", "ids": [USER]},
    ("POST", "/v1/auth/users/{user_id}/links"): {"kind": "verify_email"},
    ("POST", "/v1/auth/users/{user_id}/impersonate"): {"reason": "ticket 4711"},
    ("POST", "/v1/auth/custom-token"): {"uid": USER, "claims": {"team": "bread"}},
    ("PUT", "/v1/collections/{collection}"): {
        "indexes": [{"fields": ["author"]}, {"fields": ["title"], "type": "text", "stemming": "english"}],
        "rules": {"list": "true", "get": "true", "create": "auth.uid == next.author"},
    },
    ("POST", "/v1/collections/{collection}/misfits"): {"schema": {"required": ["title"]}, "limit": 20},
    ("POST", "/v1/rules/test"): {
        "collection": "posts",
        "op": "create",
        "auth": {"uid": USER},
        "next": POST,
        "rules": {"create": "auth.uid == next.author"},
    },
    ("POST", "/v1/data/{collection}"): POST,
    ("PUT", "/v1/data/{collection}/{id}"): POST,
    ("PATCH", "/v1/data/{collection}/{id}"): {"published": False},
    ("POST", "/v1/data/{collection}/query"): {"where": {"published": True}, "sort": ["title"], "limit": 20},
    ("POST", "/v1/data/{collection}/aggregate"): {
        "group": [
            "author",
            {"$dateTrunc": {"field": "_created", "unit": "month", "timezone": "Europe/Berlin"}, "as": "month"},
        ],
        "values": {"posts": {"$count": True}},
        "sort": ["-posts"],
        "limit": 10,
    },
    ("POST", "/v1/commit"): {
        "writes": [
            {"op": "put", "collection": "posts", "id": "rye", "data": POST},
            {"op": "patch", "collection": "posts", "id": "rye", "data": {"$inc": {"likes": 1}}},
        ]
    },
    ("PUT", "/v1/channels"): CHANNELS,
    ("POST", "/v1/channels/publish"): {"messages": [{"channel": "rooms/bakery", "data": {"text": "Fresh bread!"}}]},
    ("POST", "/v1/storage/buckets"): BUCKET,
    ("PATCH", "/v1/storage/buckets/{bucket}"): {"public": True, "cache_control": "max-age=3600"},
    ("PUT", "/v1/storage/objects/{bucket}/{key}"): "The bytes of the object.",
    ("POST", "/v1/storage/copy"): {
        "from": {"bucket": "photos", "key": "bakery/rye.jpg"},
        "to": {"bucket": "photos", "key": "archive/rye.jpg"},
    },
    ("POST", "/v1/storage/move"): {
        "from": {"bucket": "photos", "key": "drafts/rye.jpg"},
        "to": {"bucket": "photos", "key": "bakery/rye.jpg"},
        "overwrite": False,
    },
    ("POST", "/v1/storage/delete"): {"bucket": "photos", "keys": ["archive/rye.jpg", "archive/spelt.jpg"]},
    ("POST", "/v1/storage/sign"): {"bucket": "photos", "key": "bakery/rye.jpg", "expires_in": 3600},
    ("POST", "/v1/live"): {"send": [{"t": "watch", "id": 1, "query": {"collection": "posts"}}]},
    ("POST", "/v1/live/poll"): {"send": [{"t": "watch", "id": 1, "query": {"collection": "posts"}}]},
    ("POST", "/v1/live/{conn}"): {"send": [{"t": "unwatch", "id": 1}]},
    ("POST", "/v1/jobs"): {"function": "resize", "payload": {"image": "rye.jpg"}},
    ("POST", "/v1/auth/users/import"): (
        '{"id": "kYi4EvWQlQTK", "email": "gina@example.com", "email_verified": true, "password_hash": '
        '"$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"}\n'
        '{"email": "hugo@example.com", "identities": [{"provider": "google", "subject": "110169484474386276334"}]}\n'
    ),
    ("POST", "/v1/import"): '{"_id": "rye", "title": "Rye bread"}\n{"_id": "spelt", "title": "Spelt bread"}\n',
}


def with_examples(document: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI document after adding an example to each request body and each answer, in place."""
    for (method, path), example in EXAMPLES.items():
        operation = document["paths"].get(path, {}).get(method.lower())
        for media in operation.get("requestBody", {"content": {}})["content"].values() if operation else ():
            media["example"] = example
    schemas = document["components"]["schemas"]
    for name, example in ANSWERS.items():
        if name in schemas:
            schemas[name] = schemas[name] | {"examples": [example]}
    return document
