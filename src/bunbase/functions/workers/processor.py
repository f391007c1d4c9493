"""The processor time of one worker, and the calls that pay for it.

The concern: all calls of a worker share its threads. The server cannot see which call used how much processor time, and
it must not trust what the worker reports. So the running calls share the time since the last check in equal parts.

The time comes from the kernel's CPU clock of the process (all threads, in nanoseconds). Reading the clock takes 1 µs.
/proc/<pid>/stat was rejected: reading it takes 21 µs, and it counts in steps of 10 ms.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Collection
from typing import Final

from bunbase.functions.workers.call import Call

MAX_IDLE_MS: Final = 1000.0  # A worker may use this much between two calls. The garbage collector needs less.
NS_PER_MS: Final = 1_000_000

_libc: Final = ctypes.CDLL(None)


class ProcessorTime:
    """The processor time of a process.

    `idle_ms`: the time used since the last call ended, while no call was running.
    """

    def __init__(self, pid: int) -> None:
        self.idle_ms = 0.0
        self._clock = _clock_of(pid)
        self._uncounted_ms = 0.0
        self._seen_ns = 0

    def settle(self, calls: Collection[Call]) -> None:
        """Charge the time since the last `settle` to `calls`, which are the calls that were running meanwhile."""
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
        """Return the milliseconds used since the process began."""
        return self._now() / NS_PER_MS

    def forget(self) -> None:
        """Drop the time used so far without charging it to a call, because the start of the worker has used it."""
        self.settle(())
        self.idle_ms = self._uncounted_ms = 0.0

    def _now(self) -> int:
        """Return the nanoseconds used so far, or the last known value if the process has ended."""
        if self._clock is None:
            return self._seen_ns
        try:
            return max(time.clock_gettime_ns(self._clock), self._seen_ns)
        except OSError:
            return self._seen_ns


def _clock_of(pid: int) -> int | None:
    clock = ctypes.c_int32()
    return None if _libc.clock_getcpuclockid(pid, ctypes.byref(clock)) else clock.value
