"""The content of one object in an exported file: lines of base64, which are decoded one after the other."""

from __future__ import annotations

import base64
import hashlib

from bunbase.cli.project_copies.lines import PIECE_BYTES, ObjectLine


class Content:
    """Counts and hashes the content of an object."""

    def __init__(self, found: ObjectLine) -> None:
        self.key = found.key
        self.left = found.size
        self.etag = found.etag
        self.md5 = hashlib.md5(usedforsecurity=False)

    @property
    def is_whole(self) -> bool:
        return self.left == 0

    @property
    def is_right(self) -> bool:
        return self.md5.hexdigest() == self.etag

    def add(self, text: str) -> bytes:
        """Return the bytes of the next line. Raises: ValueError."""
        data = decoded(text)
        if not data or len(data) > self.left:
            raise ValueError("a line has too many bytes, or none")
        self.left -= len(data)
        self.md5.update(data)
        return data


def decoded(text: str) -> bytes:
    """Raises: ValueError."""
    data = base64.b64decode(text, validate=True)
    if len(data) > PIECE_BYTES:
        raise ValueError(f"a line has at most {PIECE_BYTES} bytes")
    return data


def encoded(data: bytes) -> bytes:
    """Return the line for a part of the content."""
    return b'{"bytes":"' + base64.b64encode(data) + b'"}\n'
