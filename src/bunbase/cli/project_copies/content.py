"""The content of one object in an exported file: lines of base64, which are decoded one after the other."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

from bunbase.cli.project_copies.lines import PIECE_BYTES, ObjectLine

MD5: Final = re.compile("[0-9a-f]{32}")


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
        """True if the content has the MD5 of its etag. The etag of an object that was uploaded in parts is no MD5."""
        return not is_md5(self.etag) or self.md5.hexdigest() == self.etag

    def add(self, text: str) -> bytes:
        """Return the bytes of the next line. Raises: ValueError."""
        data = decoded(text)
        if not data or len(data) > self.left:
            raise ValueError("a line has too many bytes, or none")
        self.left -= len(data)
        self.md5.update(data)
        return data


def is_md5(etag: str) -> bool:
    return MD5.fullmatch(etag) is not None


def decoded(text: str) -> bytes:
    """Raises: ValueError."""
    data = base64.b64decode(text, validate=True)
    if len(data) > PIECE_BYTES:
        raise ValueError(f"a line has at most {PIECE_BYTES} bytes")
    return data


def encoded(data: bytes) -> bytes:
    """Return the line for a part of the content."""
    return b'{"bytes":"' + base64.b64encode(data) + b'"}\n'
