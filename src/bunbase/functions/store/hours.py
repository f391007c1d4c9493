"""Calls at rest: a row per function and hour for its statistics, a row per project and hour for the bill."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

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
ADD_USAGE: Final = """
INSERT INTO usage_hours AS kept (project, hour, invocations, gb_seconds, cpu_ms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (project, hour) DO UPDATE SET
    invocations = kept.invocations + excluded.invocations, gb_seconds = kept.gb_seconds + excluded.gb_seconds,
    cpu_ms = kept.cpu_ms + excluded.cpu_ms"""
OF_FUNCTION: Final = """
SELECT project, function, hour, calls, errors, refused, cold, gb_seconds, cpu_ms, peak_mb, buckets
FROM function_hours
WHERE project = $1 AND function = $2 AND hour >= $3 ORDER BY hour DESC LIMIT $4"""
OF_PROJECT: Final = """
SELECT hour, invocations, gb_seconds, cpu_ms FROM usage_hours
WHERE project = $1 AND hour >= $2 ORDER BY hour DESC LIMIT $3"""
DELETE_FUNCTION: Final = "DELETE FROM function_hours WHERE project = $1 AND function = $2"
DELETE_PROJECT: Final = "DELETE FROM function_hours WHERE project = $1"
DELETE_OLD: Final = "DELETE FROM function_hours WHERE hour < $1"
DELETE_OLD_USAGE: Final = "DELETE FROM usage_hours WHERE hour < $1"


class Hour(msgspec.Struct, frozen=True):
    """`calls`: those that a worker had; `refused`: those that none had. `buckets`: functions/durations.py."""

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


class Used(msgspec.Struct, frozen=True):
    hour: datetime
    invocations: int
    gb_seconds: float
    cpu_ms: float


class HourStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, hours: Sequence[Hour]) -> None:
        """Add to what is kept, in one order: two writers must not wait for each other."""
        async with self.db.transaction():
            for hour in sorted(hours, key=lambda hour: (hour.project, hour.function, hour.hour)):
                await self.db.execute(ADD, *msgspec.structs.astuple(hour))
            for (project, time), used in sorted(_used(hours).items()):
                await self.db.execute(ADD_USAGE, project, time, *used)

    async def of_function(self, project: str, function: str, since: datetime, limit: int) -> list[Hour]:
        """Newest first; an hour in which nothing happened has no row."""
        return await self.db.all(Hour, OF_FUNCTION, project, function, since, limit)

    async def of_project(self, project: str, since: datetime, limit: int) -> list[Used]:
        """Newest first."""
        return await self.db.all(Used, OF_PROJECT, project, since, limit)

    async def delete_function(self, project: str, function: str) -> None:
        await self.db.execute(DELETE_FUNCTION, project, function)

    async def delete_project(self, project: str) -> None:
        """The statistics; what was used stays, to be paid for."""
        await self.db.execute(DELETE_PROJECT, project)

    async def delete_old(self, before: datetime, usage_before: datetime) -> None:
        await self.db.execute(DELETE_OLD, before)
        await self.db.execute(DELETE_OLD_USAGE, usage_before)


def _used(hours: Sequence[Hour]) -> dict[tuple[str, datetime], tuple[int, float, float]]:
    used: dict[tuple[str, datetime], tuple[int, float, float]] = {}
    for hour in hours:
        calls, gb_seconds, cpu_ms = used.get((hour.project, hour.hour), (0, 0.0, 0.0))
        added = (calls + hour.calls, gb_seconds + hour.gb_seconds, cpu_ms + hour.cpu_ms)
        used[hour.project, hour.hour] = added
    return used
