"""Sign and check JSON Web Tokens (RFC 7519).

`verified` is the only function of BunBase that checks the signature of a token: every verifier calls it, and then
checks the claims. `SigningKey` and `Verifier` are for the tokens that BunBase issues itself. The key decides the
algorithm, never the token: RS256, or ES256 and EdDSA in projects that choose one of them. `tests/house/token_attacks`
sends a table of attacks to every verifier.

The exceptions:

    BadToken          the text is not a token, its signature is wrong, or a claim is not as expected
    ├── UnknownKey    the token names a key that is not in the set: fetch the set again
    └── ExpiredToken  the signature is correct, but the token has expired
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

import msgspec
from joserfc import jws, jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import ECKey, KeyFlexible, OKPKey, RSAKey

from bunbase.pkg.cache import Cache

ALGORITHM: Final = "RS256"
KEY_KINDS: Final[dict[str, type[RSAKey | ECKey | OKPKey]]] = {"RS256": RSAKey, "ES256": ECKey, "EdDSA": OKPKey}
KEY_BITS: Final = 2048
MAX_LENGTH: Final = 8192  # A token has at most this many characters. No token of BunBase is longer.
# Dates are Unix seconds up to this number, because JSON cannot carry larger numbers exactly (RFC 8259 §6).
MAX_DATE: Final = 2**53
DATES: Final = ("exp", "nbf", "iat")
REMEMBER_SECONDS: Final = 3600.0


class BadToken(Exception): ...


class UnknownKey(BadToken): ...


class ExpiredToken(BadToken): ...


def encoded(claims: Mapping[str, Any], key: Any, kid: str, algorithm: str) -> str:
    """Return the compact form of a new token, signed with a private key of joserfc."""
    return jwt.encode({"alg": algorithm, "kid": kid}, dict(claims), key, algorithms=[algorithm])


def verified(
    token: str, keys: KeyFlexible, algorithms: Collection[str], max_length: int = MAX_LENGTH
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and the claims of a token whose signature is correct.

    `keys`: a key, or a key set from which the token names one. `exp` is a number, and `nbf` and `iat` are numbers if
    they are present. The caller compares them with its clock, and checks all other claims.

    Raises: UnknownKey, BadToken.
    """
    if len(token) > max_length:
        raise BadToken("the token is too long")
    try:
        payload = jws.deserialize_compact(token, keys, algorithms=algorithms).payload
        header, claims = _read(_decoded(token.partition(".")[0])), _read(payload or b"")
    except InvalidKeyIdError as error:
        raise UnknownKey(str(error)) from None
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        # A TypeError means that `crit` is not a list of names. An AttributeError means that the header is not an
        # object.
        raise BadToken(str(error)) from None
    if "crit" in header or "b64" in header:  # This code understands no extension (RFC 7515 §4.1.11).
        raise BadToken("the header has an extension")
    for name in DATES:
        if not _is_date(claims.get(name)) and (name in claims or name == "exp"):
            raise BadToken(f"{name} is not a number of seconds")
    return header, claims


class SigningKey:
    """A private key in memory. `kid` is its thumbprint (RFC 7638), so a key has the same id in every process."""

    def __init__(self, private: bytes) -> None:
        """`private`: the key in PKCS #8 DER, as `new_private_key` returns it."""
        self._key = RSAKey.import_key(private)
        self.kid = self._key.thumbprint()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return the compact form of a new token. This takes 360 µs."""
        return encoded(claims, self._key, self.kid, ALGORITHM)

    def public_jwk(self) -> dict[str, str]:
        public = self._key.as_dict(private=False)
        return {"kid": self.kid, "alg": ALGORITHM, "use": "sig"} | {
            name: str(public[name]) for name in ("kty", "n", "e")
        }


def new_private_key() -> bytes:
    """Return a new key. This takes 50 to 300 ms, so call it in a thread."""
    return RSAKey.generate_key(KEY_BITS).as_der(private=True)


def signing_input(kid: str, claims: Mapping[str, Any], typ: str = "JWT", algorithm: str = ALGORITHM) -> bytes:
    """Return the bytes to sign, for a key that another process holds (RFC 7515 §5.1)."""
    header = {"typ": typ, "alg": algorithm, "kid": kid}
    return b".".join(_base64(msgspec.json.encode(part)) for part in (header, claims))


def compact(signed: bytes, signature: bytes) -> str:
    """Return the compact form of a token. `signed`: its signing input. `signature`: the signature of that input."""
    return (signed + b"." + _base64(signature)).decode("ascii")


def unverified_claims(token: str) -> dict[str, Any]:
    """Return the unverified claims of a token, {} for a text that is not a token. Use it only to choose the right
    check.
    """
    if len(token) > MAX_LENGTH or token.count(".") != 2:
        return {}
    return _object(token.split(".")[1])


def unverified_header(token: str) -> dict[str, Any]:
    """Return the header of a token, {} for a text that is not a token. Use it only to choose the right key."""
    return _object(token.partition(".")[0]) if len(token) <= MAX_LENGTH else {}


class Verifier:
    """Checks tokens against a set of public keys (RFC 7517), each named by its `kid`.

    `remember`: the number of valid tokens that the cache may hold. The signature of a cached token is not checked again
    (45 µs).
    """

    def __init__(
        self, keys: Iterable[Mapping[str, str]], now: Callable[[], float] = time.time, remember: int = 0
    ) -> None:
        self._keys = {key["kid"]: (KEY_KINDS[key["alg"]].import_key(dict(key)), key["alg"]) for key in keys}
        self._now = now
        self._known: Cache[str, dict[str, Any]] = Cache(remember, REMEMBER_SECONDS)

    def knows(self, kid: str) -> bool:
        return kid in self._keys

    def claims(self, token: str, **expected: str) -> dict[str, Any]:
        """Return the claims of a token after checking its signature, its expiry (without leeway) and `expected` claims.

        Raises: UnknownKey, ExpiredToken, BadToken.
        """
        claims = self._known.get(token)
        if claims is None:
            claims = self._signed_claims(token)
            self._known.put(token, claims)
        now = self._now()
        if claims["exp"] <= now:
            raise ExpiredToken("the token has expired")
        if claims.get("nbf", 0) > now:
            raise BadToken("the token is not valid yet")
        for name, value in expected.items():
            if claims.get(name) != value:
                raise BadToken(f"the claim {name} is not {value}")
        return dict(claims)

    def _signed_claims(self, token: str) -> dict[str, Any]:
        kid = unverified_header(token).get("kid")
        if not isinstance(kid, str):
            raise BadToken("the token does not name its key")
        if kid not in self._keys:
            raise UnknownKey("the token names a key that is not in the set")
        key, algorithm = self._keys[kid]
        return verified(token, key, [algorithm])[1]


def key_id(token: str) -> str:
    """Return the `kid` that a token names. Call this only for a token whose signature was checked."""
    return str(unverified_header(token)["kid"])


def _read(text: bytes) -> dict[str, Any]:
    """Return an object in strict JSON. Two programs must not read different values from it (RFC 8725 §2.6).

    A name that occurs twice, NaN, Infinity and other encodings than UTF-8 raise ValueError, because Python's decoder
    accepts them, and NaN is never later than any time.
    """
    found = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    if not isinstance(found, dict):
        raise ValueError("it is not an object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice in an object")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _is_date(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -MAX_DATE <= value <= MAX_DATE


def _object(part: str) -> dict[str, Any]:
    """Return the object that a part of a token encodes, {} if it does not encode an object."""
    try:
        found = msgspec.json.decode(_decoded(part))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
