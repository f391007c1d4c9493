"""The discovery document."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.bunauth.openid import SCOPES
from bunbase.contracts.bunauth.tokens import Discovery

CLAIMS: Final = (
    "iss",
    "sub",
    "aud",
    "iat",
    "exp",
    "auth_time",
    "nonce",
    "amr",
    "at_hash",
    "name",
    "picture",
    "email",
    "email_verified",
)


def discovery(issuer: str, public_url: str) -> Discovery:
    base = public_url.rstrip("/")
    return Discovery(
        issuer,
        f"{base}/.well-known/jwks.json",
        f"{base}/oauth/authorize",
        f"{base}/oauth/token",
        f"{base}/oauth/userinfo",
        f"{base}/oauth/revoke",
        f"{base}/oauth/introspect",
        SCOPES,
        CLAIMS,
    )
