"""SQL of the schedules of active versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from bunbase.contracts.functions.triggers import Schedule, ScheduleState
from bunbase.pkg.db.database import Database

# The query locks the function before the schedule. A deletion locks in the same order, so no deadlock occurs.
DUE = """
SELECT s.project, s.function, s.spec, s.next_at
FROM schedules s JOIN functions f ON f.project = s.project AND f.name = s.function
WHERE (s.next_at IS NULL OR s.next_at <= $1) AND s.project NOT IN (SELECT project FROM paused_projects)
ORDER BY s.next_at NULLS FIRST LIMIT 1 FOR KEY SHARE OF f SKIP LOCKED FOR UPDATE OF s SKIP LOCKED"""
SET_NEXT = "UPDATE schedules SET next_at = $3 WHERE project = $1 AND function = $2"
WORK_OUT_AGAIN = "UPDATE schedules SET next_at = NULL WHERE next_at > $1"
LIST = """
SELECT function, spec, next_at FROM schedules WHERE project = $1 AND function > $2 ORDER BY function LIMIT $3"""


class DueSchedule(msgspec.Struct, frozen=True):
    project: str
    function: str
    spec: Schedule
    next_at: datetime | None


class ScheduleRow(msgspec.Struct, frozen=True):
    function: str
    spec: Schedule
    next_at: datetime | None


class ScheduleStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    def transaction(self) -> Any:
        """Return a transaction in which the caller handles one due schedule."""
        return self.db.transaction()

    async def due(self, now: datetime) -> DueSchedule | None:
        """Return a schedule that is due or has no next time, and lock it until the transaction ends."""
        return await self.db.one(DueSchedule, DUE, now)

    async def set_next(self, project: str, function: str, at: datetime) -> None:
        await self.db.execute(SET_NEXT, project, function, at)

    async def work_out_again(self, now: datetime) -> None:
        """Delete the next times of all schedules that are not due, so that they are computed again."""
        await self.db.execute(WORK_OUT_AGAIN, now)

    async def schedules(self, project: str, after: str, limit: int) -> list[ScheduleState]:
        """Return schedules, sorted by function."""
        found = await self.db.all(ScheduleRow, LIST, project, after, limit)
        return [
            ScheduleState(one.function, one.spec.cron, one.spec.time_zone, one.spec.overlap, one.next_at)
            for one in found
        ]
