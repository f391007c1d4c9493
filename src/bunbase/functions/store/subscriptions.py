"""SQL of subscriptions, and of leases on the projects that have them.

A subscription is a function that runs on changes, together with the change log that it follows: that of documents or
that of objects. Each log of a project has its own lease.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from bunbase.contracts.functions.triggers import DataTrigger
from bunbase.pkg.db.database import Database

SUBSCRIPTIONS = """
SELECT function, triggers, cursor FROM subscriptions
WHERE project = $1 AND source = $2 AND cursor IS NOT NULL ORDER BY function"""
ORPHANS = "SELECT function FROM subscriptions WHERE project = $1 AND source = $2 AND cursor IS NULL AND since < $3"
BEGIN = """
UPDATE subscriptions SET cursor = $4 WHERE project = $1 AND source = $2 AND function = $3 AND cursor IS NULL"""
ADVANCE = """
UPDATE subscriptions SET cursor = $5 WHERE project = $1 AND source = $2 AND function = $3 AND cursor = $4"""

LOCK_FUNCTION = "SELECT FROM functions WHERE project = $1 AND name = $2 FOR KEY SHARE"

FREE = """
INSERT INTO feeds (project, source, holder, held_until)
SELECT DISTINCT s.project, s.source, $1::text, $3::timestamptz FROM subscriptions s
LEFT JOIN feeds f ON s.project = f.project AND s.source = f.source
WHERE f.project IS NULL OR f.held_until <= $2 ORDER BY s.project, s.source LIMIT $4
ON CONFLICT (project, source) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
WHERE feeds.held_until <= $2"""
EXTEND = """
UPDATE feeds f SET held_until = $2 WHERE f.holder = $1 AND f.held_until > $3
AND EXISTS (SELECT FROM subscriptions s WHERE s.project = f.project AND s.source = f.source)"""
HELD = """
SELECT f.project, f.source FROM feeds f WHERE f.holder = $1 AND f.held_until > $2
AND EXISTS (SELECT FROM subscriptions s WHERE s.project = f.project AND s.source = f.source)"""
RELEASE = "DELETE FROM feeds WHERE holder = $1"
FORGET = """
DELETE FROM feeds f WHERE f.held_until <= $1
AND NOT EXISTS (SELECT FROM subscriptions s WHERE s.project = f.project AND s.source = f.source)"""


class Source(StrEnum):
    """A change log of a project."""

    DOCUMENTS = "documents"
    OBJECTS = "objects"


class Feed(msgspec.Struct, frozen=True):
    """A change log that a process follows under a lease."""

    project: str
    source: Source


class Subscription(msgspec.Struct, frozen=True):
    """A function with triggers on the changes of one log. `cursor`: the number of the last change whose job was
    added.
    """

    function: str
    triggers: tuple[DataTrigger, ...]
    cursor: int


class OrphanRow(msgspec.Struct, frozen=True):
    function: str


class Subscriptions(msgspec.Struct, frozen=True):
    """The subscriptions of one change log.

    `orphans`: functions without a cursor. Earlier builds set the cursor only after the activation, and a crash may have
    come in between.
    """

    known: list[Subscription]
    orphans: list[str]


class SubscriptionStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    def transaction(self) -> Any:
        """Return a transaction in which the caller adds jobs and moves the cursor."""
        return self.db.transaction()

    async def of(self, feed: Feed, orphaned_before: datetime) -> Subscriptions:
        known = await self.db.all(Subscription, SUBSCRIPTIONS, feed.project, feed.source)
        orphans = await self.db.all(OrphanRow, ORPHANS, feed.project, feed.source, orphaned_before)
        return Subscriptions(known, [one.function for one in orphans])

    async def begin(self, feed: Feed, function: str, at: int) -> None:
        await self.db.execute(BEGIN, feed.project, feed.source, function, at)

    async def advance(self, feed: Feed, function: str, before: int, to: int) -> bool:
        """Move the cursor. Return False if another process has already moved it."""
        # This locks the function before its subscription. A deletion locks in the same order, so no deadlock occurs.
        await self.db.execute(LOCK_FUNCTION, feed.project, function)
        return bool(await self.db.execute(ADVANCE, feed.project, feed.source, function, before, to))

    async def hold(self, holder: str, now: datetime, until: datetime, at_once: int) -> list[Feed]:
        """Extend the leases of `holder`, lease up to `at_once` free logs, and return all logs of `holder`."""
        await self.db.execute(EXTEND, holder, until, now)
        await self.db.execute(FREE, holder, now, until, at_once)
        return await self.db.all(Feed, HELD, holder, now)

    async def let_go(self, holder: str) -> None:
        await self.db.execute(RELEASE, holder)

    async def forget(self, now: datetime) -> None:
        """Delete the ended leases of logs without subscriptions."""
        await self.db.execute(FORGET, now)
