"""The outbox of text messages in PostgreSQL: it limits, stores, claims and deletes messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

LOCK_PHONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('text_messages ' || $1 || ' ' || $2, 0))"
# Messages that are posted at the same moment may slightly exceed the limit of a project.
POST: Final = """
INSERT INTO text_messages (id, project, kind, phone, language, sealed, state, created_at, due_at, useful_until)
SELECT $2, $1, $3, $4, $5, $6, 'waiting', $7, $7, $8
WHERE (SELECT count(*) FROM text_messages WHERE project = $1 AND phone = $4 AND created_at > $9) < $10
    AND (SELECT count(*) FROM (
        SELECT FROM text_messages WHERE project = $1 AND created_at > $9 LIMIT $11) AS recent) < $11"""
CLAIM: Final = """
UPDATE text_messages SET attempts = attempts + 1, due_at = $2 WHERE id = (
    SELECT id FROM text_messages WHERE state = 'waiting' AND due_at <= $1 AND useful_until > $1
        AND NOT project = ANY ($3)
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, project, kind, phone, language, sealed, attempts, useful_until"""
LATER: Final = """
UPDATE text_messages SET due_at = $4, reason = $5
WHERE project = $1 AND id = $2 AND state = 'waiting' AND attempts = $3"""
END: Final = """
UPDATE text_messages SET state = $4, ended_at = $5, reason = $6, sealed = ''
WHERE project = $1 AND id = $2 AND state = 'waiting' AND attempts = $3"""
BURY_OUTDATED: Final = """
UPDATE text_messages SET state = 'dead', ended_at = $1, sealed = '' WHERE state = 'waiting' AND useful_until <= $1"""
FORGET: Final = """
DELETE FROM text_messages WHERE id IN (
    SELECT id FROM text_messages WHERE ended_at IS NOT NULL AND ended_at < $1 LIMIT $2)"""


class NewTextMessage(msgspec.Struct, frozen=True):
    id: str
    kind: str
    phone: str
    language: str
    sealed: str
    created_at: datetime
    useful_until: datetime


class Most(msgspec.Struct, frozen=True):
    """The limits of the number of messages since a time."""

    since: datetime
    of_phone: int
    of_project: int


class ClaimedMessage(msgspec.Struct, frozen=True):
    """A message that this process may send until its claim ends.

    `attempts`: the number of attempts, including the present attempt.
    """

    id: str
    project: str
    kind: str
    phone: str
    language: str
    sealed: str
    attempts: int
    useful_until: datetime


class TextMessageStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def post(self, project: str, new: NewTextMessage, most: Most) -> bool:
        """Store a message. Return False if too many messages were stored since a time."""
        what = (new.id, new.kind, new.phone, new.language, new.sealed, new.created_at, new.useful_until)
        async with self.db.transaction():
            await self.db.execute(LOCK_PHONE, project, new.phone)
            return bool(await self.db.execute(POST, project, *what, most.since, most.of_phone, most.of_project))

    async def claim(self, now: datetime, until: datetime, busy: Sequence[str]) -> ClaimedMessage | None:
        """Claim the message that is due first, among all projects except `busy`. Return None if no message is due."""
        return await self.db.one(ClaimedMessage, CLAIM, now, until, list(busy))

    async def later(self, message: ClaimedMessage, due_at: datetime, reason: str) -> None:
        await self.db.execute(LATER, message.project, message.id, message.attempts, due_at, reason)

    async def end(self, message: ClaimedMessage, state: str, now: datetime, reason: str = "") -> None:
        """Store that a message is `sent` or `dead`, and delete its code."""
        await self.db.execute(END, message.project, message.id, message.attempts, state, now, reason)

    async def bury_outdated(self, now: datetime) -> int:
        """Mark as dead the messages of all projects whose codes have expired. Return the number of dead messages."""
        return await self.db.execute(BURY_OUTDATED, now)

    async def forget(self, before: datetime) -> None:
        """Delete the messages of all projects that ended before a time."""
        await self.db.delete_in_batches(FORGET, before)
