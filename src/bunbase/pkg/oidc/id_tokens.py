"""Check the ID token of a provider (OpenID Connect Core 1.0 §3.1.3.7)."""

from __future__ import annotations

import hmac
import re
from typing import Any, Final

import msgspec

from bunbase.pkg.jwt import BadToken, UnknownKey, verified
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
SKEW_SECONDS: Final = 60.0  # The clocks of the provider and of this server may differ by this much.
MAX_AGE_SECONDS: Final = 600.0  # A token may be this old, because a provider issues it during the sign-in.


TENANT: Final = "{tenantid}"  # Microsoft's issuer for people of all tenants contains this text.
TENANT_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Expected(msgspec.Struct, frozen=True):
    """The values that an ID token must have. `now`: Unix seconds. `issuer`: the issuer, in which TENANT may stand for
    any tenant.
    """

    issuer: str
    client_id: str
    nonce: str
    now: float


async def checked_claims(token: str, documents: Documents, expected: Expected) -> dict[str, Any]:
    """Return the claims of an ID token. Raises: ProviderFailed."""
    claims = await _signed_claims(token, documents)
    for problem in _problems(claims, expected):
        raise ProviderFailed(f"the ID token is not valid: {problem}")
    return claims


async def _signed_claims(token: str, documents: Documents) -> dict[str, Any]:
    try:
        try:
            return verified(token, (await documents.keys()).key_of, ALGORITHMS, MAX_LENGTH)[1]
        except UnknownKey:  # The provider has changed its keys.
            return verified(token, (await documents.keys(anew=True)).key_of, ALGORITHMS, MAX_LENGTH)[1]
    except BadToken as error:
        raise ProviderFailed(f"the ID token is not valid: {error}") from None


def _problems(claims: dict[str, Any], expected: Expected) -> list[str]:
    issued: Any = claims.get("iat")
    audience: Any = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    subject: Any = claims.get("sub")
    nonce: Any = claims.get("nonce")
    checks = {
        "iss": _is_of(claims, expected.issuer),
        "aud": expected.client_id in audiences,
        "azp": claims.get("azp", expected.client_id) == expected.client_id if "azp" in claims else len(audiences) == 1,
        "exp": claims["exp"] > expected.now - SKEW_SECONDS,
        "nbf": claims.get("nbf", 0) <= expected.now + SKEW_SECONDS,
        "iat": issued is not None and -SKEW_SECONDS <= expected.now - issued <= MAX_AGE_SECONDS + SKEW_SECONDS,
        "nonce": _is_text(nonce) and hmac.compare_digest(nonce.encode(), expected.nonce.encode()),
        "sub": _is_text(subject) and 0 < len(subject) <= MAX_SUBJECT_LENGTH and "\0" not in subject,
    }
    return [name for name, holds in checks.items() if not holds]


def _is_of(claims: dict[str, Any], issuer: str) -> bool:
    """True if a token names the issuer. If the settings leave the tenant open, the token must name the issuer of the
    person's tenant.
    """
    if TENANT not in issuer:
        return claims.get("iss") == issuer
    tenant = claims.get("tid")
    known = isinstance(tenant, str) and TENANT_ID.fullmatch(tenant) is not None
    return known and claims.get("iss") == issuer.replace(TENANT, str(tenant))


def _is_text(value: Any) -> bool:
    """True if the value is a text that UTF-8 can encode. JSON can also carry half of a surrogate pair."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)
