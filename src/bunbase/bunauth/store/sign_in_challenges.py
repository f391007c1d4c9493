"""Sign-ins that wait for their second factor, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.pkg.db.database import Database

ADD = "INSERT INTO sign_in_challenges (hash, user_id, version, expires_at) VALUES ($1, $2, $3, $4)"
DELETE_OLDEST = """
DELETE FROM sign_in_challenges WHERE hash IN (
    SELECT hash FROM sign_in_challenges WHERE user_id = $1 ORDER BY expires_at DESC OFFSET $2)"""
FIND = "SELECT user_id, version, failed FROM sign_in_challenges WHERE hash = $1 AND expires_at > $2"
FAIL = "UPDATE sign_in_challenges SET failed = failed + 1 WHERE hash = $1"
DELETE = "DELETE FROM sign_in_challenges WHERE hash = $1"
DELETE_EXPIRED = """
DELETE FROM sign_in_challenges WHERE hash IN (SELECT hash FROM sign_in_challenges WHERE expires_at < $1 LIMIT $2)"""


class SignInChallenge(msgspec.Struct, frozen=True):
    """`version`: of the account when its first factor was checked. `failed`: wrong answers so far."""

    user_id: str
    version: int
    failed: int


class SignInChallengeStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, hash: bytes, user: str, version: int, expires_at: datetime, keep: int) -> None:
        """Add a challenge, and delete the oldest of the account but `keep`."""
        async with self.db.transaction():
            await self.db.execute(ADD, hash, user, version, expires_at)
            await self.db.execute(DELETE_OLDEST, user, keep)

    async def find(self, hash: bytes, now: datetime) -> SignInChallenge | None:
        return await self.db.one(SignInChallenge, FIND, hash, now)

    async def fail(self, hash: bytes) -> None:
        await self.db.execute(FAIL, hash)

    async def delete(self, hash: bytes) -> None:
        await self.db.execute(DELETE, hash)

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_EXPIRED, before)
