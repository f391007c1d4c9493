"""Make every text printable, for all encodings of the terminal or pipe, and even if streams are closed."""

from __future__ import annotations

import codecs
import os
import re
import sys
from io import TextIOWrapper
from typing import Final, TextIO

HANDLER: Final = "bunbase-plain"
PLAIN: Final = {"–": "-", "…": "...", "✓": "+", "✗": "x", "→": "->", "·": "-", "“": '"', "”": '"', "’": "'"}
BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]")


def open_missing() -> None:
    """Open /dev/null as stdin, stdout or stderr if the caller has closed that stream (`>&-`). Idempotent.

    Otherwise the next file or socket would get the number of the closed stream, and would receive the output of child
    processes.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def drop_output() -> None:
    """Drop the output that could not be written, because Python would otherwise report an error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def accept_every_text() -> None:
    """Let stdout and stderr replace characters that their encoding does not have with plain characters. Idempotent."""
    codecs.register_error(HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def drop_empty_size() -> None:
    """Ignore a terminal size of zero, which some consoles without a window report. Idempotent."""
    for name in ("COLUMNS", "LINES"):
        if not os.environ.get(name, "1").strip("0"):
            del os.environ[name]


def json_for(stream: TextIO, text: str) -> str:
    """Return JSON text for this stream: `\\u` escapes replace the characters that the stream cannot write."""
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
