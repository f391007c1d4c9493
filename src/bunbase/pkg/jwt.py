"""Sign and check JSON Web Tokens (RFC 7519) with RS256. No other algorithm is accepted.

The exceptions:

    BadToken          the text is not a token, its signature is wrong, or a claim is not as expected
    ├── UnknownKey    the token names a key that is not in the set: fetch the set again
    └── ExpiredToken  the signature is correct, but the token has expired
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet, RSAKey

from bunbase.pkg.cache import Cache

ALGORITHM: Final = "RS256"
KEY_BITS: Final = 2048
MAX_LENGTH: Final = 8192  # characters; no token of BunBase is longer
REMEMBER_SECONDS: Final = 3600.0


class BadToken(Exception): ...


class UnknownKey(BadToken): ...


class ExpiredToken(BadToken): ...


class SigningKey:
    """A private key in memory. `kid` is its thumbprint (RFC 7638), so a key has the same id in every process."""

    def __init__(self, private: bytes) -> None:
        """`private`: PKCS #8 DER, as `new_private_key` returns it."""
        self._key = RSAKey.import_key(private)
        self.kid = self._key.thumbprint()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return the compact form of a new token. This takes 360 µs."""
        header = {"alg": ALGORITHM, "kid": self.kid}
        return jwt.encode(header, dict(claims), self._key, algorithms=[ALGORITHM])

    def public_jwk(self) -> dict[str, str]:
        public = self._key.as_dict(private=False)
        return {"kid": self.kid, "alg": ALGORITHM, "use": "sig"} | {
            name: str(public[name]) for name in ("kty", "n", "e")
        }


def new_private_key() -> bytes:
    """Return a new key. This takes 50 to 300 ms, so call it in a thread."""
    return RSAKey.generate_key(KEY_BITS).as_der(private=True)


def signing_input(kid: str, claims: Mapping[str, Any], typ: str = "JWT") -> bytes:
    """Return the bytes to sign, for a key that another process holds (RFC 7515 §5.1)."""
    header = {"typ": typ, "alg": ALGORITHM, "kid": kid}
    return b".".join(_base64(msgspec.json.encode(part)) for part in (header, claims))


def compact(signed: bytes, signature: bytes) -> str:
    """Return the compact form of a token. `signed`: its signing input. `signature`: the signature of that input."""
    return (signed + b"." + _base64(signature)).decode("ascii")


def unverified_claims(token: str) -> dict[str, Any]:
    """Return what a token says about itself, {} for a text that is no token. Use it only to choose the right check."""
    if len(token) > MAX_LENGTH or token.count(".") != 2:
        return {}
    payload = token.split(".")[1]
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


class Verifier:
    """Checks tokens against a set of public keys (RFC 7517), each named by its `kid`.

    `remember`: the number of valid tokens in a cache. The signature of a cached token is not checked again (45 µs).
    """

    def __init__(
        self, keys: Iterable[Mapping[str, str]], now: Callable[[], float] = time.time, remember: int = 0
    ) -> None:
        self._keys = KeySet([RSAKey.import_key(dict(key)) for key in keys])
        self._now = now
        self._known: Cache[str, dict[str, Any]] = Cache(remember, REMEMBER_SECONDS)

    def claims(self, token: str, **expected: str) -> dict[str, Any]:
        """Return the claims of a token after checking its signature, its expiry (without leeway) and `expected` claims.

        Raises: UnknownKey, ExpiredToken, BadToken.
        """
        claims = self._known.get(token)
        if claims is None:
            claims = self._signed_claims(token)
            self._known.put(token, claims)
        if claims["exp"] <= self._now():
            raise ExpiredToken("the token has expired")
        for name, value in expected.items():
            if claims.get(name) != value:
                raise BadToken(f"the claim {name} is not {value}")
        return dict(claims)

    def _signed_claims(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_LENGTH:
            raise BadToken("the token is too long")
        try:
            checked = jwt.decode(token, self._keys, algorithms=[ALGORITHM])
        except InvalidKeyIdError as error:
            raise UnknownKey(str(error)) from None
        except (JoseError, ValueError, TypeError, RecursionError) as error:  # TypeError: `crit` is not a list of names
            raise BadToken(str(error)) from None
        claims: Any = checked.claims
        if "kid" not in checked.header or not isinstance(claims, dict):
            raise BadToken("the token does not name its key, or its claims are not an object")
        if isinstance(claims.get("exp"), bool) or not isinstance(claims.get("exp"), int | float):
            raise BadToken("the token has no expiry")
        return claims


def key_id(token: str) -> str:
    """Return the `kid` that a token names. Call this only for a token whose signature was checked."""
    head = token.partition(".")[0]
    header = msgspec.json.decode(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    return str(header["kid"])


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
