"""The batches of commits that a hub has not applied yet, in their order and bounded in bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final

from bunbase.bundoc.changes import CommittedBatch

MAX_BYTES: Final = 32 << 20
ARRIVAL_SECONDS: Final = 5.0  # for the batches up to a snapshot; they are on disk already


class Tail:
    """`unknown`: batches were lost, so anything may have changed. `altered`: how often rules or the history changed.

    `news` is set when there is work.
    """

    def __init__(self) -> None:
        self.batches: deque[CommittedBatch] = deque()
        self.bytes = 0
        self.unknown = False
        self.altered = 0
        self.news = asyncio.Event()
        self.arrived = asyncio.Event()

    def take(self, batch: CommittedBatch | None) -> None:
        """Take a batch, in the event loop; None if anything may have changed."""
        if batch is None:
            self.forget()
        elif batch.altered or batch.seq > batch.since:
            self.altered += bool(batch.altered)
            self.batches.append(batch)
            self.bytes += _size(batch)
            if self.bytes > MAX_BYTES:
                self.forget()
            self._wake()

    def forget(self) -> None:
        """Drop all batches. Everything must be queried again."""
        self.batches.clear()
        self.bytes = 0
        self.unknown = True
        self.altered += 1
        self._wake()

    def next(self, until: int | None) -> CommittedBatch | None:
        """Return the next batch, if its changes are not after the number `until`."""
        if not self.batches or (until is not None and self.batches[0].seq > until):
            return None
        batch = self.batches.popleft()
        self.bytes -= _size(batch)
        return batch

    def begin(self, epoch: str, seq: int) -> None:
        """Keep only the batches of a new history that may come after its change `seq`."""
        self.batches = deque(batch for batch in self.batches if batch.epoch == epoch and batch.seq >= seq)
        self.bytes = sum(map(_size, self.batches))

    async def reaches(self, seq: int, applied: int) -> bool:
        """Wait until the batch with the change `seq` has arrived. Return False if it does not arrive.

        `applied`: the newest change of the batches that were taken from here.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(ARRIVAL_SECONDS):
                while not self.unknown and max(applied, self.batches[-1].seq if self.batches else -1) < seq:
                    self.arrived.clear()
                    await self.arrived.wait()
                return True
        return False

    def _wake(self) -> None:
        self.arrived.set()
        self.news.set()


def _size(batch: CommittedBatch) -> int:
    documents = [one for change in batch.changes or () for one in (change.before, change.after) if one is not None]
    return sum([len(one.body) for one in documents])
