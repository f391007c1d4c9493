"""Read public keys that strangers send, as JWK (RFC 7517) or PEM.

Concern: the sender of a key decides how long its import takes. When the library reads a private RSA key, it tests
    whether the numbers are prime. For a JWK of 5 kB this took 16 seconds, during which the process answered no
    requests.
Decision: only public numbers of a bounded size reach the library, and the size of RSA keys is checked first
    (`rsa_limits.py`).
Rejected: reading in a thread, because the library would compute for the same time, once for each request.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from bunbase.pkg.rsa_limits import is_usable_rsa

PublicKey = RSAKey | ECKey | OKPKey

KINDS: Final[dict[str, type[PublicKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
# These are the curves of JOSE. The library has no names for other curves.
CURVES: Final = (SECP256R1, SECP384R1, SECP521R1)
NAMES: Final = ("kty", "crv", "n", "e", "x", "y")
# Private keys have these members (RFC 7518 §6).
PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
MAX_NUMBER: Final = 1400  # A number has at most this many characters. A modulus of 8,192 bits has 1,366.
MAX_PEM: Final = 4000  # A PEM text has at most this many characters. A key of 8,192 bits has 1,500.


def is_private(sent: Mapping[str, Any] | str) -> bool:
    """True if a JWK or PEM text is, or contains, a private or secret key."""
    return "PRIVATE KEY" in sent if isinstance(sent, str) else not PRIVATE.isdisjoint(sent)


def read_public_jwk(jwk: Mapping[str, Any]) -> PublicKey | None:
    """Return the public part of a JWK, or None if it cannot be used. All other members are left out."""
    public: dict[str, Any] = {name: jwk[name] for name in NAMES if name in jwk}
    if any(not isinstance(value, str) or len(value) > MAX_NUMBER for value in public.values()):
        return None
    try:
        if public["kty"] == "RSA" and not is_usable_rsa(_number(public["n"]), _number(public["e"])):
            return None
        return KINDS[public["kty"]].import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def read_public_pem(text: str) -> RSAKey | ECKey | None:
    """Return the public key of a PEM text, or None if it cannot be used."""
    if len(text) > MAX_PEM or not text.isascii():
        return None
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if isinstance(key, RSAPublicKey):
        numbers = key.public_numbers()
        return RSAKey.import_key(key) if is_usable_rsa(numbers.n, numbers.e) else None
    return ECKey.import_key(key) if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, CURVES) else None


def _number(text: str) -> int:
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
