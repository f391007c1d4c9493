"""Sessions and their refresh tokens in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.sessions import NewRefreshToken, Pair, RefreshToken, Session

ADD_SESSION = """
WITH active AS (
    SELECT id FROM users WHERE id = $2 AND suspended_at IS NULL FOR SHARE
), session AS (
    INSERT INTO sessions (id, user_id, ip, agent, created_at, expires_at)
    SELECT $1, id, $3, $4, $5, $6 FROM active RETURNING id
)
INSERT INTO refresh_tokens (hash, session, expires_at) SELECT $7, id, $8 FROM session"""
SESSION_ALIVE = "SELECT EXISTS (SELECT FROM sessions WHERE id = $1 AND ended_at IS NULL AND expires_at > $2)"
ADDRESSES = """
SELECT array_agg(DISTINCT ip) FROM (
    SELECT ip FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1) ORDER BY id DESC LIMIT $2
) AS latest"""
END_SESSION = "UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL"
REFRESH_TOKEN = """
SELECT session, user_id, refresh_tokens.expires_at, used_at, sealed_pair,
    sessions.expires_at AS session_expires_at, ended_at AS session_ended_at
FROM refresh_tokens JOIN sessions ON sessions.id = session WHERE hash = $1"""
ROTATE = """
WITH used AS (
    UPDATE refresh_tokens SET used_at = $2, sealed_pair = $3
    WHERE hash = $1 AND used_at IS NULL
        AND EXISTS (SELECT FROM sessions WHERE sessions.id = session AND ended_at IS NULL)
    RETURNING session
)
INSERT INTO refresh_tokens (hash, session, expires_at) SELECT $4, session, $5 FROM used"""
FORGET_PAIRS = "UPDATE refresh_tokens SET sealed_pair = NULL WHERE sealed_pair IS NOT NULL AND used_at <= $1"
DELETE_SESSIONS = """
DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE coalesce(ended_at, expires_at) < $1 LIMIT $2)"""
DELETE_REFRESH_TOKENS = """
DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens WHERE expires_at < $1 LIMIT $2)"""


class SessionStore:
    def __init__(self, db: Database, feed: Feed[Revocation]) -> None:
        self.db = db
        self.feed = feed

    async def add(self, new: Session, first: NewRefreshToken) -> bool:
        """Add a session. Return False if the account is suspended, also if that happens at the same time."""
        args = (new.id, new.user_id, new.ip, new.agent, new.created_at, new.expires_at, first.hash, first.expires_at)
        return bool(await self.db.execute(ADD_SESSION, *args))

    async def alive(self, id: str, now: datetime) -> bool:
        return bool(await self.db.value(SESSION_ALIVE, id, now))

    async def addresses(self, email: str, limit: int) -> list[str]:
        """Return the IP addresses from which the account's latest sessions were opened."""
        return await self.db.value(ADDRESSES, email, limit) or []

    async def end(self, id: str, now: datetime, until: float) -> None:
        """End a session and tell all processes, in one transaction. Change nothing if it has ended already."""
        async with self.db.transaction():
            if await self.db.execute(END_SESSION, id, now):
                await self.feed.publish(RevokedKind.SESSION, id, until)

    async def refresh_token(self, hash: bytes) -> RefreshToken | None:
        return await self.db.one(RefreshToken, REFRESH_TOKEN, hash)

    async def rotate(self, hash: bytes, now: datetime, next: Pair, old_token: str) -> bool:
        """Mark a refresh token as used and add the next token. Return False if it was used or its session has ended.

        If two requests do this at once, the second request waits for the lock of the row, and then finds that the
        token was used.
        """
        new = next.stored()
        return bool(await self.db.execute(ROTATE, hash, now, next.sealed_with(old_token), new.hash, new.expires_at))

    async def forget_pairs(self, used_before: datetime) -> int:
        return await self.db.execute(FORGET_PAIRS, used_before)

    async def delete_over(self, before: datetime) -> None:
        """Delete the sessions and tokens that ended or expired before a time."""
        for statement in (DELETE_SESSIONS, DELETE_REFRESH_TOKENS):
            await self.db.delete_in_batches(statement, before)
