"""Limits of the work of writes. All other writes of the project wait while a commit runs.

One write has limits for its conditions (`Tests`). All writes of a commit share one `CommitWork`, because a commit may
have 500 writes to documents of a megabyte: sorting an array of half a million numbers takes three seconds. The work is
estimated from the texts before the commit begins, so every machine refuses the same commits.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.bundoc.update.change import Change, ElementTest, invalid
from bunbase.contracts.bundoc.problems import CommitTooSlow

MAX_TESTS: Final = 500_000  # This limits the number of values times the parts of a condition. Each takes 1 to 3 µs.
# This limits the number of bytes times the instructions of all patterns. Each takes 5 ns.
MAX_INSTRUCTIONS: Final = 40_000_000

# The limit is in microseconds on a 2-core machine of 2026. One write with one operator never needs so many.
MOST_WORK: Final = 5_000_000
FOR_A_KEY: Final = 3  # Making the key of a small number took 2.9 µs, and sorting took equally long.
FOR_A_TEST: Final = 2
INSTRUCTIONS_IN_A_MICROSECOND: Final = 200
INSTRUCTIONS_COMPILED: Final = 2  # This many instructions are compiled in a microsecond.
BYTES_OF_KEYS: Final = 20  # This many bytes of long strings become keys in a microsecond.
# This many bytes are opened in a microsecond. Small values take 60 ns a byte to read and write.
BYTES_OPENED: Final = 16
BYTES_CHANGED: Final = 64  # This many bytes change in a microsecond: a document is read, written and encrypted.


class CommitWork:
    """The estimated work of one commit, in microseconds."""

    def __init__(self) -> None:
        self.done = 0

    def add(self, microseconds: int) -> None:
        """Add work, in microseconds. Raises: CommitTooSlow if the commit would take too long."""
        self.done += microseconds
        if self.done > MOST_WORK:
            raise CommitTooSlow(
                f"The writes of one commit may take about {MOST_WORK // 1_000_000} seconds, during which all other "
                "writes of the project wait. Nothing was written: split the commit into several, or make its documents "
                "smaller."
            )

    def change(self, before: bytes, after: bytes) -> None:
        self.add((len(before) + len(after)) // BYTES_CHANGED)


class Tests:
    """Adds up the tests of all conditions of one update, because it may have conditions on thousands of arrays."""

    def __init__(self, work: CommitWork) -> None:
        self.work = work
        self.tests = 0
        self.instructions = 0
        self.compiled: set[int] = set()

    def add(self, array: msgspec.Raw, test: ElementTest, change: Change) -> None:
        """Count a condition on the elements of an array.

        No part of a condition visits a value twice. Raises: InvalidUpdate if the update would take too long,
        CommitTooSlow.
        """
        text = bytes(array)
        tests, instructions = _values(text) * test.parts, len(text) * test.program
        self.tests += tests
        self.instructions += instructions
        if self.tests > MAX_TESTS:
            why = f"The number of values times the parts of the conditions on them must be at most {MAX_TESTS}"
            raise _refused(change, f"{why} in an update.")
        if self.instructions > MAX_INSTRUCTIONS:
            raise _refused(change, "These arrays are too large for these patterns.")
        self.work.add(tests * FOR_A_TEST + instructions // INSTRUCTIONS_IN_A_MICROSECOND)
        if id(test) not in self.compiled:  # Patterns may be compiled again if other commits use many patterns.
            self.compiled.add(id(test))
            self.work.add(test.program // INSTRUCTIONS_COMPILED)

    def keys(self, value: msgspec.Raw, sorted: bool = False) -> None:
        """Count the making of keys for all values in an array, and the sorting by them. Raises: CommitTooSlow."""
        text = bytes(value)
        self.work.add((_values(text) * FOR_A_KEY + len(text) // BYTES_OF_KEYS) * (2 if sorted else 1))

    def opened(self, value: msgspec.Raw) -> None:
        """Count the reading of one level of an object or array on a path. Raises: CommitTooSlow."""
        self.work.add(len(value) // BYTES_OPENED)


def _values(text: bytes) -> int:
    """Return the approximate number of values in an array, at all levels: each value follows a comma or a bracket."""
    return 1 + text.count(b",") + text.count(b"[")


def _refused(change: Change, message: str) -> Exception:
    return invalid((change.operator, change.written), message)
