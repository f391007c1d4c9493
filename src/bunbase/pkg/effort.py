"""The work of one turn of the event loop, in bytes, as tests count it. A running server does not count.

The unit is a byte of JSON that is read into Python: 15 to 50 ns. Whatever takes time in proportion to what a caller
sends or stores is noted here in that unit, wherever it is done; a test counts what the event loop's own thread notes in
one turn. Seconds would depend on the machine, and on who else is using it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

# the same in bytes that are read once
AT_EVERY_LEVEL: Final = 4  # a document that is opened and written at every level: 65 µs a KiB at worst
FOR_A_CHARACTER_OF_RULES: Final = 250  # 10 µs until it is a closure
FOR_A_CHARACTER_OF_SCHEMAS: Final = 50

counting: Callable[[int], None] | None = None


def note(bytes: int) -> None:
    if counting is not None:
        counting(bytes)
