"""Read one database in threads. Each read has its own connection, and stops at its deadline or if its caller leaves."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, TypeVar

import apsw

from bunbase.pkg.logger import logger
from bunbase.pkg.sealed_sqlite.connection import STEPS_BETWEEN_LOOKS, holds_nothing

log = logger("sealed_sqlite")

T = TypeVar("T")

KEPT: Final = 1  # A database keeps this many idle connections. Opening a new connection takes 0.1 ms.


class Scan:
    """One read for one caller.

    `until`: the deadline, on the monotonic clock. `by_caller`: true if the caller has set this deadline; false if it is
    the time limit of scans. `unwanted`: True if the caller has left. After the scan, `examined` is the number
    of rows that it read, and `index` is the name of the index that it used.
    """

    def __init__(self, until: float, by_caller: bool = False) -> None:
        self.until = until
        self.by_caller = by_caller
        self.unwanted = False
        self.examined = 0
        self.index = ""

    def over(self) -> bool:
        return self.unwanted or time.monotonic() > self.until

    def do(self, work: Callable[..., T], *args: object) -> T:
        """Return the result of `work`, which runs in this thread. All its statements stop when this scan is over."""
        token = _current.set(self)
        try:
            return work(*args)
        finally:
            _current.reset(token)


_current: ContextVar[Scan] = ContextVar("scan")


def current_scan() -> Scan:
    return _current.get()


def note_scan(index: str, examined: int) -> None:
    """Store the used index and the number of examined rows in the scan of this thread, if there is a scan."""
    scan = _current.get(None)
    if scan is not None:
        scan.index, scan.examined = index, examined


def scan_is_over() -> bool:
    """True if the scan of this thread must stop. False if this thread has no scan."""
    scan = _current.get(None)
    return scan is not None and scan.over()


def scan_seconds_left() -> float:
    """Return the seconds until the deadline of this thread's scan, or infinity if this thread has no scan."""
    scan = _current.get(None)
    if scan is None:
        return math.inf
    return -1.0 if scan.unwanted else scan.until - time.monotonic()


class Scanner:
    """A connection that one scan uses at a time.

    The statements of the scan raise apsw.InterruptError when the scan is over.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.scan: Scan | None = None
        self.used_at = 0.0
        connection.set_progress_handler(self._over, STEPS_BETWEEN_LOOKS)

    def _over(self) -> bool:
        return self.scan is not None and self.scan.over()


class Scanners:
    """The scanners of one database. `connect` returns a connection with all SQL functions that the scans need.

    A connection is reused only if it has no open transaction and no snapshot. An unfinished cursor would keep its
    snapshot, and all later scans on this connection would read the old state of the database.
    """

    def __init__(self, connect: Callable[[], apsw.Connection]) -> None:
        self.connect = connect
        # These connections were closed because a scan left something open. Each such case is a bug.
        self.thrown_away = 0
        self.kept: list[Scanner] = []
        self.lock = threading.Lock()

    def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Return the result of `work`, which runs in one read transaction of this thread's scan.

        Raises: apsw.InterruptError if the scan is over.
        """
        scan = current_scan()
        scanner = self._take()
        try:
            scanner.scan = scan
            if scan.over():
                raise apsw.InterruptError("the scan was over before it began")
            scanner.connection.execute("BEGIN")
            try:
                return work(scanner.connection)
            finally:
                scanner.scan = None  # Otherwise the ROLLBACK would be interrupted too.
                if scanner.connection.in_transaction:
                    scanner.connection.execute("ROLLBACK")  # No data is lost, because the transaction only read.
        finally:
            self._give_back(scanner)

    def close(self, idle_seconds: float = 0.0) -> None:
        """Close every connection that was idle for at least `idle_seconds`."""
        before = time.monotonic() - idle_seconds
        with self.lock:
            idle = [scanner for scanner in self.kept if scanner.used_at <= before]
            self.kept = [scanner for scanner in self.kept if scanner.used_at > before]
        for scanner in idle:
            scanner.connection.close()

    def _take(self) -> Scanner:
        with self.lock:
            if self.kept:
                return self.kept.pop()
        return Scanner(self.connect())

    def _give_back(self, scanner: Scanner) -> None:
        scanner.used_at = time.monotonic()
        clean = holds_nothing(scanner.connection)
        with self.lock:
            if clean and len(self.kept) < KEPT:
                self.kept.append(scanner)
                return
            self.thrown_away += not clean
        if not clean:
            log.error("a scan left something open: its connection is closed")
        scanner.connection.close()
