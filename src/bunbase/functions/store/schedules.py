"""SQL of the triggers of active versions: schedules, subscriptions to changes, and leases on projects with triggers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from bunbase.contracts.functions.triggers import DataTrigger, Schedule, ScheduleState
from bunbase.pkg.db.database import Database

# A deployment with an unchanged schedule keeps its next time. Otherwise a deployment could skip a run.
SYNC: Final = (
    """
DELETE FROM schedules s USING functions f JOIN versions v
    ON v.project = f.project AND v.name = f.name AND v.version = f.active_version
WHERE f.project = $1 AND f.name = $2 AND s.project = $1 AND s.function = $2
    AND coalesce(jsonb_typeof(v.config -> 'schedule'), 'null') = 'null'""",
    """
INSERT INTO schedules (project, function, spec)
SELECT f.project, f.name, CASE jsonb_typeof(v.config -> 'schedule')
    WHEN 'string' THEN jsonb_build_object('cron', v.config -> 'schedule') ELSE v.config -> 'schedule' END
FROM functions f JOIN versions v ON v.project = f.project AND v.name = f.name AND v.version = f.active_version
WHERE f.project = $1 AND f.name = $2 AND coalesce(jsonb_typeof(v.config -> 'schedule'), 'null') <> 'null'
ON CONFLICT (project, function) DO UPDATE SET spec = excluded.spec,
    next_at = CASE WHEN schedules.spec = excluded.spec THEN schedules.next_at END""",
    """
DELETE FROM subscriptions s USING functions f JOIN versions v
    ON v.project = f.project AND v.name = f.name AND v.version = f.active_version
WHERE f.project = $1 AND f.name = $2 AND s.project = $1 AND s.function = $2
    AND coalesce(v.config -> 'on', '[]') = '[]'""",
    """
INSERT INTO subscriptions (project, function, triggers)
SELECT f.project, f.name, v.config -> 'on'
FROM functions f JOIN versions v ON v.project = f.project AND v.name = f.name AND v.version = f.active_version
WHERE f.project = $1 AND f.name = $2 AND coalesce(v.config -> 'on', '[]') <> '[]'
ON CONFLICT (project, function) DO UPDATE SET triggers = excluded.triggers""",
)

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

SUBSCRIPTIONS = """
SELECT function, triggers, cursor FROM subscriptions WHERE project = $1 AND cursor IS NOT NULL ORDER BY function"""
ORPHANS = "SELECT function FROM subscriptions WHERE project = $1 AND cursor IS NULL AND since < $2"
BEGIN = "UPDATE subscriptions SET cursor = $3 WHERE project = $1 AND function = $2 AND cursor IS NULL"
ADVANCE = """
UPDATE subscriptions SET cursor = $4 WHERE project = $1 AND function = $2 AND cursor = $3"""

LOCK_FUNCTION = "SELECT FROM functions WHERE project = $1 AND name = $2 FOR KEY SHARE"

FREE = """
INSERT INTO feeds (project, holder, held_until)
SELECT DISTINCT s.project, $1::text, $3::timestamptz FROM subscriptions s LEFT JOIN feeds f ON f.project = s.project
WHERE f.project IS NULL OR f.held_until <= $2 ORDER BY s.project LIMIT $4
ON CONFLICT (project) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
WHERE feeds.held_until <= $2"""
EXTEND = """
UPDATE feeds f SET held_until = $2 WHERE f.holder = $1 AND f.held_until > $3
AND EXISTS (SELECT FROM subscriptions s WHERE s.project = f.project)"""
HELD = """
SELECT f.project FROM feeds f WHERE f.holder = $1 AND f.held_until > $2
AND EXISTS (SELECT FROM subscriptions s WHERE s.project = f.project)"""
RELEASE = "DELETE FROM feeds WHERE holder = $1"
FORGET = """
DELETE FROM feeds f WHERE f.held_until <= $1 AND NOT EXISTS (SELECT FROM subscriptions s WHERE s.project = f.project)"""


class DueSchedule(msgspec.Struct, frozen=True):
    project: str
    function: str
    spec: Schedule
    next_at: datetime | None


class ScheduleRow(msgspec.Struct, frozen=True):
    function: str
    spec: Schedule
    next_at: datetime | None


class Subscription(msgspec.Struct, frozen=True):
    """A function with data triggers. `cursor`: the number of the last change whose job was added."""

    function: str
    triggers: tuple[DataTrigger, ...]
    cursor: int


class OrphanRow(msgspec.Struct, frozen=True):
    function: str


class Subscriptions(msgspec.Struct, frozen=True):
    """The subscriptions of a project. `orphans`: functions whose deployment was interrupted before it set a cursor."""

    known: list[Subscription]
    orphans: list[str]


class HeldFeed(msgspec.Struct, frozen=True):
    project: str


async def sync_triggers(db: Database, project: str, function: str) -> None:
    """Update schedules and subscriptions to those of the active version, as part of the caller's transaction."""
    for statement in SYNC:
        await db.execute(statement, project, function)


class ScheduleStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    def transaction(self) -> Any:
        """Return a transaction. The caller handles one due schedule in it."""
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


class SubscriptionStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    def transaction(self) -> Any:
        """Return a transaction. The caller adds jobs and moves the cursor in it."""
        return self.db.transaction()

    async def of(self, project: str, orphaned_before: datetime) -> Subscriptions:
        known = await self.db.all(Subscription, SUBSCRIPTIONS, project)
        orphans = await self.db.all(OrphanRow, ORPHANS, project, orphaned_before)
        return Subscriptions(known, [one.function for one in orphans])

    async def begin(self, project: str, function: str, at: int) -> None:
        await self.db.execute(BEGIN, project, function, at)

    async def advance(self, project: str, function: str, before: int, to: int) -> bool:
        """Move the cursor. Return False if another process has moved the cursor."""
        # Lock the function before its subscription. A deletion locks in the same order, so no deadlock occurs.
        await self.db.execute(LOCK_FUNCTION, project, function)
        return bool(await self.db.execute(ADVANCE, project, function, before, to))

    async def hold(self, holder: str, now: datetime, until: datetime, at_once: int) -> list[str]:
        """Extend the leases of `holder`, lease up to `at_once` free projects, and return all projects of `holder`."""
        await self.db.execute(EXTEND, holder, until, now)
        await self.db.execute(FREE, holder, now, until, at_once)
        return [one.project for one in await self.db.all(HeldFeed, HELD, holder, now)]

    async def let_go(self, holder: str) -> None:
        await self.db.execute(RELEASE, holder)

    async def forget(self, now: datetime) -> None:
        """Delete the ended leases of projects without subscriptions."""
        await self.db.execute(FORGET, now)
