"""Sign-ins of one pool that wait for their second factor, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

ADD: Final = """
INSERT INTO sign_in_challenges (project, hash, user_id, version, expires_at) VALUES ($1, $2, $3, $4, $5)"""
DELETE_OLDEST: Final = """
DELETE FROM sign_in_challenges WHERE project = $1 AND hash IN (
    SELECT hash FROM sign_in_challenges WHERE project = $1 AND user_id = $2 ORDER BY expires_at DESC OFFSET $3)"""
FIND: Final = """
SELECT user_id, version, failed FROM sign_in_challenges WHERE project = $1 AND hash = $2 AND expires_at > $3"""
FAIL: Final = "UPDATE sign_in_challenges SET failed = failed + 1 WHERE project = $1 AND hash = $2"
DELETE: Final = "DELETE FROM sign_in_challenges WHERE project = $1 AND hash = $2"
DELETE_EXPIRED: Final = """
DELETE FROM sign_in_challenges WHERE (project, hash) IN (
    SELECT project, hash FROM sign_in_challenges WHERE expires_at < $1 LIMIT $2)"""


class SignInChallenge(msgspec.Struct, frozen=True):
    """`version`: the version of the account when its first factor was checked. `failed`: the number of wrong answers so
    far.
    """

    user_id: str
    version: int
    failed: int


class SignInChallengeStore:
    def __init__(self, db: Database, project: str) -> None:
        self.db = db
        self.project = project

    async def add(self, hash: bytes, user: str, version: int, expires_at: datetime, keep: int) -> None:
        """Add a challenge, and delete the oldest challenges of the account, except `keep` challenges."""
        async with self.db.transaction():
            await self.db.execute(ADD, self.project, hash, user, version, expires_at)
            await self.db.execute(DELETE_OLDEST, self.project, user, keep)

    async def find(self, hash: bytes, now: datetime) -> SignInChallenge | None:
        return await self.db.one(SignInChallenge, FIND, self.project, hash, now)

    async def fail(self, hash: bytes) -> None:
        await self.db.execute(FAIL, self.project, hash)

    async def delete(self, hash: bytes) -> bool:
        """Delete a challenge. Return False if there is none."""
        return bool(await self.db.execute(DELETE, self.project, hash))
