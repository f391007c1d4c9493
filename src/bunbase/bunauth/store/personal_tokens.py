"""Personal access tokens in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.contracts.bunauth.tokens import PersonalToken
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed

ADD_TOKEN = """
INSERT INTO personal_tokens (id, user_id, name, scopes, projects, hash, created_at, expires_at)
SELECT $1, id, $3, $4, $5, $6, $7, $8 FROM (
    SELECT id FROM users WHERE id = $2 AND suspended_at IS NULL FOR SHARE
) AS active WHERE (SELECT count(*) FROM personal_tokens WHERE user_id = $2) < $9"""
TOKENS = """
SELECT id, name, scopes, projects, created_at, expires_at, last_used_at FROM personal_tokens
WHERE user_id = $1 ORDER BY id DESC LIMIT $2"""
TOKEN_BY_HASH = """
SELECT personal_tokens.id, user_id, email, role, scopes, projects, personal_tokens.created_at, expires_at,
    last_used_at
FROM personal_tokens JOIN users ON users.id = user_id WHERE hash = $1"""
TOUCH_TOKEN = "UPDATE personal_tokens SET last_used_at = $2 WHERE id = $1"
DELETE_TOKEN = "DELETE FROM personal_tokens WHERE user_id = $1 AND id = $2"
DELETE_ALL_TOKENS = """
WITH deleted AS (DELETE FROM personal_tokens WHERE user_id = $1 RETURNING id) SELECT array_agg(id) FROM deleted"""
DELETE_EXPIRED_TOKENS = """
DELETE FROM personal_tokens WHERE id IN (SELECT id FROM personal_tokens WHERE expires_at < $1 LIMIT $2)"""


class TokenHolder(msgspec.Struct, frozen=True):
    """A personal access token and the account that it belongs to."""

    id: str
    user_id: str
    email: str
    role: str
    scopes: tuple[str, ...]
    projects: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class PersonalTokenStore:
    def __init__(self, db: Database, feed: Feed[Revocation]) -> None:
        self.db = db
        self.feed = feed

    async def add(self, user: str, new: PersonalToken, hash: bytes, limit: int) -> bool:
        """Add a personal access token. Return False if the account has `limit` tokens already."""
        args = (new.id, user, new.name, list(new.scopes), list(new.projects), hash, new.created_at, new.expires_at)
        return bool(await self.db.execute(ADD_TOKEN, *args, limit))

    async def newest(self, user: str, limit: int) -> list[PersonalToken]:
        return await self.db.all(PersonalToken, TOKENS, user, limit)

    async def holder(self, hash: bytes) -> TokenHolder | None:
        return await self.db.one(TokenHolder, TOKEN_BY_HASH, hash)

    async def touch(self, id: str, now: datetime) -> None:
        await self.db.execute(TOUCH_TOKEN, id, now)

    async def delete(self, user: str, id: str, until: float) -> bool:
        async with self.db.transaction():
            if not await self.db.execute(DELETE_TOKEN, user, id):
                return False
            await self.feed.publish(RevokedKind.TOKEN, id, until)
            return True

    async def delete_all(self, user: str, until: float) -> list[str]:
        """Delete all tokens of an account and tell all processes. Return their ids."""
        async with self.db.transaction():
            ids: list[str] = await self.db.value(DELETE_ALL_TOKENS, user) or []
            for id in ids:
                await self.feed.publish(RevokedKind.TOKEN, id, until)
        return ids

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_EXPIRED_TOKENS, before)
