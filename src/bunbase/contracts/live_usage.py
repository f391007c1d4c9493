"""The usage of live queries and channels by the hour. This file is a part of Buncast's contract."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from bunbase.pkg.usage.batches import Batch, Receipt


class LiveUsageHour(msgspec.Struct, frozen=True):
    """`hour`: the start of the hour. `connection_seconds`: the time of all live connections of the project together.

    `delivered`: the number of results, differences and messages of channels that were sent to connections; a difference
    that is sent to ten connections counts ten times. `published`: the number of messages published in channels.
    """

    hour: datetime
    connection_seconds: int
    delivered: int
    published: int


class LiveUsage(Protocol):
    """The interface for other rooms, which check the caller."""

    async def add_live_usage(self, batch: Batch[None], sent: datetime) -> Receipt:
        """Add the counts of a process that has live connections, each batch once.

        `sent`: the time of the call on the clock of that process.
        """
        ...

    async def live_usage(self, project: str, since: datetime, limit: int) -> tuple[LiveUsageHour, ...]:
        """Return at most `limit` hours, newest first. Hours without usage are missing.

        The counts of other processes arrive within some seconds.
        """
        ...
