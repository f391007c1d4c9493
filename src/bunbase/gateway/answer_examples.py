"""One example for each answer that the OpenAPI document describes, by the name of its type.

They continue the story of `examples.py`. A page needs no example, because its items have one. `tests/gateway` compares
each example with its type, and `tests/e2e/test_every_route.py` compares the real answers with these types.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bunbase.contracts.tenant_auth.settings import ProjectAuth

AT: Final = "2026-01-05T06:00:00.000Z"
LATER: Final = "2026-01-05T07:00:00.000Z"
USER: Final = "usr_01jd7qv8x2r4m6t0w9c3e5g7ha"
ISSUER: Final = "https://api.example.com"
DEVELOPER: Final = "usr_01jd7qv8x2r4m6t0w9c3e5g7hd"
COLLEAGUE: Final = "usr_01jd7qv8x2r4m6t0w9c3e5g7hk"
ORG: Final = "org_01jd7qv8x2r4m6t0w9c3e5g7hm"
PROJECT: Final = "prj_01jd7qv8x2r4m6t0w9c3e5g7he"
BACKUP: Final = "bkp_01jd7qv8x2r4m6t0w9c3e5g7hb"
INVOCATION: Final = "inv_01jd7qv8x2r4m6t0w9c3e5g7hf"
SHA256: Final = "9f93fc1d14ea5578e50999c35ae62be28f58cccaf131cb5fa1b30da9fa3e6b72"

POST: Final = {"title": "Rye bread", "author": USER, "published": True}
DOCUMENT: Final = {"_id": "rye", "_rev": 1, "_created": AT, "_updated": AT, **POST}
ACCOUNT: Final = {
    "id": DEVELOPER,
    "email": "ada@example.com",
    "name": "Ada",
    "role": "admin",
    "created_at": AT,
    "email_verified": True,
    "avatar_url": "https://example.com/ada.png",
}
END_USER: Final = {
    "id": USER,
    "email": "eve@example.com",
    "email_verified": False,
    "role": "user",
    "claims": {},
    "data": {"name": "Eve"},
    "created_at": AT,
    "name": "",
    "phone": None,
    "phone_verified": False,
    "anonymous": False,
}
TOKENS: Final = {
    "access_token": "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.…",
    "refresh_token": "rt_…",
    "expires_in": 900,
    "token_type": "Bearer",
}
OWN_PROJECT: Final = {"id": PROJECT, "name": "Bakery", "slug": "bakery", "role": "owner", "created_at": AT, "org": ORG}
OWN_ORG: Final = {
    "id": ORG,
    "slug": "bakers-guild",
    "name": "Bakers' Guild",
    "role": "owner",
    "created_at": AT,
    "personal": False,
}
KEY: Final = {
    "id": "key_01jd7qv8x2r4m6t0w9c3e5g7hg",
    "kind": "secret",
    "name": "server",
    "hint": "sk_F7r6…",
    "created_at": AT,
    "expires_at": None,
}
HOUR: Final[dict[str, Any]] = {
    "calls": 120,
    "errors": 1,
    "refused": 0,
    "cold_starts": 2,
    "p50_ms": 4.5,
    "p95_ms": 18.0,
    "cpu_ms": 640.0,
    "memory_peak_mb": 61.5,
}
USED: Final[dict[str, Any]] = {"invocations": 120, "gb_seconds": 0.4, "cpu_ms": 640.0}

ANSWERS: Final[dict[str, Any]] = {
    "Health": {"status": "ok", "version": "0.1.0"},
    "ReadinessReport": {"status": "ok", "checks": {"postgres": {"status": "ok"}, "functions": {"status": "ok"}}},
    "Instance": {
        "version": "0.1.0",
        "mode": "production",
        "signups": "closed",
        "setup_complete": True,
        "sandbox": {"functions": ["landlock", "seccomp", "rlimits"]},
        "confirms_signups": False,
    },
    "RpcAnswer": {"jsonrpc": "2.0", "id": 1, "result": {"valid": False}},
    "Problem": {
        "type": "https://bunbase.dev/problems/document_not_found",
        "title": "There is no such document",
        "status": 404,
        "code": "document_not_found",
        "detail": "There is no document rye in posts.",
        "request_id": "req_01jd7qv8x2r4m6t0w9c3e5g7hc",
    },
    "Jwks": {
        "keys": [{"kid": "vHb7zy24taG8", "alg": "RS256", "use": "sig", "kty": "RSA", "n": "2NMbOZ…", "e": "AQAB"}]
    },
    "Discovery": {
        "issuer": ISSUER,
        "jwks_uri": f"{ISSUER}/.well-known/jwks.json",
        "authorization_endpoint": f"{ISSUER}/oauth/authorize",
        "token_endpoint": f"{ISSUER}/oauth/token",
        "userinfo_endpoint": f"{ISSUER}/oauth/userinfo",
        "revocation_endpoint": f"{ISSUER}/oauth/revoke",
        "introspection_endpoint": f"{ISSUER}/oauth/introspect",
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "amr", "at_hash", "email"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "authorization_response_iss_parameter_supported": True,
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    },
    # clients of the OpenID Provider
    "OAuthClient": {
        "id": "oac_01jd7qv8x2r4m6t0w9c3e5g7hb",
        "name": "Shop",
        "kind": "confidential",
        "redirect_uris": ["https://shop.example/callback"],
        "created_at": AT,
        "first_party": False,
        "client_secret": "ocs_…",
    },
    "Authorization": {
        "id": "oau_01jd7qv8x2r4m6t0w9c3e5g7hb",
        "client_id": "oac_01jd7qv8x2r4m6t0w9c3e5g7hb",
        "client": "Shop",
        "first_party": False,
        "scopes": ["email", "openid"],
        "created_at": AT,
        "last_used_at": LATER,
    },
    "OAuthTokens": {
        "access_token": "eyJhbGciOiJSUzI1NiIsImtpZCI6IlEx…",
        "expires_in": 900,
        "scope": "openid email offline_access",
        "id_token": "eyJhbGciOiJSUzI1NiIsImtpZCI6IlEx…",
        "refresh_token": "brt_…",
        "token_type": "Bearer",
    },
    "UserInfo": {"sub": DEVELOPER, "email": "ada@example.com", "email_verified": True},
    "Introspection": {
        "active": True,
        "scope": "openid email",
        "client_id": "oac_01jd7qv8x2r4m6t0w9c3e5g7hb",
        "sub": DEVELOPER,
        "iss": ISSUER,
        "token_type": "Bearer",
        "exp": 1767679200,
        "iat": 1767678300,
    },
    "OAuthFailure": {"error": "invalid_grant", "error_description": "The code is wrong, or was used before."},
    # developers and projects
    "SignedIn": {"user": ACCOUNT, **TOKENS},
    "Me": {"user": ACCOUNT},
    "SignupPending": {"status": "confirmation_sent"},
    "DeviceLogin": {
        "device_code": "bdc_…",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://api.example.com/device",
        "verification_uri_complete": "https://api.example.com/device?user_code=WDJB-MJHT",
        "expires_in": 600,
        "interval": 5,
    },
    "Accepted": {"status": "accepted"},
    "NewTotp": {
        "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "uri": "otpauth://totp/BunBase:ada%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=BunBase",
    },
    "TotpState": {"enabled": True, "recovery_codes_left": 9, "confirmed_at": AT},
    "RecoveryCodes": {"recovery_codes": ["4fq0-9k2m-x7tz-c1hd", "b8mp-2v5n-0wqe-k6rs"]},
    "PasskeyOptions": {"public_key": {"challenge": "vXh0…", "rpId": "api.example.com", "userVerification": "required"}},
    "Passkey": {
        "id": "psk_01jd7qv8x2r4m6t0w9c3e5g7hn",
        "name": "laptop",
        "synced": True,
        "created_at": AT,
        "last_used_at": LATER,
    },
    "EmailConfirmed": {"status": "verified"},
    "LoginProvider": {"name": "google", "title": "Google", "kind": "oidc"},
    "LinkTicket": {"ticket": "blt_…", "expires_in": 300},
    "Identity": {
        "id": "idn_01jd7qv8x2r4m6t0w9c3e5g7hp",
        "provider": "google",
        "email": "ada@example.com",
        "created_at": AT,
        "last_used_at": LATER,
    },
    "AccountInvite": {
        "id": "ain_01jd7qv8x2r4m6t0w9c3e5g7hm",
        "email": "bob@example.com",
        "role": "user",
        "created_at": AT,
        "expires_at": "2026-01-12T06:00:00.000Z",
        "url": "https://api.example.com/account/invite?token=biv_…",
    },
    "ActivityEntry": {
        "id": "acv_01jd7qv8x2r4m6t0w9c3e5g7hk",
        "at": AT,
        "action": "account.sign_in",
        "ip": "203.0.113.9",
        "agent": "bunbase/0.1.0",
        "outcome": "done",
        "method": "password",
    },
    "AccountSession": {
        "id": "ses_01jd7qv8x2r4m6t0w9c3e5g7hk",
        "ip": "203.0.113.7",
        "agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "created_at": AT,
        "last_used_at": LATER,
        "expires_at": "2026-07-04T06:00:00.000Z",
        "current": True,
        "client": "",
    },
    "PersonalToken": {
        "id": "tok_01jd7qv8x2r4m6t0w9c3e5g7hh",
        "name": "ci",
        "scopes": ["read", "write"],
        "created_at": AT,
        "expires_at": None,
        "token": "bpt_…",
    },
    "Project": OWN_PROJECT,
    "NewProject": OWN_PROJECT | {"keys": [KEY | {"key": "sk_…"}]},
    "Key": KEY | {"key": "sk_…"},
    "Organisation": OWN_ORG,
    "Member": {
        "user": {"id": COLLEAGUE, "email": "bob@example.com", "name": "Bob"},
        "role": "developer",
        "since": AT,
        "through": "project",
    },
    "Invite": {
        "id": "ivt_01jd7qv8x2r4m6t0w9c3e5g7hn",
        "email": "bob@example.com",
        "role": "developer",
        "created_at": AT,
        "expires_at": "2026-01-12T06:00:00.000Z",
        "url": "https://api.example.com/invite?token=binv_…",
    },
    "AcceptedInvite": {"role": "developer", "project": OWN_PROJECT | {"role": "developer"}},
    "ServiceAccount": {
        "client_id": "sa_01jd7qv8x2r4m6t0w9c3e5g7hb",
        "name": "nightly report",
        "scopes": ["data:read"],
        "created_at": AT,
        "client_secret": "scs_…",
    },
    "ServiceAccessToken": {
        "access_token": "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…",
        "expires_in": 600,
        "scope": "data:read",
        "token_type": "Bearer",
    },
    "OAuthError": {"error": "invalid_client", "error_description": "The client is unknown, or its secret is wrong."},
    "KeyState": {"version": 2, "since": AT, "rotating": False, "progress": None, "failed": None},
    "AuditEntry": {
        "id": "aud_01jd7qv8x2r4m6t0w9c3e5g7hk",
        "at": AT,
        "actor": {
            "kind": "developer",
            "id": DEVELOPER,
            "email": "ada@example.com",
            "credential": "ses_01jd7qv8x2r4m6t0w9c3e5g7hm",
        },
        "action": "key.create",
        "target": "key_01jd7qv8x2r4m6t0w9c3e5g7hg",
        "ip": "203.0.113.9",
        "outcome": "done",
        "status": 201,
        "agent": "bunbase/0.1.0",
        "request_id": "req_01jd7qv8x2r4m6t0w9c3e5g7hc",
        "project": PROJECT,
        "after": {"kind": "secret", "name": "server", "hint": "sk_F7r6…", "expires_at": None},
    },
    "ManagedAccount": ACCOUNT | {"suspended_at": None, "last_used_at": LATER, "sessions": 2, "tokens": 1},
    "ManagedProject": {
        "id": PROJECT,
        "name": "Bakery",
        "slug": "bakery",
        "created_at": AT,
        "suspended_at": None,
        "owners": [DEVELOPER],
        "members": 3,
        "bytes": 65536,
        "written_at": LATER,
    },
    "InstallationUsage": {"projects": 12, "suspended_projects": 1, "members": 9, "keys": 30, "bytes": 1048576},
    "Usage": USED | {"hours": [{"hour": AT, **USED}]},
    # backups, export and import
    "Backup": {
        "id": BACKUP,
        "project": PROJECT,
        "reason": "manual",
        "created_at": AT,
        "bunbase": "0.1.0",
        "format": 1,
        "key_version": 1,
        "seq": 2,
        "source_changed_at": 1767592800,
        "collections": [{"name": "posts", "documents": 1, "bytes": 120}],
        "files": [{"name": "documents.db", "bytes": 65536, "sha256": SHA256}],
        "authenticity": "proved",
    },
    "BackupJob": {
        "id": "job_01jd7qv8x2r4m6t0w9c3e5g7hj",
        "project": PROJECT,
        "kind": "create",
        "state": "done",
        "backup": BACKUP,
        "created_at": AT,
        "from_project": PROJECT,
        "done_bytes": 65536,
        "total_bytes": 65536,
        "safety_backup": None,
        "problem": None,
    },
    "BackupScheduleState": {"every_hours": 24, "kept": 7, "own": True},
    "Imported": {"imported": 2, "skipped": 0, "failed": 0, "last_line": 2, "errors": [], "unresolved": []},
    # functions
    "Version": {
        "name": "resize",
        "version": 1,
        "sha256": SHA256,
        "size": 53,
        "config": {"access": "key", "timeout_ms": 5000},
        "active": True,
        "created_at": AT,
        "created_by": DEVELOPER,
    },
    "LogLine": {
        "seq": 1,
        "at": AT,
        "level": "info",
        "text": "resized rye.jpg",
        "function": "resize",
        "version": 1,
        "invocation": INVOCATION,
        "truncated": False,
    },
    "FunctionStats": HOUR | {"hours": [{"hour": AT, **HOUR}]},
    "Job": {
        "id": "job_01jd7qv8x2r4m6t0w9c3e5g7hk",
        "function": "resize",
        "kind": "job",
        "state": "waiting",
        "created_at": AT,
        "due_at": LATER,
        "attempt": 0,
        "attempts": 5,
        "payload": {"image": "rye.jpg"},
    },
    "Run": {
        "id": "run_01jd7qv8x2r4m6t0w9c3e5g7hm",
        "function": "resize",
        "version": 1,
        "kind": "job",
        "job": "job_01jd7qv8x2r4m6t0w9c3e5g7hk",
        "attempt": 1,
        "started_at": LATER,
        "duration_ms": 12.5,
        "outcome": "ok",
        "code": None,
        "invocation": INVOCATION,
    },
    "ScheduleState": {
        "function": "resize",
        "cron": "0 6 * * *",
        "time_zone": "Europe/Berlin",
        "overlap": False,
        "next_at": LATER,
    },
    "Variable": {"name": "PAYMENT_KEY", "updated_at": AT, "exposed": False},
    # end users
    "UserSignedIn": {"user": END_USER, **TOKENS},
    "UserMe": {"user": END_USER},
    "ManagedUser": END_USER | {"banned": False, "has_password": True},
    "UserSession": {
        "id": "ses_01jd7qv8x2r4m6t0w9c3e5g7hn",
        "ip": "203.0.113.7",
        "agent": "Mozilla/5.0",
        "created_at": AT,
        "last_used_at": LATER,
        "expires_at": LATER,
    },
    "OwnSession": {
        "id": "ses_01jd7qv8x2r4m6t0w9c3e5g7hn",
        "ip": "203.0.113.7",
        "agent": "Mozilla/5.0",
        "created_at": AT,
        "last_used_at": LATER,
        "expires_at": LATER,
        "current": True,
    },
    "ShownAuth": msgspec.json.decode(msgspec.json.encode(ProjectAuth(app_name="Bakery")))
    | {"secrets": ["providers.google"], "version": 3},
    "CustomToken": {"token": "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.…", "expires_in": 300},
    # documents and collections
    "Document": DOCUMENT,
    "FoundDocument": DOCUMENT,
    "DocumentPage": {"items": [DOCUMENT], "next": None},
    "AggregatedGroups": {"items": [{"author": USER, "posts": 1}]},
    "Commit": {"seq": 2, "results": [{"id": "rye", "rev": 1}, {"id": "rye", "rev": 2}]},
    "ChangeEntry": {"seq": 1, "op": "create", "collection": "posts", "id": "rye", "rev": 1, "at": AT},
    "ShownCollection": {"name": "posts", "created_at": AT, "indexes": [], "documents": 1, "bytes": 120},
    "Misfit": {
        "id": "rye",
        "errors": [{"path": "/title", "message": "This field is required.", "keyword": "required"}],
    },
    "Decision": {
        "allowed": True,
        "trace": [{"expr": "auth.uid == next.author", "value": True, "line": 1, "column": 1}],
        "hidden": [],
    },
    "RuleCoverage": {"collection": "posts", "rule": "create", "total": 2, "covered": 2, "missing": []},
}
