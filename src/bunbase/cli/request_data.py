"""A command-line value that is a text, a file, or stdin."""

from __future__ import annotations

import sys
from pathlib import Path

from bunbase.cli.errors import Usage


def read_data(data: str) -> bytes:
    """Return the bytes of a value. `@FILE` reads a file, and `@-` reads stdin. Raises: Usage."""
    if not data.startswith("@"):
        return data.encode()
    if data == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        raise Usage(f"{data[1:]} cannot be read: {error.strerror}.", "no_file") from None
