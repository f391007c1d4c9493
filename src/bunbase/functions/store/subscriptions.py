"""SQL of subscriptions (functions that run on changes of documents), and of leases on the projects that have them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from bunbase.contracts.functions.triggers import DataTrigger
from bunbase.pkg.db.database import Database

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


class Subscription(msgspec.Struct, frozen=True):
    """A function with data triggers. `cursor`: the number of the last change whose job was added."""

    function: str
    triggers: tuple[DataTrigger, ...]
    cursor: int


class OrphanRow(msgspec.Struct, frozen=True):
    function: str


class Subscriptions(msgspec.Struct, frozen=True):
    """The subscriptions of a project.

    `orphans`: functions without a cursor. Earlier builds set the cursor only after the activation, and a crash may have
    come in between.
    """

    known: list[Subscription]
    orphans: list[str]


class HeldFeed(msgspec.Struct, frozen=True):
    project: str


class SubscriptionStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    def transaction(self) -> Any:
        """Return a transaction in which the caller adds jobs and moves the cursor."""
        return self.db.transaction()

    async def of(self, project: str, orphaned_before: datetime) -> Subscriptions:
        known = await self.db.all(Subscription, SUBSCRIPTIONS, project)
        orphans = await self.db.all(OrphanRow, ORPHANS, project, orphaned_before)
        return Subscriptions(known, [one.function for one in orphans])

    async def begin(self, project: str, function: str, at: int) -> None:
        await self.db.execute(BEGIN, project, function, at)

    async def advance(self, project: str, function: str, before: int, to: int) -> bool:
        """Move the cursor. Return False if another process has already moved it."""
        # This locks the function before its subscription. A deletion locks in the same order, so no deadlock occurs.
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
