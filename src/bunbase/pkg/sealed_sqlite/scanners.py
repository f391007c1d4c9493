"""Reads of one database in threads: each on its own connection, stopped at its deadline or when its caller leaves."""

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

KEPT: Final = 1  # idle connections that a database keeps; to open another one takes 0.1 ms


class Scan:
    """One caller's scan.

    `until`: when it is stopped, on the monotonic clock. `unwanted`: its caller has left.
    After the scan, `examined` is the number of rows that it looked at, and `index` the name of the index that it used.
    """

    def __init__(self, until: float) -> None:
        self.until = until
        self.unwanted = False
        self.examined = 0
        self.index = ""

    def over(self) -> bool:
        return self.unwanted or time.monotonic() > self.until

    def do(self, work: Callable[..., T], *args: object) -> T:
        """Do `work` in this thread; every scanner that it uses is stopped when this scan is over."""
        token = _current.set(self)
        try:
            return work(*args)
        finally:
            _current.reset(token)


_current: ContextVar[Scan] = ContextVar("scan")


def current_scan() -> Scan:
    return _current.get()


def note_scan(index: str, examined: int) -> None:
    """Note on the scan of this thread, if there is one, which index was used and how many rows were examined."""
    scan = _current.get(None)
    if scan is not None:
        scan.index, scan.examined = index, examined


def scan_is_over() -> bool:
    """True if the scan of this thread should stop. False where no scan is under way."""
    scan = _current.get(None)
    return scan is not None and scan.over()


def scan_seconds_left() -> float:
    """Return the seconds that the scan of this thread may still take; infinity where no scan is under way."""
    scan = _current.get(None)
    if scan is None:
        return math.inf
    return -1.0 if scan.unwanted else scan.until - time.monotonic()


class Scanner:
    """A connection whose statements raise apsw.InterruptError when the scan that uses it is over."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.scan: Scan | None = None
        self.used_at = 0.0
        connection.set_progress_handler(self._over, STEPS_BETWEEN_LOOKS)

    def _over(self) -> bool:
        return self.scan is not None and self.scan.over()


class Scanners:
    """The scanners of one database. `connect` returns a connection with every function that the scans need.

    A connection is kept only if it proves that nothing of it is open. A cursor that somebody still holds would keep its
    snapshot, and every later scan on this connection would read the database as it was then.
    """

    def __init__(self, connect: Callable[[], apsw.Connection]) -> None:
        self.connect = connect
        self.thrown_away = 0  # connections that were not clean; each of them is a bug
        self.kept: list[Scanner] = []
        self.lock = threading.Lock()

    def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Do `work` in one read transaction of the current scan. Raises: apsw.InterruptError when the scan is over."""
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
                scanner.scan = None  # otherwise the ROLLBACK would be stopped as well
                if scanner.connection.in_transaction:
                    scanner.connection.execute("ROLLBACK")  # nothing is lost: the transaction only read
        finally:
            self._give_back(scanner)

    def close(self, idle_seconds: float = 0.0) -> None:
        """Close every connection that was not used for this long."""
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
