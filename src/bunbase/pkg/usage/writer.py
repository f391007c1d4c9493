"""Freezes counters into batches, and sends each until the store has acknowledged it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Final, Generic, TypeVar

from bunbase.pkg import metrics
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger
from bunbase.pkg.usage.batches import Batch, Receipt, Row
from bunbase.pkg.usage.counters import Usage

log = logger("usage")

FREEZE_SECONDS: Final = 5.0  # how often a room calls `flush`, and so the most that kill -9 loses
MAX_AMOUNTS: Final = 1_000  # of a batch: its transaction must not take long
MAX_UNSENT: Final = 8  # batches; while so many wait, counters are not frozen but go on counting
MAX_REFUSALS: Final = 20  # of one batch, by a store that is in reach: it would never be taken
OFF: Final = timedelta(seconds=60)

Deliver = Callable[[Batch[Row], datetime], Awaitable[Receipt]]
"""Add a batch, once. The second argument: the writer's time, by which the store sees how wrong its clock is."""

Item = TypeVar("Item")


class Writer(Generic[Row]):
    """One life of one process, under a name of its own. `rows` gives, and forgets, what goes along."""

    def __init__(self, deliver: Deliver[Row], clock: Clock, rows: Callable[[], Sequence[Row]] = tuple) -> None:
        self.deliver = deliver
        self.clock = clock
        self.rows = rows
        self.name = new_id("wrt")
        self.seq = 0
        self.offset = timedelta()  # of the store's clock, as its last answer told
        self.usage = Usage(clock.now())
        self.unsent: dict[int, Batch[Row]] = {}
        self.refusals: dict[int, int] = {}
        self.sending = asyncio.Lock()

    def now(self) -> datetime:
        """Return the store's time: the hour in which something is counted is the same for all writers."""
        return self.clock.now() + self.offset

    async def flush(self) -> None:
        """Freeze what was counted, then send all that waits. What fails, or is cancelled, waits for the next time.

        Raises: what the store raises.
        """
        async with self.sending:
            while not self._freeze():  # too much waited already: that goes first
                await self._send_all()
            await self._send_all()

    async def close(self) -> None:
        """Send all that waits; what the store does not take now is lost."""
        try:
            await self.flush()
        except Problem as problem:
            log.warning("the usage of the last seconds was lost", batches=len(self.unsent), error=problem.detail)
        except Exception:  # a batch that the store will never take must not keep others from closing
            log.exception("usage that the store does not take was lost", batches=len(self.unsent))

    def _freeze(self) -> bool:
        """Freeze what was counted; False if there is no room for more batches."""
        self.usage.turn_to(self.now())
        if len(self.unsent) >= MAX_UNSENT:
            return False
        rows = self.rows()  # before the amounts: it may add to them
        for amounts, along in zip_longest(_parts(self.usage.take()), _parts(rows), fillvalue=()):
            self.seq += 1
            self.unsent[self.seq] = Batch(self.name, self.seq, tuple(amounts), tuple(along))
        return True

    async def _send_all(self) -> None:
        failures = [failure for batch in tuple(self.unsent.values()) if (failure := await self._sent(batch))]
        if failures:
            raise failures[0]

    async def _sent(self, batch: Batch[Row]) -> Exception | None:
        """Send a batch; give what went wrong with this one alone. Raises: Problem, as all others would meet it."""
        sent = self.clock.now()
        try:
            receipt = await self.deliver(batch, sent)
        except Problem:
            raise
        except Exception as error:
            self._refused(batch)
            return error
        self._set_clock(receipt.at - sent - (self.clock.now() - sent) / 2)
        self._settle(batch)
        return None

    def _settle(self, batch: Batch[Row]) -> None:
        del self.unsent[batch.seq]
        self.refusals.pop(batch.seq, None)

    def _refused(self, batch: Batch[Row]) -> None:
        """Let go of a batch that the store will never take, or all later ones would wait behind it."""
        self.refusals[batch.seq] = self.refusals.get(batch.seq, 0) + 1
        if self.refusals[batch.seq] >= MAX_REFUSALS:
            log.error("usage that the store does not take was dropped", writer=self.name, seq=batch.seq)
            metrics.usage_dropped_batches.inc()
            self._settle(batch)

    def _set_clock(self, offset: timedelta) -> None:
        if abs(offset) > OFF >= abs(self.offset):
            log.warning("this clock is wrong", seconds=-offset.total_seconds())
        self.offset = offset


def _parts(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + MAX_AMOUNTS] for start in range(0, len(items), MAX_AMOUNTS)]
