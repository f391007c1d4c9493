"""Runs acts of sessions at a later time. One heap has all acts, because a timer for each act would take more memory.

A token may expire in an hour, or a key in a year. Before, the heap kept each act until its time. So connections stayed
in memory long after their end, and a client could fill the memory by sending `auth` again and again. Now acts that are
no longer needed are dropped whenever the heap has doubled.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from typing import Final, Protocol

MIN_LOOK: Final = 1000  # A heap of this size or more is searched for acts that are no longer needed.

Act = Callable[[], None]


class Timed(Protocol):
    """A session. `generation` grows when the earlier deadlines of the session are no longer needed."""

    closed: bool
    generation: int


Entry = tuple[float, int, Timed, int, Act]


class Deadlines:
    """The acts of all sessions. `look_at`: when the heap has grown to this size, acts that are no longer needed are
    dropped.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.counter = itertools.count()
        self.heap: list[Entry] = []
        self.look_at = MIN_LOOK

    def add(self, seconds: float, session: Timed, generation: int, act: Act) -> None:
        """Call `act` after `seconds`, if the session is still open and still has this generation."""
        heapq.heappush(self.heap, (self.clock() + seconds, next(self.counter), session, generation, act))
        if len(self.heap) > self.look_at:
            self.heap = [entry for entry in self.heap if _counts(entry)]
            heapq.heapify(self.heap)
            self.look_at = max(MIN_LOOK, 2 * len(self.heap))

    def run_due(self) -> None:
        now = self.clock()
        while self.heap and self.heap[0][0] <= now:
            entry = heapq.heappop(self.heap)
            if _counts(entry):
                entry[-1]()


def _counts(entry: Entry) -> bool:
    _, _, session, generation, _ = entry
    return not session.closed and session.generation == generation
