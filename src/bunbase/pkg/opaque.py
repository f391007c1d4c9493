"""Opaque secrets: keys, refresh tokens and personal tokens. Each has 256 random bits; only its SHA-256 is stored."""

from __future__ import annotations

import hashlib
import os
import secrets
import string
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ALPHABET: Final = string.digits + string.ascii_letters
LENGTH: Final = 43  # A secret has this many characters, because 62^43 > 2^256.
HINT_LENGTH: Final = 4
NONCE_BYTES: Final = 12


def new_secret(prefix: str) -> str:
    """Return a new secret such as `sk_4Fq…`.

    After the prefix, the secret has only letters and digits, so that a double click selects the whole secret.
    """
    return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def fingerprint(secret: str) -> bytes:
    """Return the hash that is stored instead of a secret.

    A fast hash is enough, because nobody can guess 256 random bits.
    """
    return hashlib.sha256(secret.encode()).digest()


def hint(secret: str) -> str:
    """Return the first characters of a secret, by which its owner can recognise the secret."""
    prefix, _, rest = secret.partition("_")
    return f"{prefix}_{rest[:HINT_LENGTH]}…"


def seal_with(secret: str, plaintext: bytes) -> bytes:
    """Encrypt `plaintext` with a key derived from `secret`. Only a holder of the secret can decrypt it."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_key(secret)).encrypt(nonce, plaintext, None)


def open_with(secret: str, sealed: bytes) -> bytes:
    """Return the plaintext. Raises: cryptography.exceptions.InvalidTag if `secret` is wrong."""
    return AESGCM(_key(secret)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)


def _key(secret: str) -> bytes:
    return hashlib.sha256(b"bunbase sealed with a token v1\0" + secret.encode()).digest()
