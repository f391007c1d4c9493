"""RSA keys that the tests of a process share.

To make a key takes 40 ms of processor time, and to load a key takes 30 ms.
"""

from __future__ import annotations

import functools

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@functools.cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    """Return the key with this number. The same number always returns the same key."""
    return rsa.generate_private_key(65537, 2048)


def private_key(number: int) -> bytes:
    """Return the key with this number in the form of `pkg.jwt.new_private_key`."""
    return rsa_key(number).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
