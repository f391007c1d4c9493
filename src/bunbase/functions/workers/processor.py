"""The processor time of one worker, and which calls it is charged to.

The calls of a worker share its threads: which of them burnt what, nobody outside can tell, and what the worker itself
says is not believed. So what was burnt between two looks is charged in equal shares to the calls under way.

Read from the kernel's clock of the process (all threads, in nanoseconds): 1 µs, where /proc/<pid>/stat takes 21 and
counts in steps of 10 ms.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Collection
from typing import Final

from bunbase.functions.workers.call import Call

MAX_IDLE_MS: Final = 1000.0  # between two calls: collecting garbage takes less
NS_PER_MS: Final = 1_000_000

_libc: Final = ctypes.CDLL(None)


class ProcessorTime:
    """`idle_ms`: burnt since the last call ended, by nobody's call."""

    def __init__(self, pid: int) -> None:
        self.idle_ms = 0.0
        self._clock = _clock_of(pid)
        self._uncounted_ms = 0.0
        self._seen_ns = 0

    def settle(self, calls: Collection[Call]) -> None:
        """Charge what was burnt since the last time to `calls`, those that were under way meanwhile."""
        now = self._now()
        burnt_ms = (now - self._seen_ns) / NS_PER_MS
        self._seen_ns = now
        self._uncounted_ms += burnt_ms
        if not calls:
            self.idle_ms += burnt_ms
            return
        self.idle_ms = 0.0
        for call in calls:
            call.cpu_ms += burnt_ms / len(calls)

    def take(self) -> float:
        """Return the milliseconds used since the last call of `take`."""
        taken, self._uncounted_ms = self._uncounted_ms, 0.0
        return taken

    def total_ms(self) -> float:
        """Return what was burnt since the process began."""
        return self._now() / NS_PER_MS

    def forget(self) -> None:
        """Charge nobody for what was burnt so far: it was the starting."""
        self.settle(())
        self.idle_ms = self._uncounted_ms = 0.0

    def _now(self) -> int:
        """A process that is gone burns no more."""
        if self._clock is None:
            return self._seen_ns
        try:
            return max(time.clock_gettime_ns(self._clock), self._seen_ns)
        except OSError:
            return self._seen_ns


def _clock_of(pid: int) -> int | None:
    clock = ctypes.c_int32()
    return None if _libc.clock_getcpuclockid(pid, ctypes.byref(clock)) else clock.value
