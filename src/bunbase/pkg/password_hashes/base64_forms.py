"""Base64 as systems write it in hashes: with the letters of any of three alphabets, with padding or without."""

from __future__ import annotations

import base64
import binascii

from bunbase.pkg.password_hashes.limits import MAX_HASH, MAX_SALT, MIN_HASH, UnusableHash

# This table accepts the URL-safe alphabet, and passlib's alphabet, which has a dot for the plus.
STANDARD = str.maketrans("-_.", "+/+")


def decoded(name: str, text: str) -> bytes:
    """Return the bytes of a text in base64. `name`: the name of the text, for the error. Raises: UnusableHash."""
    letters = text.translate(STANDARD).rstrip("=")
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise UnusableHash(f"The {name} is not base64.") from None


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def salt_of(text: str) -> bytes:
    """Return the salt in a text. Raises: UnusableHash."""
    salt = decoded("salt", text)
    if len(salt) > MAX_SALT:
        raise UnusableHash(f"A salt has at most {MAX_SALT} bytes.")
    return salt


def hash_of(text: str) -> bytes:
    """Return the hash in a text. Raises: UnusableHash."""
    hash = decoded("hash", text)
    if not MIN_HASH <= len(hash) <= MAX_HASH:
        raise UnusableHash(f"A hash has {MIN_HASH} to {MAX_HASH} bytes.")
    return hash
