"""Check client assertions (RFC 7523 §3): a client proves its identity with a JWT that its own private key signs.

`aud` must be the issuer of this server, and nothing else. RFC 7523 also allowed the URL of the token endpoint. But a
client may learn this URL from a hostile server: the client would then sign an assertion for another server, and the
hostile server could use it there (draft-ietf-oauth-rfc7523bis, OpenID notice of January 2025, CVE-2025-27370).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from joserfc.jwk import ECKey, RSAKey

from bunbase.pkg.jwt import BadToken, unverified_claims, verified
from bunbase.pkg.public_keys import is_private, read_public_jwk, read_public_pem
from bunbase.pkg.rsa_limits import MAX_BITS, MIN_BITS

CURVE: Final = "P-256"
LONGEST_SECONDS: Final = 600  # An assertion must expire within this time.
LEEWAY_SECONDS: Final = 60  # The clocks of client and server may differ by this much.
MAX_ID_LENGTH: Final = 256


class BadAssertion(Exception): ...


class UnsuitableKey(Exception): ...


class Assertion(msgspec.Struct, frozen=True):
    """A valid assertion. `id`: its claim `jti`.

    A client may use the assertion once, until `expires_at` (Unix seconds).
    """

    id: str
    expires_at: float


def public_jwk(sent: dict[str, Any] | str) -> dict[str, Any]:
    """Return a public key as a JWK. `sent`: a JWK or a PEM text. Raises: UnsuitableKey."""
    if is_private(sent):
        raise UnsuitableKey("This is a private key. Send the public key, and keep the private key where it is used.")
    key = _key_of(sent)
    public = key.as_dict(private=False)
    names = ("kty", "n", "e") if isinstance(key, RSAKey) else ("kty", "crv", "x", "y")
    return {name: public[name] for name in names}


def issuer_of(assertion: str) -> str:
    """Return the issuer that an assertion names, without checking the assertion. Raises: BadAssertion."""
    issuer = unverified_claims(assertion).get("iss")
    if not isinstance(issuer, str):
        raise BadAssertion("it is not a JWT with the claim iss")
    return issuer


def check_assertion(assertion: str, jwk: dict[str, Any], client: str, audience: str, now: float) -> Assertion:
    """Check signature and claims of an assertion. The key decides the algorithm: RS256 for RSA, ES256 for P-256.

    `audience`: the issuer of this server, which must be the only value of `aud`. Raises: BadAssertion.
    """
    try:
        key = _key_of(jwk)
    except UnsuitableKey:  # The key was registered when BunBase still allowed this kind of key.
        raise BadAssertion("its key is not accepted any more: register another one") from None
    try:
        _, claims = verified(assertion, key, ["RS256" if isinstance(key, RSAKey) else "ES256"])
    except BadToken as error:
        raise BadAssertion(str(error)) from None
    if claims.get("iss") != client or claims.get("sub") != client:
        raise BadAssertion("iss and sub must both be the client id")
    if claims.get("aud") not in (audience, [audience]):
        raise BadAssertion(f"aud must be {audience} alone")
    return Assertion(_id(claims), _expiry(claims, now))


def _id(claims: dict[str, Any]) -> str:
    id = claims.get("jti")
    if not isinstance(id, str) or not 1 <= len(id) <= MAX_ID_LENGTH:
        raise BadAssertion(f"jti must be a text of 1 to {MAX_ID_LENGTH} characters")
    return id


def _expiry(claims: dict[str, Any], now: float) -> float:
    expires_at = float(claims["exp"])
    if not now < expires_at <= now + LONGEST_SECONDS + LEEWAY_SECONDS:
        raise BadAssertion(f"exp must be in the future, and at most {LONGEST_SECONDS} seconds away")
    for name in ("nbf", "iat"):
        if claims.get(name, 0) > now + LEEWAY_SECONDS:
            raise BadAssertion(f"{name} is in the future")
    return expires_at


def _key_of(sent: dict[str, Any] | str) -> RSAKey | ECKey:
    """Return the key. Raises: UnsuitableKey."""
    key = read_public_pem(sent) if isinstance(sent, str) else read_public_jwk(sent)
    if isinstance(key, RSAKey) or (isinstance(key, ECKey) and key.curve_name == CURVE):
        return key
    raise UnsuitableKey(
        f"Send an RSA key of {MIN_BITS} to {MAX_BITS} bits with the exponent 65537, or an EC key on {CURVE}. "
        "Send it as JWK or PEM."
    )
