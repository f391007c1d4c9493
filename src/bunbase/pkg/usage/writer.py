"""The writer freezes counters into batches, and sends each batch until the store has acknowledged it.

Before, calls and processor time could be counted twice. After any exception, the counts were put back into memory, even
if COMMIT had succeeded and only its answer was lost. Now a batch is frozen once and gets a number. The writer sends it
unchanged until the store acknowledges it, and the store adds each number once. See
docs/decisions/0039-usage-counts-once.md.

The life of one count:

    1. `usage.add` counts in memory.
    2. `flush` freezes all counters into batches of at most MAX_AMOUNTS, so that no transaction takes long.
    3. `flush` sends all waiting batches. A batch leaves `unsent` only when the store acknowledges it.
    4. A Problem (the store is unreachable or busy) stops the flush. All batches wait for the next flush.
    5. Any other exception concerns only one batch. The other batches are still sent. After MAX_REFUSALS exceptions, the
       batch is dropped, because the store will never accept it.
    6. While MAX_UNSENT batches wait, the counters are not frozen and continue to count. So if the store is unreachable
       for a day, memory stays small and usage is not lost.
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

FREEZE_SECONDS: Final = 5.0  # A room calls `flush` at this interval, so kill -9 loses at most this much usage.
MAX_AMOUNTS: Final = 1_000  # One batch has at most this many amounts, because its transaction must not take long.
MAX_UNSENT: Final = 8  # While this many batches wait, the counters are not frozen.
MAX_REFUSALS: Final = 20  # After this many refusals by a reachable store, a batch is dropped.
OFF: Final = timedelta(seconds=60)

Deliver = Callable[[Batch[Row], datetime], Awaitable[Receipt]]
"""A function that adds a batch once.

The second argument is the time of the writer's clock, so that the store can check this clock.
"""

Item = TypeVar("Item")


class Writer(Generic[Row]):
    """Sends usage to the store. The name of the writer is new at each start. `rows`: a function that returns the rows
    for the next batch and forgets them.
    """

    def __init__(self, deliver: Deliver[Row], clock: Clock, rows: Callable[[], Sequence[Row]] = tuple) -> None:
        self.deliver = deliver
        self.clock = clock
        self.rows = rows
        self.name = new_id("wrt")
        self.seq = 0
        # This is the difference between the store's clock and this clock, from the store's last answer.
        self.offset = timedelta()
        self.usage = Usage(clock.now())
        self.unsent: dict[int, Batch[Row]] = {}
        self.refusals: dict[int, int] = {}
        self.sending = asyncio.Lock()

    def now(self) -> datetime:
        """Return the store's time, so that all writers count in the same hour."""
        return self.clock.now() + self.offset

    async def flush(self) -> None:
        """Freeze the counters, then send all waiting batches. A batch that fails waits for the next flush.

        Raises: the exceptions of the store.
        """
        async with self.sending:
            while not self._freeze():  # Too many batches wait, so they are sent first.
                await self._send_all()
            await self._send_all()

    async def close(self) -> None:
        """Send all waiting batches. A batch that the store does not accept now is lost."""
        try:
            await self.flush()
        except Problem as problem:
            log.warning("the usage of the last seconds was lost", batches=len(self.unsent), error=problem.detail)
        except Exception:  # Even if the store never accepts a batch, the room must be able to close.
            log.exception("usage that the store does not take was lost", batches=len(self.unsent))

    def _freeze(self) -> bool:
        """Freeze the counters into batches. Return False if too many batches wait."""
        self.usage.turn_to(self.now())
        if len(self.unsent) >= MAX_UNSENT:
            return False
        rows = self.rows()  # This call comes before `take`, because it may add amounts.
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
        """Count a refusal. Drop the batch after MAX_REFUSALS."""
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
