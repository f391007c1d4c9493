"""Personal access tokens: their scopes and their claims."""

from __future__ import annotations

from typing import Any, Final

from bunbase.bunauth.store.personal_tokens import TokenHolder
from bunbase.pkg.errors import InvalidInput

PREFIX: Final = "bpt"
TYPE: Final = "personal"
SCOPES: Final = ("read", "write", "secrets")  # a token without "write" can only read: the gateway enforces this
MAX_TOKENS: Final = 100


def checked_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes without duplicates, in the order of SCOPES. Raises: InvalidInput."""
    if not scopes or not set(scopes) <= set(SCOPES):
        raise InvalidInput.at("/scopes", f"Name one or more of these scopes, and no others: {', '.join(SCOPES)}.")
    return tuple(scope for scope in SCOPES if scope in scopes)


def personal_claims(holder: TokenHolder, issuer: str) -> dict[str, Any]:
    """Return the claims of a personal access token; they have the same names as the claims of an access token."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": holder.user_id,
        "iat": int(holder.created_at.timestamp()),
        "jti": holder.id,
        "type": TYPE,
        "role": holder.role,
        "email": holder.email,
        "scopes": list(holder.scopes),
    }
    if holder.expires_at is not None:
        claims["exp"] = int(holder.expires_at.timestamp())
    return claims
