"""The stream of events to one edge (a gateway with connections), and the edge's subscriptions.

The stream has a limit in bytes.
"""

from __future__ import annotations

import asyncio
from typing import Final

from bunbase.buncast.presence import Member
from bunbase.buncast.rules import Address
from bunbase.contracts.buncast import ChannelEvent, Joined, MembersChanged, Message
from bunbase.contracts.caller import Caller
from bunbase.pkg import metrics

MAX_BYTES: Final = 64 << 20
EVENT_BYTES: Final = 200  # An event takes this much memory in addition to its body.


class Subscription:
    """One connection that has joined the channel `channel`.

    `sees`: true if the subscription gets the changes of members. `member`: its entry in the list of members, if it has
    one. `documents`: the documents that its rules have looked up. `timed`: true if its rules have read the time.
    `checks`: the number of times that its caller has changed.
    """

    def __init__(self, edge: EdgeStream, number: int, caller: Caller, channel: str, connection: str) -> None:
        self.edge = edge
        self.number = number
        self.caller = caller
        self.channel = channel
        self.connection = connection
        self.sees = False
        self.member: Member | None = None
        self.documents: frozenset[Address] = frozenset()
        self.timed = False
        self.checks = 0

    @property
    def own_member(self) -> Member | None:
        """The member of this subscription; None if it has no member, or if another connection has continued it."""
        return self.member if self.member is not None and self.member.owner is self else None


class EdgeStream:
    """The stream of events to one gateway process. `subscriptions`: the subscriptions by number. `seen_at`: the time at
    which the process last responded. `behind`: true if the process read too slowly and has lost events.
    """

    def __init__(self, name: str, now: float, max_bytes: int = MAX_BYTES) -> None:
        self.name = name
        self.max_bytes = max_bytes
        self.seen_at = now
        self.subscriptions: dict[int, Subscription] = {}
        self.closed = False
        self.behind = False
        self._events: list[ChannelEvent] = []
        self._bytes = 0
        self._news = asyncio.Event()

    def put(self, event: ChannelEvent) -> None:
        """Add an event. If the stream has no space for the event, the stream ends."""
        if self.closed:
            return
        size = EVENT_BYTES + (len(event.body) if isinstance(event, Joined | Message | MembersChanged) else 0)
        if self._events and self._bytes + size > self.max_bytes:
            self.behind = True
            metrics.buncast_streams_ended.labels("behind").inc()
            self.close()
            return
        self._events.append(event)
        self._bytes += size
        self._news.set()

    def close(self) -> None:
        """End the stream. Events that were not read are lost."""
        self.closed = True
        self._events.clear()
        self._news.set()

    async def next(self, seconds: float) -> tuple[ChannelEvent, ...] | None:
        """Return all waiting events. Return no events if none came within `seconds`. Return None if the stream has
        ended.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return ()
        if self.closed:
            return None
        events, self._events, self._bytes = tuple(self._events), [], 0
        self._news.clear()
        return events
