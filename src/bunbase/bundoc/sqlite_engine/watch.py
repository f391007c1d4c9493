"""The bounds of a search, by where it runs: few steps and bytes in the event loop, seconds in a thread.

SQLite looks at the clock between its own steps, never inside one: not in a function of ours, and not while it reads the
JSON of a large document. So each function of ours asks here, and in the loop the bytes of every document that is
tested are counted before it is tested.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import apsw

from bunbase.bundoc import effort
from bunbase.bundoc.query.patterns import Pattern
from bunbase.bundoc.query.sql import Condition
from bunbase.pkg.sealed_sqlite.connection import TimeBound
from bunbase.pkg.sealed_sqlite.scanners import scan_is_over, scan_seconds_left

ROOM_FUNCTION: Final = "bundoc_room"  # bytes of a document, how often its JSON is read → 1, or the end of the search
LOOP_DOCUMENTS: Final = 200  # that a search examines in the loop: so many small ones together fit in any case
LOOP_JSON_BYTES: Final = 512 << 10  # SQLite reads about 1 MiB a millisecond, once for every JSON function of a test
VALUES_BETWEEN_LOOKS: Final = 1000  # a key is made of about 2 values a microsecond


class Watch(Protocol):
    def over(self) -> bool:
        """True if the search should stop. Asked between two documents, where SQLite does not look at the clock."""
        ...

    def left(self) -> float:
        """Return the seconds that the search may still take."""
        ...

    def around(self, test: Condition) -> Condition:
        """Return the test of a document as it may be run here."""
        ...


class ScanWatch:
    """A thread: only the time of the scan that it does counts."""

    def over(self) -> bool:
        return scan_is_over()

    def left(self) -> float:
        return scan_seconds_left()

    def around(self, test: Condition) -> Condition:
        return test


class LoopWatch:
    """The event loop, which belongs to everybody: no patterns, no keys, and little JSON.

    `start` before each search.
    """

    def __init__(self, time: TimeBound) -> None:
        self.time = time
        self.room = 0

    def start(self, seconds: float) -> None:
        self.time.start(seconds)
        self.room = LOOP_JSON_BYTES

    def over(self) -> bool:
        return self.time.passed()

    def left(self) -> float:
        return self.time.left()

    def around(self, test: Condition) -> Condition:
        reads = test.sql.count("json_") + test.sql.count("->") + test.sql.count("d.body AS BLOB")
        if not reads:
            return test
        small = LOOP_JSON_BYTES // LOOP_DOCUMENTS // reads
        fits = f"octet_length(d.body) <= {small} OR {ROOM_FUNCTION}(octet_length(d.body), {reads})"
        return Condition(f"(CASE WHEN {fits} THEN {test.sql} ELSE 0 END)", test.params)

    def take(self, *document: Any) -> int:
        """`document`: its size, and how often it is read. Raises: apsw.InterruptError before one that is too much."""
        size, reads = document
        self.room -= size * reads
        if self.room < 0:
            raise apsw.InterruptError("the event loop has no room for this document")
        effort.note(size * reads)
        return 1


def learn_room(connection: apsw.Connection, watch: LoopWatch) -> None:
    """Teach the event loop's connection to count. Not deterministic: every document is counted."""
    connection.create_scalar_function(ROOM_FUNCTION, watch.take, 2)


def found_within(watch: Watch, sought: Pattern, text: bytes) -> bool:
    """Look for a pattern, if that is certain to end in time: once begun, nothing can stop it.

    Raises: apsw.InterruptError.
    """
    if watch.left() < sought.longest_seconds(len(text)):
        raise apsw.InterruptError("a pattern may take longer than is left")
    return sought.found_in(text)


class Ticks:
    """Looks at the clock now and then, while many values are gone through."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.values = 0

    def __call__(self, values: int) -> None:
        """Raises: apsw.InterruptError."""
        self.values += values
        if self.values >= VALUES_BETWEEN_LOOKS:
            self.values = 0
            if self.watch.left() < 0:
                raise apsw.InterruptError("while a key was made")
