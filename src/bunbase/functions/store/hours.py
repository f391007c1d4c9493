"""SQL of statistics and of the bill. Statistics have one row per function and hour.

The bill has one row per project, dimension and hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database
from bunbase.pkg.db.ledger import Ledger
from bunbase.pkg.usage.batches import Batch, Receipt
from bunbase.pkg.usage.dimensions import Dimension

ADD: Final = """
INSERT INTO function_hours AS kept
    (project, function, hour, calls, errors, refused, cold, gb_seconds, cpu_ms, peak_mb, buckets)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (project, function, hour) DO UPDATE SET
    calls = kept.calls + excluded.calls, errors = kept.errors + excluded.errors,
    refused = kept.refused + excluded.refused, cold = kept.cold + excluded.cold,
    gb_seconds = kept.gb_seconds + excluded.gb_seconds, cpu_ms = kept.cpu_ms + excluded.cpu_ms,
    peak_mb = greatest(kept.peak_mb, excluded.peak_mb),
    buckets = (
        SELECT array_agg(coalesce(old, 0) + coalesce(new, 0) ORDER BY place)
        FROM unnest(kept.buckets, excluded.buckets) WITH ORDINALITY AS both_of (old, new, place)
    )"""
OF_FUNCTION: Final = """
SELECT project, function, hour, calls, errors, refused, cold, gb_seconds, cpu_ms, peak_mb, buckets
FROM function_hours
WHERE project = $1 AND function = $2 AND hour >= $3 ORDER BY hour DESC LIMIT $4"""
OF_PROJECT: Final = """
SELECT hour,
    coalesce(sum(amount) FILTER (WHERE dimension = $4), 0)::bigint AS invocations,
    coalesce(sum(amount) FILTER (WHERE dimension = $5), 0)::bigint AS mb_ms,
    coalesce(sum(amount) FILTER (WHERE dimension = $6), 0)::bigint AS cpu_us,
    coalesce(sum(amount) FILTER (WHERE dimension = $7), 0)::bigint AS file_byte_hours,
    coalesce(sum(amount) FILTER (WHERE dimension = $8), 0)::bigint AS egress_bytes
FROM usage_hours
WHERE project = $1 AND hour >= $2 GROUP BY hour ORDER BY hour DESC LIMIT $3"""
DELETE_FUNCTION: Final = "DELETE FROM function_hours WHERE project = $1 AND function = $2"
DELETE_PROJECT: Final = "DELETE FROM function_hours WHERE project = $1"
DELETE_OLD: Final = "DELETE FROM function_hours WHERE hour < $1"

COUNTED: Final = tuple(
    map(
        int,
        (
            Dimension.FN_CALLS,
            Dimension.FN_MB_MS,
            Dimension.FN_CPU_US,
            Dimension.FILE_BYTE_HOURS,
            Dimension.EGRESS_BYTES,
        ),
    )
)


class Hour(msgspec.Struct, frozen=True):
    """The statistics of a function in one hour.

    `calls`: the calls that a worker ran. `refused`: the calls that no worker ran. `buckets`: the histogram of
    `usage/durations.py`.
    """

    project: str
    function: str
    hour: datetime
    calls: int
    errors: int
    refused: int
    cold: int
    gb_seconds: float
    cpu_ms: float
    peak_mb: float
    buckets: list[int]


class UsedHour(msgspec.Struct, frozen=True):
    """The usage of functions and files in one hour. `egress_bytes`: the bytes of files that were downloaded."""

    hour: datetime
    invocations: int
    mb_ms: int
    cpu_us: int
    file_byte_hours: int
    egress_bytes: int

    @property
    def gb_seconds(self) -> float:
        return self.mb_ms / 1_024_000

    @property
    def cpu_ms(self) -> float:
        return self.cpu_us / 1000


class HourStore:
    def __init__(self, db: Database) -> None:
        self.db = db
        self.ledger = Ledger(db)

    async def add(self, batch: Batch[Hour], sent: datetime) -> Receipt:
        """Add a batch once. The rows of the batch must be sorted, so that two concurrent writers cannot deadlock."""
        async with self.db.transaction():
            receipt = await self.ledger.add(batch, sent)
            if receipt.new:
                for hour in batch.rows:
                    await self.db.execute(ADD, *msgspec.structs.astuple(hour))
            return receipt

    async def of_function(self, project: str, function: str, since: datetime, limit: int) -> list[Hour]:
        """Return the function's hours, newest first. An hour without calls has no row."""
        return await self.db.all(Hour, OF_FUNCTION, project, function, since, limit)

    async def of_project(self, project: str, since: datetime, limit: int) -> list[UsedHour]:
        """Return the project's usage per hour, newest first."""
        return await self.db.all(UsedHour, OF_PROJECT, project, since, limit, *COUNTED)

    async def delete_function(self, project: str, function: str) -> None:
        await self.db.execute(DELETE_FUNCTION, project, function)

    async def delete_project(self, project: str) -> None:
        """Delete the project's statistics. The usage of the project stays, because the bill needs it."""
        await self.db.execute(DELETE_PROJECT, project)

    async def delete_old(self, before: datetime, usage_age: timedelta) -> None:
        await self.db.execute(DELETE_OLD, before)
        await self.ledger.delete_older(usage_age)
        await self.ledger.prune()
