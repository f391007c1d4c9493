"""What a turn of the event loop is made to do, in bytes and steps: counted where work is in proportion to what a caller sends or stores.

Nobody counts in a running server; tests set `counting` and read it after each turn. Seconds would depend on the machine.
"""

from __future__ import annotations

from collections.abc import Callable

counting: Callable[[int], None] | None = None


def note(bytes: int) -> None:
    """Count bytes that are read, parsed, compiled or searched here and now; a step of a rule counts as BYTES_FOR_A_STEP."""
    if counting is not None:
        counting(bytes)
