"""The stream of events to one edge (a process that serves clients), and the watches of the edge."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from bunbase.bundoc.live.asked import ParsedLive, Resume
from bunbase.contracts.bundoc.live import Barrier, Behind, Diff, LiveEvent, Started
from bunbase.contracts.caller import Caller
from bunbase.pkg import metrics

MAX_BYTES: Final = 64 << 20
EVENT_BYTES: Final = 200  # An event takes this much memory in addition to its body.
NUMBER_BYTES: Final = 40  # The number of a watch takes this much memory.


class Member:
    """One watch in a group. `group`: the name of the group; empty until the watch has entered one.

    `checks`: the number of times that `recheck` has changed the caller. `started`: true if the edge holds the result of
    the group. `holds`: true if the edge holds a result, maybe of another group. If the edge holds a result, the next
    result must come before the next Barrier.
    `withdrawn`: true if the watch has ended.
    """

    def __init__(self, edge: Edge, number: int, caller: Caller, asked: ParsedLive, resume: Resume | None) -> None:
        self.edge = edge
        self.number = number
        self.caller = caller
        self.asked = asked
        self.resume = resume
        self.group = ""
        self.checks = 0
        self.started = False
        self.holds = False
        self.withdrawn = False


class Edge:
    """A queue of events for one edge, bounded in bytes. `watches`: the watches of the edge by number.

    `behind`: true if events were lost because the edge read the queue too slowly. `on_read`: an event that is set when
    the waiting events have been read.
    """

    def __init__(self, name: str, max_bytes: int = MAX_BYTES) -> None:
        self.name = name
        self.max_bytes = max_bytes
        self.watches: dict[int, Member] = {}
        self.events: list[LiveEvent] = []
        self.bytes = 0
        self.news = asyncio.Event()
        self.on_read: set[asyncio.Event] = set()
        self.closed = False
        self.behind = False

    @property
    def has_room(self) -> bool:
        """True if the queue has space for a result.

        Half of the queue is reserved for differences, which cannot wait.
        """
        return self.bytes <= self.max_bytes // 2

    def put(self, event: LiveEvent) -> None:
        """Add an event. If the queue is full, the stream ends."""
        if self.closed:
            return
        size = _size(event)
        if self.events and self.bytes + size > self.max_bytes:
            self.behind = True
            metrics.bundoc_live_gaps.labels("stream").inc()
            self.close()
        elif (barrier := self._repeated(event)) is not None:
            self.events[-1] = barrier
        else:
            self.events.append(event)
            self.bytes += size
            self.news.set()

    def close(self) -> None:
        """End the stream. Events that were not read are lost."""
        self.closed = True
        self.events.clear()
        self.news.set()

    async def next(self, seconds: float) -> tuple[LiveEvent, ...] | None:
        """Return all waiting events. Return no events if none came within `seconds`. Return None if the stream has
        ended.
        """
        try:
            async with asyncio.timeout(seconds):
                await self.news.wait()
        except TimeoutError:
            return ()
        if self.closed:
            return None
        events, self.events, self.bytes = tuple(self.events), [], 0
        self.news.clear()
        while self.on_read:
            self.on_read.pop().set()
        return events

    def _repeated(self, event: LiveEvent) -> Barrier | None:
        """Return one barrier for the last event and this one if both are barriers of one project, otherwise None."""
        last = self.events[-1] if self.events else None
        if not isinstance(event, Barrier) or not isinstance(last, Barrier) or last.project != event.project:
            return None
        return msgspec.structs.replace(event, committed_at=last.committed_at or event.committed_at)


def _size(event: LiveEvent) -> int:
    match event:
        case Started() | Diff():
            return EVENT_BYTES + len(event.body)
        case Behind():
            return EVENT_BYTES + NUMBER_BYTES * len(event.numbers)
        case _:
            return EVENT_BYTES
