"""Regular expressions that callers send.

These expressions run in RE2, whose time is linear in the length of the text.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import re2

from bunbase.pkg import effort

MAX_PATTERN: Final = 1000  # A pattern has at most this many characters.
# RE2 uses at most this much memory for a pattern. RE2 refuses a larger pattern, or matches it slowly without a cache of
# its automaton.
MAX_BYTES: Final = 1 << 20
# RE2 uses at most this much memory for a pattern in a query. Larger patterns take 8 ms to compile.
MAX_SENT_BYTES: Final = 256 << 10
# An instruction takes this time per byte of the text, if no automaton is used. Measured: 3.7 to 5.6 ns.
SECONDS_FOR_AN_INSTRUCTION: Final = 5e-9
INSTRUCTIONS_FOR_A_BYTE: Final = 8  # This many instructions take the same time as reading one byte of JSON.
KEPT: Final = 64  # The cache holds this many compiled patterns.
FLAGS: Final = "ims"

QUANTIFIERS: Final = "?*{"  # The character before one of these signs is optional.
META: Final = frozenset(".^$|()[]+?*{}\\")


class InvalidPattern(ValueError):
    """RE2 does not accept this pattern. The message is the reason that RE2 reports."""


class Pattern:
    """A compiled pattern.

    `size`: the number of instructions of its program. If the automaton grows too large, RE2 runs all instructions at
    each byte of the text.
    """

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        self.size = int(compiled.programsize)

    def found_in(self, text: bytes) -> bool:
        """True if any part of the UTF-8 text matches."""
        effort.note(len(text) * self.size // INSTRUCTIONS_FOR_A_BYTE)
        return self.compiled.search(text) is not None

    def longest_seconds(self, bytes: int) -> float:
        """Return the longest time that a search in this many bytes takes."""
        return bytes * self.size * SECONDS_FOR_AN_INSTRUCTION


@lru_cache(KEPT)
def pattern(text: str, max_bytes: int = MAX_BYTES) -> Pattern:
    """Return a compiled pattern. `max_bytes` limits its program and automaton. Raises: InvalidPattern."""
    if len(text) > MAX_PATTERN + len(with_flags("", FLAGS)):
        raise InvalidPattern(f"the pattern is longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.max_mem = max_bytes
    options.log_errors = False
    options.never_capture = True  # Only the fact of a match is needed. This saves a third of the work.
    try:
        return Pattern(re2.compile(text.encode(), options))
    except re2.error as error:
        said = error.args[0]
        raise InvalidPattern(said.decode(errors="replace") if isinstance(said, bytes) else str(said)) from None


def with_flags(text: str, flags: str) -> str:
    return f"(?{flags}:{text})" if flags else text


def literal_beginning(text: str) -> str:
    """Return the literal prefix of all matching texts. Return "" if the pattern has no simple literal prefix.

    Only patterns that begin with `^` can have a literal prefix.
    """
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
