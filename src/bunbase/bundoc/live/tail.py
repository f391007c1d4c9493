"""The batches of commits that a hub has not applied yet, in their order and bounded in bytes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import Final, NamedTuple

from bunbase.bundoc.changes import CommittedBatch
from bunbase.pkg import metrics

MAX_BYTES: Final = 32 << 20
# The hub waits at most this long for the batches up to a snapshot, which are already on disk.
ARRIVAL_SECONDS: Final = 5.0


class Arrived(NamedTuple):
    """A batch that waits. `bytes`: the size of its documents. `when`: the time of its arrival, on the clock
    `time.monotonic`.
    """

    batch: CommittedBatch
    bytes: int
    when: float


class Tail:
    """The batches of commits that the hub has not applied yet. `unknown`: true if batches were lost, so that any
    document may have changed.

    `altered`: the number of changes of the rules or the history.

    `lost`: the newest change of the batches that were dropped. `first_taken`: the arrival time of the first batch that
    was taken from the tail since the last barrier; None if no batch was taken. `news` is set when there is work.
    """

    def __init__(self) -> None:
        self.waiting: deque[Arrived] = deque()
        self.bytes = 0
        self.unknown = False
        self.altered = 0
        self.lost = -1
        self.first_taken: float | None = None
        self.news = asyncio.Event()
        self.arrived = asyncio.Event()

    def take(self, batch: CommittedBatch | None) -> None:
        """Add a batch, in the event loop. None means that anything may have changed."""
        if batch is None:
            self.forget()
        elif batch.redefined or batch.seq > batch.since:
            self.altered += bool(batch.redefined)
            self._add(Arrived(batch, _size(batch), time.monotonic()))
            if self.bytes > MAX_BYTES:
                metrics.bundoc_live_gaps.labels("tail").inc()
                self.forget()
            self._wake()

    def forget(self) -> None:
        """Drop all batches. All queries must then run again."""
        while self.waiting:
            self.lost = self._pop().batch.seq
        self.unknown = True
        self.altered += 1
        self._wake()

    def next(self, until: int | None) -> CommittedBatch | None:
        """Remove and return the next batch, if its newest change is at most `until`."""
        if not self.waiting or (until is not None and self.waiting[0].batch.seq > until):
            return None
        one = self._pop()
        self.first_taken = one.when if self.first_taken is None else self.first_taken
        return one.batch

    def begin(self, epoch: str, seq: int) -> None:
        """Keep only the batches of a new history that may come after its change `seq`."""
        self.lost = -1
        for one in [self._pop() for _ in range(len(self.waiting))]:
            if one.batch.epoch == epoch and one.batch.seq >= seq:
                self._add(one)

    @property
    def committed_at(self) -> float:
        """Return the arrival time of the first batch that was taken since the last barrier, in Unix seconds; 0 for
        none.
        """
        return 0.0 if self.first_taken is None else time.time() - (time.monotonic() - self.first_taken)

    def told(self) -> None:
        """Record that edges have got the changes of all batches that the hub has taken from the tail."""
        if self.first_taken is not None:
            metrics.bundoc_live_barrier_seconds.observe(time.monotonic() - self.first_taken)
            self.first_taken = None

    async def reaches(self, seq: int, applied: int) -> bool:
        """Wait until the batch with the change `seq` has arrived. Return False if this batch does not arrive.

        A dropped batch counts as arrived, because every query runs again after a drop.
        `applied`: the newest change of the batches that the hub has taken from the tail.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(ARRIVAL_SECONDS):
                while not self.unknown and max(applied, self.lost, self._newest) < seq:
                    self.arrived.clear()
                    await self.arrived.wait()
                return True
        return False

    @property
    def _newest(self) -> int:
        return self.waiting[-1].batch.seq if self.waiting else -1

    def _add(self, one: Arrived) -> None:
        self.waiting.append(one)
        self.bytes += one.bytes
        metrics.bundoc_live_waiting.inc(one.batch.seq - one.batch.since)

    def _pop(self) -> Arrived:
        one = self.waiting.popleft()
        self.bytes -= one.bytes
        metrics.bundoc_live_waiting.dec(one.batch.seq - one.batch.since)
        return one

    def _wake(self) -> None:
        self.arrived.set()
        self.news.set()


def _size(batch: CommittedBatch) -> int:
    documents = [one for change in batch.changes or () for one in (change.before, change.after) if one is not None]
    return sum([len(one.body) for one in documents])
