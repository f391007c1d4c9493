"""Reads source maps (ECMA-426, JSON version 3), which map a place in a bundle to a place in the author's source file.

This module reads only the parts that a stack trace needs, and ignores names and index maps. A map comes from a
deployment and is not trusted: its sizes are limited, and a map with inconsistent mappings is refused as a whole.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

MAX_SOURCES: Final = 20_000
MAX_MAPPINGS_CHARACTERS: Final = 4 << 20
# This many segments take 8 MB in arrays, for about 5 MB of code, and are decoded in 0.5 s.
MAX_SEGMENTS: Final = 500_000
MAX_NUMBER: Final = 2**31 - 1
MAX_SHOWN_CHARACTERS: Final = 200
DIGITS: Final = {
    ord(digit): value for value, digit in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}
CONTINUES: Final = 32  # A base 64 digit holds five bits of a number. This sixth bit is set if more digits follow.
MAX_SHIFT: Final = 30  # Seven digits can already hold a number greater than MAX_NUMBER.

Source = Annotated[str, msgspec.Meta(max_length=4096)]


class SourceMapFile(msgspec.Struct, frozen=True):
    version: Literal[3]
    sources: Annotated[list[Source | None], msgspec.Meta(max_length=MAX_SOURCES)]
    mappings: str
    source_root: Source | None = msgspec.field(name="sourceRoot", default=None)


class BadSourceMap(Exception):
    """A source map that cannot be used. The message contains the reason."""


class Place(NamedTuple):
    """A place in an author's file. `line` and `column` begin at 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class SourceMap:
    """The decoded mappings, in flat arrays. The arrays take a twentieth of the memory that tuples would take."""

    def __init__(self, sources: list[str]) -> None:
        self.sources = sources
        # For each line of the bundle, this has the line's first index in the arrays below.
        self.line_starts = array("i", [0])
        self.columns = array("i")
        self.files = array("i")  # This is the index of the file, or -1 for code that the bundler added.
        self.lines = array("i")
        self.file_columns = array("i")

    def find(self, line: int, column: int) -> Place | None:
        """Return the place in the author's file, or None if the map has no such place.

        `line` and `column` begin at 1.
        """
        if not 1 <= line < len(self.line_starts):
            return None
        first, end = self.line_starts[line - 1], self.line_starts[line]
        found = bisect_right(self.columns, column - 1, first, end) - 1
        if found < first or self.files[found] < 0:
            return None
        return Place(self.sources[self.files[found]], self.lines[found] + 1, self.file_columns[found] + 1)


def read_source_map(text: bytes) -> SourceMapFile:
    """Read the file without decoding its mappings. Raises: BadSourceMap."""
    try:
        return msgspec.json.decode(text, type=SourceMapFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadSourceMap(f"it is not a JSON source map of version 3 ({error})") from None


def decode_source_map(text: bytes) -> SourceMap:
    """Decode a map. Raises: BadSourceMap."""
    file = read_source_map(text)
    if len(file.mappings) > MAX_MAPPINGS_CHARACTERS:
        raise BadSourceMap(f"its mappings are longer than {MAX_MAPPINGS_CHARACTERS >> 20} MiB")
    decoded = SourceMap([_shown(source or "?", file.source_root or "") for source in file.sources])
    # `place` is the last position in the sources: the file, the line and the column. Each number in the mappings is the
    # difference from the previous number of its kind.
    place = [0, 0, 0]
    for line in file.mappings.split(";"):
        column = 0
        for segment in line.split(","):
            if segment:
                column = _add_segment(decoded, column, place, _numbers(segment))
        decoded.line_starts.append(len(decoded.columns))
        if len(decoded.columns) > MAX_SEGMENTS:
            raise BadSourceMap(f"it has more than {MAX_SEGMENTS} mappings")
    return decoded


def _add_segment(decoded: SourceMap, before: int, place: list[int], numbers: list[int]) -> int:
    """Add one mapping, and return its column in the bundle. `before`: the column of the previous mapping."""
    column = before + numbers[0]
    if len(numbers) > 1:
        for index in range(3):
            place[index] += numbers[index + 1]
            if not 0 <= place[index] < MAX_NUMBER:
                raise BadSourceMap("its mappings contain a negative or too large number")
        if place[0] >= len(decoded.sources):
            raise BadSourceMap("its mappings name a file that it does not list")
    if numbers[0] < 0 or column >= MAX_NUMBER:
        raise BadSourceMap("its mappings are not in order")
    decoded.columns.append(column)
    decoded.files.append(place[0] if len(numbers) > 1 else -1)
    decoded.lines.append(place[1])
    decoded.file_columns.append(place[2])
    return column


def _numbers(segment: str) -> list[int]:
    """Decode one segment of 1, 4 or 5 base 64 VLQ numbers. The lowest bit of each number is its sign."""
    numbers: list[int] = []
    value = shift = 0
    for character in segment:
        digit = DIGITS.get(ord(character))
        if digit is None or shift > MAX_SHIFT:
            raise BadSourceMap("its mappings are not base 64 VLQ")
        value += (digit & 31) << shift
        if digit & CONTINUES:
            shift += 5
            continue
        numbers.append(-(value >> 1) if value & 1 else value >> 1)
        value = shift = 0
    if shift or len(numbers) not in (1, 4, 5):
        raise BadSourceMap("its mappings are not base 64 VLQ")
    return numbers


def _shown(source: str, root: str) -> str:
    """Return a file's name for the log, without control characters. Of a very long name, return only the end."""
    whole = root + source
    # The name is cut first, because checking all characters of 20,000 long names would take seconds.
    end = whole[-MAX_SHOWN_CHARACTERS:]
    name = "".join(character for character in end if character.isprintable())
    return name if len(whole) <= MAX_SHOWN_CHARACTERS else f"…{name[1:]}"
