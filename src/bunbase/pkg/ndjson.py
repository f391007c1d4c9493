"""Lines of JSON (NDJSON) that arrive as a stream: numbered, and of limited length.

A line that is too long is dropped while it arrives. Only its number is stored.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Annotated, Final

import msgspec

NDJSON: Final = "application/x-ndjson"
LinesBody = Annotated[str, msgspec.Meta(description="NDJSON: one JSON object per line.")]


class ImportLine(msgspec.Struct, frozen=True):
    """`number`: the number of the line; the first line is 1."""

    number: int
    text: bytes


class RefusedLine(msgspec.Struct, frozen=True):
    line: int
    code: str
    detail: str


class ExportPart(msgspec.Struct, frozen=True):
    """One or more complete lines of NDJSON."""

    lines: bytes


class Lines:
    """Numbers the lines from 1. An empty line has a number, but is not returned.

    `max_bytes`: the limit of one line. `too_long`: the numbers of the lines that were dropped.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.rest = b""
        self.dropping = False
        self.number = 0
        self.too_long: list[int] = []

    def feed(self, piece: bytes) -> list[ImportLine]:
        """Return the lines that end in this piece."""
        *ended, rest = (self.rest + piece).split(b"\n")
        lines = [line for text in ended if (line := self._line(text)) is not None]
        if len(rest) > self.max_bytes:
            self.dropping, rest = True, b""
        self.rest = b"" if self.dropping else rest
        return lines

    def end(self) -> list[ImportLine]:
        """Return the last line if it does not end with a newline."""
        return self.feed(b"\n") if self.rest or self.dropping else []

    def _line(self, text: bytes) -> ImportLine | None:
        self.number += 1
        if self.dropping or len(text) > self.max_bytes:
            self.dropping = False
            self.too_long.append(self.number)
            return None
        text = (
            text.removeprefix(BOM_UTF8) if self.number == 1 else text
        ).strip()  # Some editors write a BOM at the start of a file.
        return ImportLine(self.number, text) if text else None
