"""Personal access tokens in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.bunauth.tokens import PersonalToken
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed

TOKENS_AT_ONCE: Final = 5000

# The end of an authorization and the deletion of a client first end the sessions, and then delete the tokens. So they
# wait for a session that is making a token, and then find this token.
KEEP_ACCOUNT = "SELECT EXISTS (SELECT FROM users WHERE id = $1 AND suspended_at IS NULL FOR SHARE)"
KEEP_SESSION = "SELECT EXISTS (SELECT FROM sessions WHERE id = $1 AND user_id = $2 AND ended_at IS NULL FOR SHARE)"
ADD_TOKEN = """
INSERT INTO personal_tokens
    (id, user_id, name, scopes, projects, hash, created_at, expires_at, session, client_id)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, (SELECT client_id FROM oauth_sessions WHERE session = $9)
WHERE (SELECT count(*) FROM personal_tokens WHERE user_id = $2) < $10"""
TOKENS = """
SELECT personal_tokens.id, personal_tokens.name, scopes, projects, personal_tokens.created_at, expires_at, last_used_at,
    session, coalesce(oauth_clients.name, '') AS client
FROM personal_tokens LEFT JOIN oauth_clients ON oauth_clients.id = client_id
WHERE user_id = $1 ORDER BY personal_tokens.id DESC LIMIT $2"""
TOKEN_BY_HASH = """
SELECT personal_tokens.id, user_id, email, role, scopes, projects, personal_tokens.created_at, expires_at,
    last_used_at
FROM personal_tokens JOIN users ON users.id = user_id WHERE hash = $1"""
TOUCH_TOKEN = "UPDATE personal_tokens SET last_used_at = $2 WHERE id = $1"
DELETE_TOKEN = "DELETE FROM personal_tokens WHERE user_id = $1 AND id = $2"
DELETE_ALL_TOKENS = """
WITH deleted AS (DELETE FROM personal_tokens WHERE user_id = $1 RETURNING id) SELECT array_agg(id) FROM deleted"""
DELETE_TOKENS_OF_CLIENT = """
WITH deleted AS (
    DELETE FROM personal_tokens WHERE id IN (
        SELECT id FROM personal_tokens WHERE client_id = $1 AND ($2 = '' OR user_id = $2) LIMIT $3)
    RETURNING id
)
SELECT array_agg(id) FROM deleted"""
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

    async def keep_maker(self, user: str, session: str) -> bool:
        """True if the session of an active account is open. The session cannot end until the transaction ends."""
        return bool(await self.db.value(KEEP_ACCOUNT, user)) and bool(await self.db.value(KEEP_SESSION, session, user))

    async def add(self, user: str, new: PersonalToken, hash: bytes, limit: int) -> bool:
        """Add a personal access token. Return False if the account already has `limit` tokens."""
        args = (new.id, user, new.name, list(new.scopes), list(new.projects), hash, new.created_at, new.expires_at)
        return bool(await self.db.execute(ADD_TOKEN, *args, new.session, limit))

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
        """Delete all tokens of an account and tell all processes. Return the ids of the deleted tokens."""
        async with self.db.transaction():
            ids: list[str] = await self.db.value(DELETE_ALL_TOKENS, user) or []
            for id in ids:
                await self.feed.publish(RevokedKind.TOKEN, id, until)
        return ids

    async def delete_of_client(self, client: str, until: float, user: str = "") -> None:
        """Delete the tokens that sessions of a client have made, and tell all processes.

        `user`: if set, only for this account.
        """
        async with self.db.transaction():
            while True:
                ids = await self.db.value(DELETE_TOKENS_OF_CLIENT, client, user, TOKENS_AT_ONCE) or []
                await self.feed.publish_all(RevokedKind.TOKEN, ids, until)
                if len(ids) < TOKENS_AT_ONCE:
                    return

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_EXPIRED_TOKENS, before)
