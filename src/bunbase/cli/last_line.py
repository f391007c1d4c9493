"""Find where an interrupted export can continue: after the last complete line of its file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from bunbase.cli.errors import Usage

TAIL_BYTES: Final = 4 << 20  # the command reads this number of bytes from the end of the file; no line is longer


class Named(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")


class Envelope(msgspec.Struct, frozen=True):
    collection: str
    document: Named


def cut_to_whole_lines(file: Path) -> str:
    """Remove an incomplete last line from the file; return the parameter `after` of the next export.

    The parameter is "" if no line is left: the export then begins at the start. Raises: Usage.
    """
    try:
        with file.open("r+b") as target:
            size = target.seek(0, os.SEEK_END)
            begin = target.seek(max(0, size - TAIL_BYTES))
            tail = target.read()
            whole = tail[: tail.rfind(b"\n") + 1]
            target.truncate(begin + len(whole))
    except OSError as error:
        raise Usage(f"{file} cannot be opened: {error.strerror}.", "no_file") from None
    return _position(whole.rstrip(b"\n").rpartition(b"\n")[2], file) if whole else ""


def _position(line: bytes, file: Path) -> str:
    try:
        return msgspec.json.decode(line, type=Named).id
    except msgspec.MsgspecError:
        pass
    try:
        envelope = msgspec.json.decode(line, type=Envelope)
    except msgspec.MsgspecError:
        raise Usage(
            f"The last line of {file} is not an exported document, so the export cannot be resumed.", "cannot_resume"
        ) from None
    return f"{envelope.collection}/{envelope.document.id}"
