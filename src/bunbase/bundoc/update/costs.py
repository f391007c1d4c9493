"""Limits of the work that the conditions of an update may need. Other writes wait while it is done."""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.bundoc.update.change import Change, ElementTest, invalid

MAX_TESTS: Final = 500_000  # values times the parts of a condition; 1 to 3 µs each
MAX_INSTRUCTIONS: Final = 40_000_000  # bytes times the instructions of all patterns; 5 ns each


class Tests:
    """Adds up the tests of all conditions of one update, because it may have conditions on thousands of arrays."""

    def __init__(self) -> None:
        self.tests = 0
        self.instructions = 0

    def add(self, array: msgspec.Raw, test: ElementTest, change: Change) -> None:
        """Count a condition on the elements of an array. Raises: InvalidUpdate if the update would take too long.

        No part of a condition visits a value twice. The number of values in arrays is estimated from the text: each of
        them follows a comma or a bracket.
        """
        text = bytes(array)
        self.tests += (1 + text.count(b",") + text.count(b"[")) * test.parts
        self.instructions += len(text) * test.program
        if self.tests > MAX_TESTS:
            why = f"The number of values times the parts of the conditions on them must be at most {MAX_TESTS}"
            raise _refused(change, f"{why} in an update.")
        if self.instructions > MAX_INSTRUCTIONS:
            raise _refused(change, "These arrays are too large for these patterns.")


def _refused(change: Change, message: str) -> Exception:
    return invalid((change.operator, change.written), message)
