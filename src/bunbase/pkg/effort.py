"""Counts the work of one turn of the event loop for tests. A running server does not count.

The unit is the work of reading one byte of JSON into Python: 15 to 50 ns. Code whose time grows with the size of
requests or stored data notes its work here in this unit. A test adds up the work that the thread of the event loop
notes in one turn. Measured seconds would depend on the machine and on other programs that run there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

# other work, in the same unit
AT_EVERY_LEVEL: Final = 4  # reading and writing a document at every level takes at most 65 µs per KiB
FOR_A_CHARACTER_OF_RULES: Final = 250  # compiling a rule takes 10 µs per character
FOR_A_CHARACTER_OF_SCHEMAS: Final = 50

counting: Callable[[int], None] | None = None


def note(bytes: int) -> None:
    if counting is not None:
        counting(bytes)
