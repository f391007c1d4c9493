"""Engines for tests, with small limits and a manual clock."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine, open_sqlite_engine
from bunbase.pkg.clock import Clock, SystemClock
from tests.fakes import FakeKms


class Seconds:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


def sqlite_engine(
    directory: Path,
    kms: FakeKms,
    settings: BundocSettings | None = None,
    now: Seconds | None = None,
    clock: Clock | None = None,
) -> AbstractAsyncContextManager[SqliteEngine]:
    return open_sqlite_engine(directory, kms, clock or SystemClock(), settings or BundocSettings(), now or Seconds())
