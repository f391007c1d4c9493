"""Check the ID token of a provider (OpenID Connect Core 1.0 §3.1.3.7)."""

from __future__ import annotations

import hmac
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError

from bunbase.pkg.oidc.documents import Documents
from bunbase.pkg.oidc.person import MAX_SUBJECT_LENGTH, ProviderFailed

ALGORITHMS: Final = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
]
MAX_LENGTH: Final = 32 << 10
SKEW_SECONDS: Final = 60.0  # allowed difference between the clocks of the provider and of this server
MAX_AGE_SECONDS: Final = 600.0  # a token is issued during the sign-in


class Expected(msgspec.Struct, frozen=True):
    """The values that an ID token must have. `now`: Unix seconds."""

    issuer: str
    client_id: str
    nonce: str
    now: float


async def checked_claims(token: str, documents: Documents, expected: Expected) -> dict[str, Any]:
    """Return the claims of an ID token. Raises: ProviderFailed."""
    if len(token) > MAX_LENGTH:
        raise ProviderFailed("the ID token is too long")
    claims = await _signed_claims(token, documents)
    for problem in _problems(claims, expected):
        raise ProviderFailed(f"the ID token is not valid: {problem}")
    return claims


async def _signed_claims(token: str, documents: Documents) -> dict[str, Any]:
    try:
        try:
            return _decoded(token, await documents.keys())
        except InvalidKeyIdError:  # the provider has changed its keys
            return _decoded(token, await documents.keys(anew=True))
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise ProviderFailed(f"the ID token is not valid: {type(error).__name__}: {error}") from None


def _decoded(token: str, keys: Any) -> dict[str, Any]:
    checked = jwt.decode(token, keys, algorithms=ALGORITHMS)
    if not isinstance(checked.claims, dict):
        raise ValueError("its claims are not an object")
    return checked.claims


def _problems(claims: dict[str, Any], expected: Expected) -> list[str]:
    issued: Any = claims.get("iat")
    expires: Any = claims.get("exp")
    audience: Any = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    subject, nonce = claims.get("sub"), claims.get("nonce")
    checks = {
        "iss": claims.get("iss") == expected.issuer,
        "aud": expected.client_id in audiences,
        "azp": claims.get("azp", expected.client_id) == expected.client_id if "azp" in claims else len(audiences) == 1,
        "exp": _is_number(expires) and expires > expected.now - SKEW_SECONDS,
        "iat": _is_number(issued) and -SKEW_SECONDS <= expected.now - issued <= MAX_AGE_SECONDS + SKEW_SECONDS,
        "nonce": isinstance(nonce, str) and hmac.compare_digest(nonce.encode(), expected.nonce.encode()),
        "sub": isinstance(subject, str) and 0 < len(subject) <= MAX_SUBJECT_LENGTH and "\0" not in subject,
    }
    return [name for name, holds in checks.items() if not holds]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
