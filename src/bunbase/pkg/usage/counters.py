"""The counters in memory for the usage since the last batch. Only the event loop uses them, so they need no lock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bunbase.pkg import metrics
from bunbase.pkg.logger import logger
from bunbase.pkg.usage.batches import Amount, hour_of, summed
from bunbase.pkg.usage.dimensions import Dimension

log = logger("usage")

MAX_COUNTERS: Final = (
    # These counters take about 10 MB. These counters are enough for 20,000 projects that call functions while the store
    # is unreachable.
    60_000
)
MAX_AMOUNT: Final = 1 << 62  # Numbers in the store must stay below 2^63.
HOUR: Final = timedelta(hours=1)
DIMENSIONS: Final = max(Dimension) + 1


class Usage:
    """Counts usage by hour. `add` takes only 70 ns, because it does not read the clock: `turn_to` sets the hour.

    The writer calls `turn_to` at each flush. So the usage of the first seconds of an hour may count in the hour before.
    """

    def __init__(self, now: datetime) -> None:
        self.hour = hour_of(now)
        self.counters = 0
        self.amounts = self._nothing()
        self.earlier: list[tuple[datetime, list[_Amounts]]] = []

    def add(self, project: str, dimension: int, amount: int = 1) -> None:
        """Count `amount` of a dimension.

        If there are MAX_COUNTERS already, drop the amount and count the loss in a metric.
        """
        try:
            self.amounts[dimension][project] += amount
        except _NoRoom:
            _drop(dimension, amount)

    def turn_to(self, now: datetime) -> None:
        """From now on, let `add` count in the hour of `now`."""
        if self.hour <= now < self.hour + HOUR:
            return
        self.earlier.append((self.hour, self.amounts))
        self.hour, self.amounts = hour_of(now), self._nothing()

    def take(self) -> tuple[Amount, ...]:
        """Return all counted amounts, and set all counters to zero."""
        hours = [*self.earlier, (self.hour, self.amounts)]
        self.earlier, self.amounts, self.counters = [], self._nothing(), 0
        return summed(
            Amount(project, dimension, hour, amount)
            for hour, dimensions in hours
            for dimension, counted in enumerate(dimensions)
            for project, amount in counted.items()
            if amount and _is_sound(dimension, amount)
        )

    def _nothing(self) -> list[_Amounts]:
        return [_Amounts(self) for _ in range(DIMENSIONS)]


class _Amounts(dict[str, int]):
    """The amounts of one dimension in one hour, by project."""

    __slots__ = ("usage",)

    def __init__(self, usage: Usage) -> None:
        self.usage = usage

    def __missing__(self, project: str) -> int:
        if self.usage.counters >= MAX_COUNTERS:
            raise _NoRoom
        self.usage.counters += 1
        return 0


class _NoRoom(Exception):
    pass


def _is_sound(dimension: int, amount: int) -> bool:
    """True if the store can accept an amount. Because of one wrong amount, the store would refuse the whole batch."""
    if type(amount) is int and 0 < amount < MAX_AMOUNT:
        return True
    log.error("usage that is not a positive whole number was dropped", dimension=dimension, amount=str(amount))
    _drop(dimension, 1)
    return False


def _drop(dimension: int, amount: int) -> None:
    metrics.usage_dropped.labels(Dimension(dimension).name.lower()).inc(amount)
