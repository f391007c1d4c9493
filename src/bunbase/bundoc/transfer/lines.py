"""Cut a stream of bytes into numbered lines. What is too long is dropped as it comes, and only its number kept."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Final

from bunbase.contracts.backups import ImportLine

MAX_LINE_BYTES: Final = (2 << 20) + 1024  # what may be sent for one document, and its envelope


class Lines:
    """Empty lines count, but are not given."""

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        self.max_bytes = max_bytes
        self.rest = b""
        self.dropping = False
        self.number = 0
        self.too_long: list[int] = []

    def feed(self, piece: bytes) -> list[ImportLine]:
        """Give the lines that end in this piece. The numbers of those too long gather in `too_long`."""
        *ended, rest = (self.rest + piece).split(b"\n")
        lines = [line for text in ended if (line := self._line(text)) is not None]
        if len(rest) > self.max_bytes:
            self.dropping, rest = True, b""
        self.rest = b"" if self.dropping else rest
        return lines

    def end(self) -> list[ImportLine]:
        """Give the last line, if it has no newline of its own."""
        return self.feed(b"\n") if self.rest or self.dropping else []

    def _line(self, text: bytes) -> ImportLine | None:
        self.number += 1
        if self.dropping or len(text) > self.max_bytes:
            self.dropping = False
            self.too_long.append(self.number)
            return None
        text = (text.removeprefix(BOM_UTF8) if self.number == 1 else text).strip()  # as some editors begin a file
        return ImportLine(self.number, text) if text else None
