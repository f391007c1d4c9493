"""Usage stores with the failures of networks and databases, such as lost answers, late batches and cancellations."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from bunbase.pkg.db.connecting import DatabaseBusy
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.usage.batches import Batch, Receipt

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)

Add = Callable[[Batch[Any], datetime], Awaitable[Receipt]]


class Fate(StrEnum):
    """The outcome of one attempt to add a batch."""

    WELL = "well"
    AWAY = "away"  # The batch was not added.
    ANSWER_LOST = "answer lost"  # The batch was added, but the writer got no answer.
    TIMEOUT = "timeout"  # The batch is added much later, after the next attempt.
    CANCELLED_BEFORE = "cancelled before"
    CANCELLED_BEHIND = "cancelled behind"
    BUG = "bug"
    BUG_BEHIND = "bug behind"


class MemoryLedger:
    """A ledger in memory that adds each batch once, like the real ledger."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self.total: Counter[Any] = Counter()

    async def add(self, batch: Batch[Any], sent: datetime) -> Receipt:
        new = (batch.writer, batch.seq) not in self.seen
        self.seen.add((batch.writer, batch.seq))
        if new:
            for one in batch.amounts:
                self.total[one.project, one.dimension, one.hour] += one.amount
            for row in batch.rows:
                self.total[row] += 1
        return Receipt(sent, new)


class Adversary:
    """A proxy between a writer and a ledger that causes the failures in `fates`, one for each attempt.

    `late` holds the batches of attempts that timed out, and `deliver_late` adds these batches in any order.
    """

    def __init__(self, add: Add) -> None:
        self.add = add
        self.fates: list[Fate] = []
        self.late: list[Batch[Any]] = []

    async def __call__(self, batch: Batch[Any], sent: datetime) -> Receipt:
        fate = self.fates.pop(0) if self.fates else Fate.WELL
        match fate:
            case Fate.AWAY:
                raise Unreachable("away")
            case Fate.CANCELLED_BEFORE:
                raise asyncio.CancelledError
            case Fate.BUG:
                raise RuntimeError("a bug")
            case Fate.TIMEOUT:
                self.late.append(batch)
                raise DatabaseBusy("slow")
        receipt = await self.add(batch, sent)
        match fate:
            case Fate.ANSWER_LOST:
                raise Unreachable("the answer was lost")
            case Fate.CANCELLED_BEHIND:
                raise asyncio.CancelledError
            case Fate.BUG_BEHIND:
                raise RuntimeError("a bug")
        return receipt

    async def deliver_late(self, place: int) -> None:
        if self.late:
            await self.add(self.late.pop(place % len(self.late)), NOON)
