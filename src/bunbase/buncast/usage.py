"""The usage of live queries and channels, which Buncast and the processes with live connections count."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from bunbase.buncast.store import ChannelStore
from bunbase.contracts.live_usage import LiveUsageHour
from bunbase.pkg.clock import Clock
from bunbase.pkg.usage.batches import Amount
from bunbase.pkg.usage.dimensions import Dimension
from bunbase.pkg.usage.writer import Writer

SHOWN: Final = (Dimension.RT_CONNECTION_SECONDS, Dimension.RT_MESSAGES, Dimension.RT_PUBLISHED)


class ChannelUsage:
    def __init__(self, store: ChannelStore, clock: Clock) -> None:
        self.store = store
        self.writer: Writer[None] = Writer(store.add_usage, clock)

    def count_published(self, project: str, messages: int) -> None:
        self.writer.usage.add(project, Dimension.RT_PUBLISHED, messages)

    async def hours(self, project: str, since: datetime, limit: int) -> tuple[LiveUsageHour, ...]:
        await self.writer.flush()
        return _hours(await self.store.usage(project, SHOWN, since, limit * len(SHOWN)))[:limit]


def _hours(amounts: Iterable[Amount]) -> tuple[LiveUsageHour, ...]:
    """Return the amounts by hour, in their order."""
    hours: dict[datetime, dict[int, int]] = {}
    for one in amounts:
        hours.setdefault(one.hour, dict.fromkeys(SHOWN, 0))[one.dimension] = one.amount
    return tuple(LiveUsageHour(hour, *[counted[dimension] for dimension in SHOWN]) for hour, counted in hours.items())
