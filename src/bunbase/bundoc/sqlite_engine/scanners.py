"""Scans of one project's file, in threads: each on a connection of its own, with an end that its caller may hasten."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, TypeVar

import apsw

from bunbase.bundoc.sqlite_engine.connection import STEPS_BETWEEN_LOOKS, holds_nothing
from bunbase.pkg.logger import logger

log = logger("bundoc")

T = TypeVar("T")

KEPT: Final = 1  # connections that a project keeps between scans: opening another takes 0.1 ms


class Scan:
    """One caller's scan. `until`: when it is stopped, on the monotonic clock; `unwanted`: nobody waits for it any more.

    `examined`: how many documents it looked at, `index`: with the help of which index, once it is over.
    """

    def __init__(self, until: float) -> None:
        self.until = until
        self.unwanted = False
        self.examined = 0
        self.index = ""

    def over(self) -> bool:
        return self.unwanted or time.monotonic() > self.until

    def run(self, work: Callable[..., T], *args: object) -> T:
        """Do `work` in this thread; every scanner that it takes stops when this scan is over."""
        token = _current.set(self)
        try:
            return work(*args)
        finally:
            _current.reset(token)


_current: ContextVar[Scan] = ContextVar("scan")


def current_scan() -> Scan:
    return _current.get()


def note(index: str, examined: int) -> None:
    """Say how the search went that this thread does, if it does one for a scan."""
    scan = _current.get(None)
    if scan is not None:
        scan.index, scan.examined = index, examined


def scan_is_over() -> bool:
    """Say whether what this thread does should stop."""
    scan = _current.get(None)
    return scan is not None and scan.over()


def scan_seconds_left() -> float:
    """Return how long what this thread does may still take; without end where no scan is under way."""
    scan = _current.get(None)
    if scan is None:
        return math.inf
    return -1.0 if scan.unwanted else scan.until - time.monotonic()


class Scanner:
    """A connection whose statements end in apsw.InterruptError when the scan that uses it is over."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.scan: Scan | None = None
        self.used_at = 0.0
        connection.set_progress_handler(self._over, STEPS_BETWEEN_LOOKS)

    def _over(self) -> bool:
        return self.scan is not None and self.scan.over()


class Scanners:
    """`connect` gives a connection that knows all that searches need.

    A connection is kept only if it proves that nothing of it is open: a cursor that somebody still holds would keep its
    snapshot, and every later scan would read the project as it was then.
    """

    def __init__(self, connect: Callable[[], apsw.Connection]) -> None:
        self.connect = connect
        self.thrown_away = 0  # connections that were not clean: each is a bug, whatever came of it
        self.kept: list[Scanner] = []
        self.lock = threading.Lock()

    def run(self, work: Callable[[apsw.Connection], T]) -> T:
        """Do `work` in one read transaction of the current scan. Raises: apsw.InterruptError when that is over."""
        scan = current_scan()
        scanner = self._taken()
        try:
            scanner.scan = scan
            if scan.over():
                raise apsw.InterruptError("the scan was over before it began")
            scanner.connection.execute("BEGIN")
            try:
                return work(scanner.connection)
            finally:
                scanner.scan = None  # or the ROLLBACK would be stopped as well
                if scanner.connection.in_transaction:
                    scanner.connection.execute("ROLLBACK")  # it only read
        finally:
            self._give_back(scanner)

    def close(self, idle_seconds: float = 0.0) -> None:
        """Close what nobody used for so long."""
        before = time.monotonic() - idle_seconds
        with self.lock:
            idle = [scanner for scanner in self.kept if scanner.used_at <= before]
            self.kept = [scanner for scanner in self.kept if scanner.used_at > before]
        for scanner in idle:
            scanner.connection.close()

    def _taken(self) -> Scanner:
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
