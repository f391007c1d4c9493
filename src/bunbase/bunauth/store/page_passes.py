"""Passes of people who sign in on a page for one action, in PostgreSQL. A pass works only once."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.bunauth.activity import ActivityMethod
from bunbase.pkg.db.database import Database

ADD: Final = """
INSERT INTO page_passes (hash, page_hash, user_id, user_version, method, target, amr, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""
DELETE_OLDEST: Final = """
DELETE FROM page_passes WHERE hash IN (
    SELECT hash FROM page_passes WHERE user_id = $1 ORDER BY expires_at DESC OFFSET $2)"""
FIND: Final = """
SELECT user_id, user_version, method, target, amr FROM page_passes
WHERE hash = $1 AND page_hash = $2 AND expires_at > $3"""
TAKE: Final = """
DELETE FROM page_passes WHERE hash = $1 AND page_hash = $2 AND expires_at > $3
RETURNING user_id, user_version, method, target, amr"""
DELETE_EXPIRED: Final = """
DELETE FROM page_passes WHERE hash IN (SELECT hash FROM page_passes WHERE expires_at < $1 LIMIT $2)"""


class StoredPass(msgspec.Struct, frozen=True):
    """A pass. `method`, `target`: the values of the sign-in for the activity.

    `amr`: the methods, with the names that an ID token uses.
    """

    user_id: str
    user_version: int
    method: ActivityMethod
    target: str
    amr: tuple[str, ...]


class PagePassStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, hash: bytes, page: bytes, new: StoredPass, expires_at: datetime, keep: int) -> None:
        """Add a pass, and delete all passes of the account except the newest `keep`."""
        who = (new.user_id, new.user_version, new.method.value, new.target, list(new.amr))
        async with self.db.transaction():
            await self.db.execute(ADD, hash, page, *who, expires_at)
            await self.db.execute(DELETE_OLDEST, new.user_id, keep)

    async def find(self, hash: bytes, page: bytes, now: datetime) -> StoredPass | None:
        return await self.db.one(StoredPass, FIND, hash, page, now)

    async def take(self, hash: bytes, page: bytes, now: datetime) -> StoredPass | None:
        """Return a pass and delete it. If two requests run this at the same time, only one of them gets the pass."""
        return await self.db.one(StoredPass, TAKE, hash, page, now)

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_EXPIRED, before)
