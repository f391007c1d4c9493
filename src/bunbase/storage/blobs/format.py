"""The layout of a blob, and its encryption. Nothing here reads or writes files.

A blob is a header of HEADER_BYTES, then chunks of CHUNK_BYTES plaintext, each sealed with AES-256-GCM. The last chunk
may be shorter; a blob without content has one empty chunk.

    header  magic "BBLB", version 1 | id of the project's root key (4 bytes) | nonce prefix (7) | nonce (12) | the
            blob's own key, sealed with the root key (48)
    chunk   ciphertext | tag (16). The nonce is prefix | number of the chunk (4) | 1 for the last chunk, otherwise 0.

This is the layout of the streaming AEAD of Tink (Hoang, Reyhanitabar, Rogaway, Vizár 2015). The number and the mark of
the last chunk are in the nonce, so a chunk that was moved, left out, added or cut off does not open. The name of the
project and the id of the blob are authenticated with the blob's key, so a blob does not open in the place of another
blob, nor in another project. A range reads only the chunks that it needs.
"""

from __future__ import annotations

import os
import struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC: Final = b"BBLB\x01"
CHUNK_BYTES: Final = 64 << 10
TAG_BYTES: Final = 16
SEALED_CHUNK: Final = CHUNK_BYTES + TAG_BYTES
PREFIX_BYTES: Final = 7
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
HEADER: Final = struct.Struct(f">{len(MAGIC)}sI{PREFIX_BYTES}s{NONCE_BYTES}s{KEY_BYTES + TAG_BYTES}s")
HEADER_BYTES: Final = HEADER.size
CLEAR_BYTES: Final = len(MAGIC) + 4 + PREFIX_BYTES  # the part of the header that is authenticated, but not encrypted
MAX_CHUNKS: Final = 1 << 32


class Damaged(Exception):
    """The bytes of a blob are not those that were written, or belong to another blob or project."""


class BlobKey:
    """The key of one blob, which opens and seals its chunks."""

    def __init__(self, project: str, blob: str, key: bytes, prefix: bytes) -> None:
        self.cipher = AESGCM(key)
        self.prefix = prefix
        self.name = _name(project, blob)

    def seal(self, number: int, last: bool, chunk: bytes | memoryview) -> bytes:
        return self.cipher.encrypt(self._nonce(number, last), chunk, self.name)

    def open(self, number: int, last: bool, sealed: bytes | memoryview) -> bytes:
        """Raises: Damaged."""
        try:
            return self.cipher.decrypt(self._nonce(number, last), sealed, self.name)
        except InvalidTag:
            raise Damaged(f"chunk {number} does not open") from None

    def _nonce(self, number: int, last: bool) -> bytes:
        return self.prefix + number.to_bytes(4, "big") + bytes([last])


class Sealer:
    """Seals the content of one blob, piece by piece. `header`: the first bytes of the blob."""

    def __init__(self, root: bytes, root_id: int, project: str, blob: str) -> None:
        key, prefix, nonce = os.urandom(KEY_BYTES), os.urandom(PREFIX_BYTES), os.urandom(NONCE_BYTES)
        clear = MAGIC + root_id.to_bytes(4, "big") + prefix
        self.header = clear + nonce + AESGCM(root).encrypt(nonce, key, clear + _name(project, blob))
        self.key = BlobKey(project, blob, key, prefix)
        self.rest = b""
        self.number = 0

    def seal(self, piece: bytes) -> list[bytes]:
        """Return the sealed chunks that are complete. The last full chunk waits, because it may be the last of all.

        Only the bytes of a chunk that two pieces share are copied: copies of large pieces cost more than the cipher.
        """
        view, sealed = memoryview(piece), list[bytes]()
        if self.rest and len(self.rest) + len(view) > CHUNK_BYTES:
            missing = CHUNK_BYTES - len(self.rest)
            sealed.append(self._sealed(self.rest + view[:missing] if missing else self.rest))
            self.rest, view = b"", view[missing:]
        while len(view) > CHUNK_BYTES:
            sealed.append(self._sealed(view[:CHUNK_BYTES]))
            view = view[CHUNK_BYTES:]
        self.rest += view
        return sealed

    def finish(self) -> bytes:
        """Return the last chunk."""
        return self.key.seal(self.number, True, self.rest)

    def _sealed(self, chunk: bytes | memoryview) -> bytes:
        self.number += 1
        return self.key.seal(self.number - 1, False, chunk)


class Opener:
    """Opens a sealed blob piece by piece. `size`: the content of the whole blob. `roots`: the root keys, by id."""

    def __init__(self, roots: dict[int, bytes], project: str, blob: str, size: int) -> None:
        self.roots = roots
        self.project = project
        self.blob = blob
        self.size = size
        self.rest = b""
        self.number = 0
        self.key: BlobKey | None = None

    def open(self, piece: bytes) -> bytes:
        """Return the content of the chunks that are complete. Raises: Damaged."""
        sealed = self.rest + piece if self.rest else piece
        if self.key is None:
            if len(sealed) < HEADER_BYTES:
                self.rest = sealed
                return b""
            root = self.roots.get(root_id_of(sealed[:HEADER_BYTES]))
            if root is None:
                raise Damaged("the blob was sealed with an unknown root key")
            self.key = open_header(root, self.project, self.blob, sealed[:HEADER_BYTES])
            sealed = sealed[HEADER_BYTES:]
        final = chunk_count(self.size) - 1
        complete = max(0, min(len(sealed) // SEALED_CHUNK, final - self.number))
        whole, self.rest = sealed[: complete * SEALED_CHUNK], sealed[complete * SEALED_CHUNK :]
        content = open_chunks(self.key, self.number, self.number + complete - 1, whole, self.size) if whole else b""
        self.number += complete
        if self.number == final and len(self.rest) > SEALED_CHUNK:
            raise Damaged("the blob goes on after its end")
        return content

    def finish(self) -> bytes:
        """Return the content of the last chunk. Raises: Damaged if the blob does not end here."""
        final = chunk_count(self.size) - 1
        if self.key is None or self.number != final:
            raise Damaged("the blob is too short")
        return open_chunks(self.key, final, final, self.rest, self.size)


def root_id_of(header: bytes) -> int:
    """Return the id of the root key that sealed the blob's key. Raises: Damaged."""
    if len(header) != HEADER_BYTES or not header.startswith(MAGIC):
        raise Damaged("this is not the header of a blob")
    return int(HEADER.unpack(header)[1])


def open_header(root: bytes, project: str, blob: str, header: bytes) -> BlobKey:
    """Return the key of a blob. Raises: Damaged."""
    root_id_of(header)
    _, _, prefix, nonce, sealed = HEADER.unpack(header)
    try:
        key = AESGCM(root).decrypt(nonce, sealed, header[:CLEAR_BYTES] + _name(project, blob))
    except InvalidTag:
        raise Damaged("the key of this blob does not open") from None
    return BlobKey(project, blob, key, prefix)


def chunk_count(size: int) -> int:
    """Return the number of chunks of a blob with `size` bytes of content."""
    return max(1, -(-size // CHUNK_BYTES))


def sealed_size(size: int) -> int:
    """Return the number of bytes of a blob with `size` bytes of content."""
    return HEADER_BYTES + size + chunk_count(size) * TAG_BYTES


def sealed_span(first: int, last: int, size: int) -> tuple[int, int]:
    """Return the place of the chunks `first` to `last` in a blob: the first byte, and the byte after them."""
    return HEADER_BYTES + first * SEALED_CHUNK, min(HEADER_BYTES + (last + 1) * SEALED_CHUNK, sealed_size(size))


def open_chunks(key: BlobKey, first: int, last: int, sealed: bytes | memoryview, size: int) -> bytes:
    """Return the content of the chunks `first` to `last`. `sealed`: the bytes of `sealed_span`. `size`: the content of
    the whole blob.

    Raises: Damaged.
    """
    start, end = sealed_span(first, last, size)
    if len(sealed) != end - start:
        raise Damaged(f"the blob has {len(sealed)} instead of {end - start} bytes from {start} on")
    final = chunk_count(size) - 1
    view = memoryview(sealed)
    return b"".join(
        [
            key.open(number, number == final, view[at : at + SEALED_CHUNK])
            for number, at in enumerate(range(0, len(sealed), SEALED_CHUNK), first)
        ]
    )


def _name(project: str, blob: str) -> bytes:
    return f"{project}/{blob}".encode()
