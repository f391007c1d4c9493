"""Opaque secrets: keys, refresh tokens, personal tokens. 256 random bits each, stored only as SHA-256."""

from __future__ import annotations

import hashlib
import os
import secrets
import string
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ALPHABET: Final = string.digits + string.ascii_letters
LENGTH: Final = 43  # 62^43 > 2^256
HINT_LENGTH: Final = 4
NONCE_BYTES: Final = 12


def new_secret(prefix: str) -> str:
    """Give a new secret such as `sk_4Fq…`, letters and digits only so that a double click selects it whole."""
    return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def fingerprint(secret: str) -> bytes:
    """Give what is stored in place of a secret. A plain hash is enough: there is nothing to guess in 256 bits."""
    return hashlib.sha256(secret.encode()).digest()


def hint(secret: str) -> str:
    """Give the beginning of a secret, enough for its owner to tell it from others."""
    prefix, _, rest = secret.partition("_")
    return f"{prefix}_{rest[:HINT_LENGTH]}…"


def seal_with(secret: str, plaintext: bytes) -> bytes:
    """Encrypt so that only a holder of `secret`, which is not stored, can open it again."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_key(secret)).encrypt(nonce, plaintext, None)


def open_with(secret: str, sealed: bytes) -> bytes:
    """Raises cryptography.exceptions.InvalidTag if `secret` is not the one."""
    return AESGCM(_key(secret)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)


def _key(secret: str) -> bytes:
    return hashlib.sha256(b"bunbase sealed with a token v1\0" + secret.encode()).digest()
