"""Read a file line by line. Memory holds only one line, even if a line is endless or the file is compressed."""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, cast

from bunbase.cli.errors import Failure, Usage
from bunbase.cli.project_copies.lines import MAX_LINE_BYTES

GZIP: Final = ".gz"
PIECE: Final = 1 << 20
TOLD_LINES: Final = 200  # the command shows the progress after each 200 lines

OnBytes = Callable[[int], None]


class TooLong:
    """Stands for a line that is longer than any valid line."""


class CutOff:
    """Stands for the rest of the file if its last line has no end, or if its compressed data end too early."""

    def __init__(self, why: str) -> None:
        self.why = why


def size_of(file: Path) -> int:
    """Return the size of the file as it is stored. Raises: Usage."""
    try:
        return os.stat(file).st_size
    except OSError as error:
        raise Usage(f"{file} cannot be opened: {error.strerror}.", "no_file") from None


def numbered_lines(file: Path, on_bytes: OnBytes) -> Iterator[tuple[int, bytes | TooLong | CutOff]]:
    """Yield the lines with their numbers. `on_bytes`: called with the number of bytes read so far.

    Raises: Usage, Failure.
    """
    with _opened(file) as (raw, source):
        number = 0
        while True:
            try:
                line = _next_line(source)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                yield number + 1, CutOff(f"the compressed data cannot be read further: {error}")
                return
            except OSError as error:
                raise Failure("unreadable_file", f"{file} cannot be read: {error.strerror or error}.") from None
            if line == b"":
                return
            number += 1
            if number == 1 and isinstance(line, bytes):
                line = line.removeprefix(codecs.BOM_UTF8)
            if number % TOLD_LINES == 0:
                on_bytes(raw.tell())
            if isinstance(line, bytes) and not line.endswith(b"\n"):
                yield number, CutOff("the line has no end")
                return
            yield number, line


def _next_line(source: IO[bytes]) -> bytes | TooLong:
    line = source.readline(MAX_LINE_BYTES + 1)
    if len(line) <= MAX_LINE_BYTES:
        return line
    while line and not line.endswith(b"\n"):
        line = source.readline(PIECE)
    return TooLong()


@contextmanager
def _opened(file: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Yield the stored file, and the decompressed lines. Raises: Usage."""
    try:
        raw = file.open("rb")
    except OSError as error:
        raise Usage(f"{file} cannot be opened: {error.strerror}.", "no_file") from None
    with raw:
        if file.suffix != GZIP:
            yield raw, raw
            return
        with gzip.open(raw) as source:
            yield raw, cast("IO[bytes]", source)
