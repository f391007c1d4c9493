"""Freezes counters into batches, and sends each batch until the store has acknowledged it.

Symptom: calls and processor time were counted twice. Cause: after any exception the counts went back to memory, also
when COMMIT had succeeded and only its answer was lost. Decision: a batch is frozen once, gets a number, and is sent
unchanged until it is acknowledged; the store adds each number once. See docs/decisions/0039-usage-counts-once.md.

The life of one count:

    1. `usage.add` counts in memory.
    2. `flush` freezes all counters into batches of at most MAX_AMOUNTS, so that no transaction takes long.
    3. `flush` sends every batch that waits. A batch leaves `unsent` only when the store acknowledges it.
    4. A Problem (the store is unreachable or busy) stops the flush; all batches wait for the next one.
    5. Any other exception concerns one batch alone. The others go on, and after MAX_REFUSALS that batch is dropped:
       the store will never take it.
    6. While MAX_UNSENT batches wait, nothing is frozen and the counters go on counting. So a store that is away for a
       day costs neither memory nor usage.
"""

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
MAX_AMOUNTS: Final = 1_000  # in one batch, because its transaction must not take long
MAX_UNSENT: Final = 8  # batches; while so many wait, counters go on counting and are not frozen
MAX_REFUSALS: Final = 20  # of one batch by a reachable store, which would never take it
OFF: Final = timedelta(seconds=60)

Deliver = Callable[[Batch[Row], datetime], Awaitable[Receipt]]
"""Adds a batch once. The second argument is the writer's time: it shows the store how wrong the writer's clock is."""

Item = TypeVar("Item")


class Writer(Generic[Row]):
    """A writer has a new name at each start. `rows` returns the rows for the next batch, and forgets them."""

    def __init__(self, deliver: Deliver[Row], clock: Clock, rows: Callable[[], Sequence[Row]] = tuple) -> None:
        self.deliver = deliver
        self.clock = clock
        self.rows = rows
        self.name = new_id("wrt")
        self.seq = 0
        self.offset = timedelta()  # of the store's clock from ours, according to its last answer
        self.usage = Usage(clock.now())
        self.unsent: dict[int, Batch[Row]] = {}
        self.refusals: dict[int, int] = {}
        self.sending = asyncio.Lock()

    def now(self) -> datetime:
        """Return the store's time, so that all writers count in the same hour."""
        return self.clock.now() + self.offset

    async def flush(self) -> None:
        """Freeze the counters, then send all batches that wait. A batch that fails waits for the next flush.

        Raises: the exceptions of the store.
        """
        async with self.sending:
            while not self._freeze():  # too many batches wait already: send them first
                await self._send_all()
            await self._send_all()

    async def close(self) -> None:
        """Send all batches that wait. A batch that the store does not take now is lost."""
        try:
            await self.flush()
        except Problem as problem:
            log.warning("the usage of the last seconds was lost", batches=len(self.unsent), error=problem.detail)
        except Exception:  # a batch that the store never takes must not keep the room from closing
            log.exception("usage that the store does not take was lost", batches=len(self.unsent))

    def _freeze(self) -> bool:
        """Freeze the counters into batches. Return False if too many batches wait already."""
        self.usage.turn_to(self.now())
        if len(self.unsent) >= MAX_UNSENT:
            return False
        rows = self.rows()  # before the amounts are taken, because this may add to them
        for amounts, along in zip_longest(_parts(self.usage.take()), _parts(rows), fillvalue=()):
            self.seq += 1
            self.unsent[self.seq] = Batch(self.name, self.seq, tuple(amounts), tuple(along))
        return True

    async def _send_all(self) -> None:
        failures = [failure for batch in tuple(self.unsent.values()) if (failure := await self._sent(batch))]
        if failures:
            raise failures[0]

    async def _sent(self, batch: Batch[Row]) -> Exception | None:
        """Send a batch.

        Return an exception that concerns this batch alone. Raises: Problem, which concerns all batches.
        """
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
        """Count a refusal, and drop the batch if the store will never take it."""
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
