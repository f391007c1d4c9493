"""The usage of live connections, by project: the time that they are open, and the messages that they get."""

from __future__ import annotations

import time
from collections.abc import Callable

from bunbase.pkg.clock import Clock
from bunbase.pkg.usage.dimensions import Dimension
from bunbase.pkg.usage.writer import Deliver, Writer


class Open:
    """The connections of one project.

    `seconds`: the time of these connections until `at` that `take` has not returned yet.
    """

    __slots__ = ("at", "count", "seconds")

    def __init__(self, now: float) -> None:
        self.count = 0
        self.at = now
        self.seconds = 0.0

    def settle(self, now: float) -> None:
        self.seconds += self.count * (now - self.at)
        self.at = now


class ConnectionTime:
    """Adds up the time of connections.

    A connection needs no clock of its own, because only the number of connections matters.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.projects: dict[str, Open] = {}

    def enter(self, project: str) -> None:
        self._settled(project).count += 1

    def leave(self, project: str) -> None:
        self._settled(project).count -= 1

    def take(self) -> dict[str, int]:
        """Return the whole seconds since the last call. The remaining fraction of a second is kept for the next call
        while a connection is open.
        """
        found = {}
        for project in list(self.projects):
            one = self._settled(project)
            found[project] = int(one.seconds)
            one.seconds -= found[project]
            if not one.count:
                del self.projects[project]
        return found

    def _settled(self, project: str) -> Open:
        now = self.clock()
        one = self.projects.get(project)
        if one is None:
            one = self.projects[project] = Open(now)
        one.settle(now)
        return one


class ConnectionUsage:
    def __init__(self, deliver: Deliver[None], clock: Clock) -> None:
        self.time = ConnectionTime()
        self.writer = Writer(deliver, clock, self._count_time)

    def count_delivered(self, project: str, messages: int) -> None:
        """Count messages of queries or channels. A message to ten connections counts ten times."""
        if messages:
            self.writer.usage.add(project, Dimension.RT_MESSAGES, messages)

    def _count_time(self) -> tuple[None, ...]:
        """Add the time of connections to the counters. Return no rows."""
        for project, seconds in self.time.take().items():
            self.writer.usage.add(project, Dimension.RT_CONNECTION_SECONDS, seconds)
        return ()
