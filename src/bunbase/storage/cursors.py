"""The cursors of lists of objects.

A page may end at an object that the rule `list` hides, and its key must stay hidden. So the position in a cursor is
encrypted with AES-256-GCM, under a key that is derived from the root key of the project. The project and the query are
authenticated.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bunbase.pkg.cursors import UNCHANGED, InvalidCursor, decode_cursor, encode_cursor

PURPOSE: Final = b"bunbase storage cursors 1"
ID_BYTES: Final = 8
NONCE_BYTES: Final = 12


def sealed_cursor(root: tuple[int, bytes], project: str, query: str, start: bytes) -> str:
    """Return the cursor of a page that begins at the key `start`. `root`: the id and the root key of the project."""
    id, key = root
    nonce = os.urandom(NONCE_BYTES)
    sealed = _cipher(key).encrypt(nonce, start, _place(project, query))
    return encode_cursor(query, (id.to_bytes(ID_BYTES, "big") + nonce + sealed).hex())


def opened_cursor(roots: dict[int, bytes], project: str, query: str, cursor: str | None) -> bytes:
    """Return the first key that may be on the page. Raises: InvalidCursor."""
    if not cursor:
        return b""
    try:
        packed = bytes.fromhex(decode_cursor(query, cursor, str))
        key = roots[int.from_bytes(packed[:ID_BYTES], "big")]
        nonce, sealed = packed[ID_BYTES : ID_BYTES + NONCE_BYTES], packed[ID_BYTES + NONCE_BYTES :]
        return _cipher(key).decrypt(nonce, sealed, _place(project, query))
    except (KeyError, ValueError, InvalidTag):
        raise InvalidCursor(UNCHANGED) from None


def _cipher(root: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(root))


def _place(project: str, query: str) -> bytes:
    return f"{project}\n{query}".encode()
