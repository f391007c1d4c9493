"""Make every text printable, whichever encoding the terminal or the pipe has."""

from __future__ import annotations

import codecs
import re
import sys
from io import TextIOWrapper
from typing import Final, TextIO

HANDLER: Final = "bunbase-plain"
PLAIN: Final = {"–": "-", "…": "...", "✓": "+", "✗": "x", "→": "->", "·": "-", "“": '"', "”": '"', "’": "'"}
BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]")


def accept_every_text() -> None:
    """Let stdout and stderr write plain characters for those that their encoding does not have. Idempotent."""
    codecs.register_error(HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def json_for(stream: TextIO, text: str) -> str:
    """Return JSON text without loss for this stream: `\\u` escapes replace the characters that it cannot write."""
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return BEYOND_ASCII.sub(_escaped, text)
    return text


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(PLAIN.get(character, "?") for character in lost), error.end


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
