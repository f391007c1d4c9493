"""The work of one turn of the event loop, in bytes. Only tests count it; a running server does not.

The unit is one byte of JSON that is read into Python, which takes 15 to 50 ns. Code whose time grows with what a caller
sends or stores notes its work here in this unit, and a test adds up what the thread of the event loop notes in one
turn. A test in seconds would depend on the machine, and on what else runs there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

# the work for one byte or character, in bytes of that unit
AT_EVERY_LEVEL: Final = 4  # a document that is read and written again at every level of nesting: at most 65 µs a KiB
FOR_A_CHARACTER_OF_RULES: Final = 250  # 10 µs until it is compiled to a closure
FOR_A_CHARACTER_OF_SCHEMAS: Final = 50

counting: Callable[[int], None] | None = None


def note(bytes: int) -> None:
    if counting is not None:
        counting(bytes)
