"""Acts of sessions at a later time, in one heap: a timer of the event loop for each would cost more memory."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol

Act = Callable[[], None]


class Timed(Protocol):
    """A session. `generation`: grows when its deadlines do not count any more."""

    closed: bool
    generation: int


class Deadlines:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.counter = itertools.count()
        self.heap: list[tuple[float, int, Timed, int, Act]] = []

    def add(self, seconds: float, session: Timed, generation: int, act: Act) -> None:
        """Act after this time, if the session is still open and has still this generation."""
        heapq.heappush(self.heap, (self.clock() + seconds, next(self.counter), session, generation, act))

    def run_due(self) -> None:
        now = self.clock()
        while self.heap and self.heap[0][0] <= now:
            _, _, session, generation, act = heapq.heappop(self.heap)
            if not session.closed and session.generation == generation:
                act()
