"""Regular expressions of callers: RE2's, whose time is linear in the text, whatever the pattern."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import re2

from bunbase.pkg import effort

MAX_PATTERN: Final = 1000  # characters
MAX_BYTES: Final = 1 << 20  # of a pattern's automaton; beyond, RE2 refuses it, or walks it without a cache
MAX_SENT_BYTES: Final = 256 << 10  # of one that comes with a query: larger ones take 8 ms to compile
SECONDS_FOR_AN_INSTRUCTION: Final = 5e-9  # and byte, without an automaton: 3.7 to 5.6 ns measured
INSTRUCTIONS_FOR_A_BYTE: Final = 8  # of a program, for one byte of JSON: what takes as long
KEPT: Final = 64  # compiled patterns
FLAGS: Final = "ims"

QUANTIFIERS: Final = "?*{"  # the character before one of these may be missing
META: Final = frozenset(".^$|()[]+?*{}\\")


class InvalidPattern(ValueError):
    """What RE2 says of a pattern that it does not take."""


class Pattern:
    """`size`: instructions of the program. Where its automaton grows too large, RE2 walks all of them at each byte."""

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        self.size = int(compiled.programsize)

    def found_in(self, text: bytes) -> bool:
        """Say whether some part of the UTF-8 text matches."""
        effort.note(len(text) * self.size // INSTRUCTIONS_FOR_A_BYTE)
        return self.compiled.search(text) is not None

    def longest_seconds(self, bytes: int) -> float:
        """Return how long looking through so many bytes takes at worst."""
        return bytes * self.size * SECONDS_FOR_AN_INSTRUCTION


@lru_cache(KEPT)
def pattern(text: str, max_bytes: int = MAX_BYTES) -> Pattern:
    """`max_bytes`: of its program and automaton. Raises: InvalidPattern."""
    if len(text) > MAX_PATTERN + len(with_flags("", FLAGS)):
        raise InvalidPattern(f"it is longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.max_mem = max_bytes
    options.log_errors = False
    options.never_capture = True  # only whether it matches is asked: a third less to walk
    try:
        return Pattern(re2.compile(text.encode(), options))
    except re2.error as error:
        said = error.args[0]
        raise InvalidPattern(said.decode(errors="replace") if isinstance(said, bytes) else str(said)) from None


def with_flags(text: str, flags: str) -> str:
    return f"(?{flags}:{text})" if flags else text


def literal_beginning(text: str) -> str:
    """Give what every match begins with, which then is how the whole text begins; empty if that is not plain to see."""
    if not text.startswith("^") or "|" in text:
        return ""
    found: list[str] = []
    rest = text[1:]
    while rest:
        escaped = rest[0] == "\\" and len(rest) > 1 and rest[1] in META
        if rest[0] in META and not escaped:
            break
        found.append(rest[int(escaped)])
        rest = rest[1 + escaped :]
    if found and rest[:1] and rest[0] in QUANTIFIERS:
        found.pop()
    return "".join(found)
