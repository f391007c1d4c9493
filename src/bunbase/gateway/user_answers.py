"""One example for each answer of the routes of end users, as in `answer_examples.py`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bunbase.contracts.tenant_auth.settings import ProjectAuth
from bunbase.gateway.answer_values import AT, END_USER, LATER, TOKENS, USER

USER_ANSWERS: Final[dict[str, Any]] = {
    "UserSignedIn": {"user": END_USER, **TOKENS, "aal": 1, "amr": ["pwd"]},
    "RotatedKeys": {"kids": ["Ih1b0qNxkGNm3nPUtQ2Xt7yQqZpJ5rXxqJ4G3cPz3bE"], "ended": []},
    "EnrolledUser": {
        "user": END_USER,
        **TOKENS,
        "aal": 2,
        "amr": ["pwd", "otp", "mfa"],
        "recovery_codes": ["4fq0-9k2m-x7tz-c1hd", "b8mp-2v5n-0wqe-k6rs"],
    },
    "Reauthenticated": {
        "access_token": TOKENS["access_token"],
        "expires_in": 900,
        "aal": 2,
        "amr": ["pwd", "otp", "mfa"],
        "token_type": "Bearer",
    },
    "UserMe": {"user": END_USER, "impersonated_by": None},
    "UserLine": {
        **{"id": USER, "email": "eve@example.com", "email_verified": True, "phone": None, "phone_verified": False},
        **{"name": "Eve", "language": "en-GB"},
        **{"role": "editor", "claims": {"team": "bread"}, "data": {"theme": "dark"}},
        **{"anonymous": False, "banned": False, "banned_until": None, "created_at": AT, "last_sign_in_at": LATER},
        **{"password_changed_at": None},
        "identities": [{"provider": "google", "subject": "110169484474386276334", "email": "eve@example.com"}],
    },
    "ManagedUser": END_USER | {"banned": False, "has_password": True, "banned_until": None, "last_sign_in_at": LATER},
    "UserActivityEntry": {
        "id": "uac_01jd7qv8x2r4m6t0w9c3e5g7hk",
        "at": AT,
        "action": "user.sign_in",
        "outcome": "done",
        "by": "user",
        "ip": "203.0.113.7",
        "agent": "Mozilla/5.0",
        "method": "password",
        "amr": ["pwd"],
        "session": "ses_01jd7qv8x2r4m6t0w9c3e5g7hn",
        "new_device": True,
    },
    "ManagedActivityEntry": {
        "id": "uac_01jd7qv8x2r4m6t0w9c3e5g7hm",
        "at": AT,
        "action": "user.ban",
        "outcome": "done",
        "by": "member",
        "ip": "203.0.113.9",
        "agent": "bunbase/0.1.0",
        "user": "usr_01jd7qv8x2r4m6t0w9c3e5g7hj",
        "actor": "usr_01jd7qv8x2r4m6t0w9c3e5g7hh",
    },
    "UserSession": {
        "id": "ses_01jd7qv8x2r4m6t0w9c3e5g7hn",
        "ip": "203.0.113.7",
        "agent": "Mozilla/5.0",
        "created_at": AT,
        "last_used_at": LATER,
        "expires_at": LATER,
        "aal": 1,
        "provider": "password",
        "impersonated_by": None,
    },
    "OwnSession": {
        "id": "ses_01jd7qv8x2r4m6t0w9c3e5g7hn",
        "ip": "203.0.113.7",
        "agent": "Mozilla/5.0",
        "created_at": AT,
        "last_used_at": LATER,
        "expires_at": LATER,
        "aal": 1,
        "provider": "password",
        "impersonated_by": None,
        "current": True,
    },
    "ShownAuth": msgspec.json.decode(msgspec.json.encode(ProjectAuth(app_name="Bakery")))
    | {"secrets": ["providers.google"], "version": 3},
    "OpenUserInvite": {
        "id": "uin_6f1ed002ab5595859014ebf0951522d9",
        "email": "fred@example.com",
        "role": "editor",
        "created_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-08T00:00:00Z",
    },
    "UserInvite": {
        "id": "uin_6f1ed002ab5595859014ebf0951522d9",
        "email": "fred@example.com",
        "role": "editor",
        "expires_at": "2026-01-08T00:00:00Z",
        "url": "https://bunbase.example.com/v1/auth/ui/sign-up?project=prj_bakery&token=umt_…",
    },
    "BulkResult": {
        "action": "sign_out",
        "done": 1,
        "digest": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
        "failed": [],
        "next": None,
    },
    "HandedLink": {
        "kind": "verify_email",
        "email": "eve@example.com",
        "expires_at": LATER,
        "url": "https://bunbase.example.com/v1/auth/ui/verify-email?project=prj_bakery&token=umt_…",
    },
    "Impersonated": {
        "user": END_USER,
        "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.…",
        "expires_in": 900,
        "session": "ses_01jd7qv8x2r4m6t0w9c3e5g7hn",
        "impersonated_by": "usr_01jd7qv8x2r4m6t0w9c3e5g7hn",
        "token_type": "Bearer",
    },
    "CustomToken": {"token": "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.…", "expires_in": 300},
}
