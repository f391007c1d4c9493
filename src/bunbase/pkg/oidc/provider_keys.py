"""The signature keys of a provider, and the choice of the key for a token (RFC 7517, OpenID Connect Core 1.0 §10.1).

The document comes from a stranger. A key that is unknown, damaged, weak or expensive counts as missing (RFC 7517 §5).
So such a key does not stop the sign-ins that use another key. A key is read only when a token needs it: reading all
keys of a document took half a second, during which the process answered no requests.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import Key

from bunbase.pkg.public_keys import read_public_jwk

KINDS_OF_ALGORITHMS: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}  # See RFC 7518 §3.4.
MAX_KEYS: Final = 100
SAME_ALGORITHM: Final = {"Ed25519": "EdDSA"}  # RFC 9864 §2.2 has a second name for this algorithm.

Jwk = dict[str, Any]


class Signed(Protocol):
    """A token of joserfc. `key_of` finds its key."""

    def headers(self) -> dict[str, Any]: ...


class ProviderKeys:
    def __init__(self, document: dict[str, Any]) -> None:
        """Read the keys. `document`: a JWK set. Raises: ValueError."""
        keys = document.get("keys")
        if not isinstance(keys, list) or len(keys) > MAX_KEYS:
            raise ValueError(f"it is not a JWK set with at most {MAX_KEYS} keys")
        self.jwks: list[Jwk] = [one for one in keys if isinstance(one, dict) and _is_for_signatures(one)]

    def key_of(self, token: Signed) -> Key:
        """Return the key that the header of a token names. If the header has no `kid`, only one key may fit.

        Two keys may have one `kid` if they are of different kinds (RFC 7517 §4.5). Raises: InvalidKeyIdError.
        """
        header = token.headers()
        kid, algorithm = header.get("kid"), header.get("alg")
        fitting = [one for one in self.jwks if _fits(one, str(algorithm)) and kid in (None, one.get("kid"))]
        if kid is None and len(fitting) > 1:
            raise InvalidKeyIdError(None)
        found = next((key for one in fitting if (key := read_public_jwk(one)) is not None), None)
        if found is None:
            raise InvalidKeyIdError(kid)
        return found


def _is_for_signatures(jwk: Jwk) -> bool:
    operations = jwk.get("key_ops")
    may_verify = operations is None or (isinstance(operations, list) and "verify" in operations)
    return may_verify and jwk.get("use") in (None, "sig")


def _fits(jwk: Jwk, algorithm: str) -> bool:
    """True if the key fits the algorithm, and is not meant for another algorithm."""
    named = str(jwk.get("alg") or algorithm)
    same = SAME_ALGORITHM.get(named, named) == SAME_ALGORITHM.get(algorithm, algorithm)
    of_curve = algorithm not in CURVES or jwk.get("crv") == CURVES[algorithm]
    return same and of_curve and jwk.get("kty") == KINDS_OF_ALGORITHMS.get(algorithm[:2])
