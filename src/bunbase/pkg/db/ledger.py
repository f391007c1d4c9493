"""The ledger of usage. The ledger adds each batch of pkg/usage exactly once to sums by project, dimension and hour.

The life of one batch:

    1. A writer sends the batch `(writer, seq)`. The writer repeats the same batch until it gets an answer.
    2. One transaction inserts the number `seq` into `usage_batches`. Only if this number is new, the transaction also
       adds the amounts to `usage_hours`. So a batch counts once, even if the answer to COMMIT is lost and the writer
       repeats the batch.
    3. Amounts are added in sorted order. So two writers lock the same rows in the same order, and cannot deadlock.
    4. The answer contains PostgreSQL's time, so that the writer can correct its own clock.

Two alternatives were rejected. If only the newest number of each writer were stored, a batch that arrives late or out
of order would count twice or never. If a number were deleted as soon as its batch is acknowledged, a first attempt that
timed out could commit after the second attempt was acknowledged. See docs/decisions/0039-usage-counts-once.md.

A room that uses a ledger has these tables:

    CREATE TABLE usage_batches (
        writer text NOT NULL,
        seq bigint NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (writer, seq)
    )
    CREATE TABLE usage_hours (
        project text NOT NULL,
        dimension smallint NOT NULL,
        hour timestamptz NOT NULL,
        amount bigint NOT NULL,
        PRIMARY KEY (project, dimension, hour)
    )
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database
from bunbase.pkg.logger import logger
from bunbase.pkg.usage.batches import Amount, Batch, Receipt, hour_of, summed

log = logger("usage")

BATCHES_KEPT: Final = timedelta(days=40)
MAX_OFF: Final = timedelta(minutes=10)

TAKE: Final = """
WITH taken AS (
    INSERT INTO usage_batches (writer, seq, at) VALUES ($1, $2, clock_timestamp()) ON CONFLICT DO NOTHING RETURNING 1
)
SELECT clock_timestamp() AS at, EXISTS (SELECT FROM taken) AS new"""
ADD: Final = """
INSERT INTO usage_hours AS kept (project, dimension, hour, amount)
SELECT project, dimension, hour, amount
FROM unnest($1::text[], $2::smallint[], $3::timestamptz[], $4::bigint[]) AS new (project, dimension, hour, amount)
ORDER BY project, dimension, hour
ON CONFLICT (project, dimension, hour) DO UPDATE SET amount = kept.amount + excluded.amount"""
OF_PROJECT: Final = """
SELECT project, dimension, hour, amount FROM usage_hours
WHERE project = $1 AND dimension = ANY($2::smallint[]) AND hour >= $3 ORDER BY hour DESC, dimension LIMIT $4"""
# These statements use PostgreSQL's clock, because a process whose clock is years ahead must not delete usage that is
# not billed yet.
DELETE_BATCHES: Final = "DELETE FROM usage_batches WHERE at < coalesce($1::timestamptz, now()) - $2::interval"
DELETE_HOURS: Final = "DELETE FROM usage_hours WHERE hour < coalesce($1::timestamptz, now()) - $2::interval"


class Ledger:
    """Stores usage. `clock` is only for tests.

    By default, the ledger uses PostgreSQL's clock, which all writers share.
    """

    def __init__(self, db: Database, clock: Clock | None = None) -> None:
        self.db = db
        self.clock = clock

    async def add(self, batch: Batch[Any], sent: datetime) -> Receipt:
        """Add a batch, unless a batch with its number was added before. This may run inside the caller's transaction.

        `sent`: the time of the writer's clock. If this clock is wrong by more than ten minutes, all amounts count in
        the hour of arrival.
        """
        async with self.db.transaction():
            receipt = await self._taken(batch)
            if receipt.new and batch.amounts:
                amounts = batch.amounts
                if abs(receipt.at - sent) > MAX_OFF:
                    log.warning("a writer's clock is wrong: its usage counts in this hour", writer=batch.writer)
                    arrival = hour_of(receipt.at)
                    amounts = summed(msgspec.structs.replace(one, hour=arrival) for one in amounts)
                rows = [(one.project, one.dimension, one.hour, one.amount) for one in amounts]
                await self.db.execute(ADD, *map(list, zip(*rows, strict=True)))
            return receipt

    async def of_project(self, project: str, dimensions: Sequence[int], since: datetime, limit: int) -> list[Amount]:
        """Return the amounts of a project, newest hours first."""
        return await self.db.all(Amount, OF_PROJECT, project, list(dimensions), since, limit)

    async def prune(self) -> int:
        """Delete the numbers of old batches, which no writer repeats any more. Return the number of deleted rows."""
        return await self.db.execute(DELETE_BATCHES, self._now(), BATCHES_KEPT)

    async def delete_older(self, age: timedelta) -> int:
        """Delete the hours that are older than `age`. Return the number of deleted rows."""
        return await self.db.execute(DELETE_HOURS, self._now(), age)

    def _now(self) -> datetime | None:
        """Return the time of a test's clock, or None to use PostgreSQL's clock."""
        return None if self.clock is None else self.clock.now()

    async def _taken(self, batch: Batch[Any]) -> Receipt:
        receipt = await self.db.one(Receipt, TAKE, batch.writer, batch.seq)
        assert receipt is not None
        return receipt if self.clock is None else msgspec.structs.replace(receipt, at=self.clock.now())
