"""The claims of id_tokens (OpenID Connect Core 1.0 §2)."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import Any

import msgspec


class Authentication(msgspec.Struct, frozen=True):
    """A sign-in of a person. `amr`: the methods that the sign-in used (RFC 8176)."""

    subject: str
    at: datetime
    amr: tuple[str, ...]


def id_token_claims(
    authentication: Authentication, access_token: str, nonce: str, about: dict[str, Any]
) -> dict[str, Any]:
    """Return the claims, without issuer, audience and times. `about`: claims about the person, by the scopes."""
    claims = about | {
        "sub": authentication.subject,
        "auth_time": int(authentication.at.timestamp()),
        "amr": list(authentication.amr),
        "at_hash": access_token_hash(access_token),
    }
    return claims | {"nonce": nonce} if nonce else claims


def access_token_hash(access_token: str) -> str:
    """Return the claim `at_hash` for RS256: the left half of the SHA-256 (OpenID Connect Core §3.1.3.6)."""
    half = hashlib.sha256(access_token.encode("ascii")).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()
