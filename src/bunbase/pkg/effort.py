"""A measure for the work of one iteration of the event loop. Only tests count this work; a running server does not.

The unit is the time to read one byte of JSON into Python, which is 15 to 50 ns. If the data of a caller decides how
long some code takes, this code calls `note` with its work in this unit. A test adds up the work of one iteration. Tests
do not measure seconds, because the result would depend on the machine and its load.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

# Each number is the work for one byte or character, in this unit. AT_EVERY_LEVEL is for a byte of a document that is
# read and written at every level: at most 65 µs per KiB.
AT_EVERY_LEVEL: Final = 4
FOR_A_CHARACTER_OF_RULES: Final = 250  # Compiling a rule to a closure takes 10 µs per character.
FOR_A_CHARACTER_OF_SCHEMAS: Final = 50

counting: Callable[[int], None] | None = None


def note(bytes: int) -> None:
    if counting is not None:
        counting(bytes)
