"""The limits of a search: few steps and bytes in the event loop, some seconds in a thread.

SQLite checks the time only between two steps of a statement: not inside an SQL function of BunBase, and not while it
reads the JSON of a large document. So each of these functions asks the watch whether time is left. In the event loop,
the bytes of each document are counted before the document is tested (docs/decisions/0031).
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import apsw

from bunbase.bundoc.query.condition import Condition
from bunbase.pkg import effort
from bunbase.pkg.patterns import Pattern
from bunbase.pkg.sealed_sqlite.connection import TimeBound
from bunbase.pkg.sealed_sqlite.scanners import scan_is_over, scan_seconds_left

# The arguments are the bytes of a document and the number of reads of its JSON. The function returns 1, or ends the
# search.
ROOM_FUNCTION: Final = "bundoc_room"
# A search in the event loop examines at most this many documents. This many small documents always fit into the time
# limit.
LOOP_DOCUMENTS: Final = 200
LOOP_JSON_BYTES: Final = 512 << 10  # SQLite reads 1 MiB in about 1 ms, once for each JSON function in a test.
VALUES_BETWEEN_LOOKS: Final = 1000  # The time is checked after this many values. Each value takes about 0.5 µs.


class Watch(Protocol):
    def over(self) -> bool:
        """True if the search must stop.

        The search calls this function between two documents, where SQLite does not check the time.
        """
        ...

    def left(self) -> float:
        """Return the remaining seconds of the search."""
        ...

    def around(self, test: Condition) -> Condition:
        """Return the test of a document, with the limits of this watch added."""
        ...


class ScanWatch:
    """The watch of a search in a thread. This watch limits only the time."""

    def over(self) -> bool:
        return scan_is_over()

    def left(self) -> float:
        return scan_seconds_left()

    def around(self, test: Condition) -> Condition:
        return test


class LoopWatch:
    """The watch of a search in the event loop, which all requests share.

    This watch limits the time and the bytes of JSON.

    Call `start` before each search.
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
        """Count a document before its test. `document`: the size of the document, and the number of times that the test
        reads it.

        Raises: apsw.InterruptError if the search has read too many bytes for the event loop.
        """
        size, reads = document
        self.room -= size * reads
        if self.room < 0:
            raise apsw.InterruptError("the event loop has no room for this document")
        effort.note(size * reads)
        return 1


def learn_room(connection: apsw.Connection, watch: LoopWatch) -> None:
    """Register the function that counts documents on the connection of the event loop.

    Do not declare it as deterministic: SQLite would then call it only once for equal arguments.
    """
    connection.create_scalar_function(ROOM_FUNCTION, watch.take, 2)


def found_within(watch: Watch, sought: Pattern, text: bytes) -> bool:
    """True if the text matches the pattern. Nothing can stop a match, so it begins only if it will end in time.

    Raises: apsw.InterruptError.
    """
    if watch.left() < sought.longest_seconds(len(text)):
        raise apsw.InterruptError("a pattern may take longer than is left")
    return sought.found_in(text)


class Ticks:
    """Checks the time after each VALUES_BETWEEN_LOOKS values."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.values = 0

    def __call__(self, values: int) -> None:
        """Count values. Raises: apsw.InterruptError if no time is left."""
        self.values += values
        if self.values >= VALUES_BETWEEN_LOOKS:
            self.values = 0
            if self.watch.left() < 0:
                raise apsw.InterruptError("while a key was made")
