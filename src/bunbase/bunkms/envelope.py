"""AES-256-GCM envelopes.

An envelope authenticates its owner and its purpose: it cannot be opened for another owner or purpose. The text of an
envelope begins with `bunkms:v` and the version of the key.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bunbase.contracts.bunkms import DecryptionFailed

KEY_BYTES: Final = 32
# nonces are random: after 2^32 messages with one key, the probability of a repeat is 2^-33 (NIST SP 800-38D §8.3)
NONCE_BYTES: Final = 12
SEALED: Final = re.compile(r"bunkms:v([1-9][0-9]{0,8}):([A-Za-z0-9+/]+={0,2})")


class Sealed(msgspec.Struct, frozen=True):
    """A ciphertext, and the version of the key-encryption key that encrypted it."""

    version: int
    ciphertext: bytes

    def text(self) -> str:
        return f"bunkms:v{self.version}:{base64.b64encode(self.ciphertext).decode()}"


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def parse_sealed(text: str) -> Sealed:
    """Parse the result of `Sealed.text`. Raises: DecryptionFailed for any other text."""
    match = SEALED.fullmatch(text)
    try:
        if match is not None:
            return Sealed(int(match[1]), base64.b64decode(match[2], validate=True))
    except binascii.Error:
        pass
    raise DecryptionFailed("A sealed value must have the form bunkms:v<version>:<base64>.")


def encrypt(key: bytes, plaintext: bytes, *bound_to: str) -> bytes:
    """Return nonce and ciphertext. `bound_to`: the words of the context; decryption needs the same words in the same
    order.
    """
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, joined(bound_to))


def decrypt(key: bytes, ciphertext: bytes, *bound_to: str) -> bytes:
    """Return the plaintext. Raises: DecryptionFailed if the key, a word or a single bit is different."""
    try:
        return AESGCM(key).decrypt(ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:], joined(bound_to))
    except (InvalidTag, ValueError):
        raise DecryptionFailed from None


def joined(words: tuple[str, ...]) -> bytes:
    """Return the words as bytes. Each word follows its length, so that different lists never have the same bytes."""
    encoded = [word.encode() for word in words]
    return b"".join(len(word).to_bytes(4, "big") + word for word in encoded)
