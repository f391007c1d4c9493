"""Users and sessions at rest. Every statement about users leads with their project; only clean-up goes across all."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.contracts.tenant_auth import User
from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.sessions import NewRefreshToken, Pair, RefreshToken, Session

BATCH: Final = 1000  # rows a clean-up deletes in one statement, so that none holds locks for long

ADD_USER = """
INSERT INTO users (project, id, email, email_verified, password_hash, role, claims, data, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (project, email) DO NOTHING"""
USER = """
SELECT id, email, email_verified, role, claims, data, created_at FROM users WHERE project = $1 AND id = $2"""
CREDENTIALS = """
SELECT id, email, email_verified, role, claims, data, created_at, password_hash FROM users
WHERE project = $1 AND email = $2"""
UPDATE_DATA = """
UPDATE users SET data = $3 WHERE project = $1 AND id = $2
RETURNING id, email, email_verified, role, claims, data, created_at"""
DROP_USERS = """
DELETE FROM users WHERE project = $1 AND id IN (SELECT id FROM users WHERE project = $1 LIMIT $2)"""

ADD_SESSION = """
WITH session AS (
    INSERT INTO sessions (project, id, user_id, ip, agent, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id
)
INSERT INTO refresh_tokens (project, hash, session, expires_at) SELECT $1, $8, id, $9 FROM session"""
SESSION_ALIVE = """
SELECT EXISTS (SELECT FROM sessions WHERE project = $1 AND id = $2 AND ended_at IS NULL AND expires_at > $3)"""
END_SESSION = "UPDATE sessions SET ended_at = $3 WHERE project = $1 AND id = $2 AND ended_at IS NULL"
REFRESH_TOKEN = """
SELECT session, user_id, tokens.expires_at, used_at, sealed_pair,
    sessions.expires_at AS session_expires_at, ended_at AS session_ended_at
FROM refresh_tokens AS tokens JOIN sessions ON sessions.project = tokens.project AND sessions.id = session
WHERE tokens.project = $1 AND hash = $2"""
ROTATE = """
WITH used AS (
    UPDATE refresh_tokens SET used_at = $3, sealed_pair = $4
    WHERE project = $1 AND hash = $2 AND used_at IS NULL
        AND EXISTS (SELECT FROM sessions WHERE project = $1 AND sessions.id = session AND ended_at IS NULL)
    RETURNING session
)
INSERT INTO refresh_tokens (project, hash, session, expires_at) SELECT $1, $5, session, $6 FROM used"""

FORGET_PAIRS = "UPDATE refresh_tokens SET sealed_pair = NULL WHERE sealed_pair IS NOT NULL AND used_at <= $1"
DELETE_SESSIONS = """
DELETE FROM sessions WHERE (project, id) IN
    (SELECT project, id FROM sessions WHERE coalesce(ended_at, expires_at) < $1 LIMIT $2)"""
DELETE_REFRESH_TOKENS = """
DELETE FROM refresh_tokens WHERE (project, hash) IN
    (SELECT project, hash FROM refresh_tokens WHERE expires_at < $1 LIMIT $2)"""


class Credentials(msgspec.Struct, frozen=True):
    """A user with what proves it."""

    user: User
    password_hash: str | None


class _Row(User, frozen=True):
    password_hash: str | None


class TenantAuthStore:
    def __init__(self, db: Database, clock: Clock) -> None:
        self.db = db
        self.feed = Feed(db, Revocation, clock)

    async def add_user(self, project: str, new: Credentials, session: Session, first: NewRefreshToken) -> bool:
        """Add a user together with the first session; False if the email is taken."""
        user = new.user
        args = (user.id, user.email, user.email_verified, new.password_hash, user.role, user.claims, user.data)
        async with self.db.transaction():
            if not await self.db.execute(ADD_USER, project, *args, user.created_at):
                return False
            await self.add_session(project, session, first)
            return True

    async def user(self, project: str, id: str) -> User | None:
        return await self.db.one(User, USER, project, id)

    async def credentials(self, project: str, email: str) -> Credentials | None:
        row = await self.db.one(_Row, CREDENTIALS, project, email)
        if row is None:
            return None
        return Credentials(msgspec.convert(row, User, from_attributes=True), row.password_hash)

    async def update_data(self, project: str, id: str, data: dict[str, Any]) -> User | None:
        return await self.db.one(User, UPDATE_DATA, project, id, data)

    async def add_session(self, project: str, new: Session, first: NewRefreshToken) -> None:
        args = (new.id, new.user_id, new.ip, new.agent, new.created_at, new.expires_at, first.hash, first.expires_at)
        await self.db.execute(ADD_SESSION, project, *args)

    async def session_alive(self, project: str, id: str, now: datetime) -> bool:
        return bool(await self.db.value(SESSION_ALIVE, project, id, now))

    async def end_session(self, project: str, id: str, now: datetime, until: float) -> None:
        """End a session and tell every process, both or neither; an ended one stays as it is."""
        async with self.db.transaction():
            if await self.db.execute(END_SESSION, project, id, now):
                await self.feed.publish(RevokedKind.SESSION, id, until)

    async def refresh_token(self, project: str, hash: bytes) -> RefreshToken | None:
        return await self.db.one(RefreshToken, REFRESH_TOKEN, project, hash)

    async def rotate(self, project: str, hash: bytes, now: datetime, next: Pair, old_token: str) -> bool:
        """Use up a refresh token and put the next in its place; False if it was used or its session has ended.

        Of two at once the second waits for the first one's row, and then finds it used.
        """
        new, sealed = next.stored(), next.sealed_with(old_token)
        return bool(await self.db.execute(ROTATE, project, hash, now, sealed, new.hash, new.expires_at))

    async def drop_project(self, project: str) -> None:
        """Delete every user of a project, and with each its sessions and tokens."""
        while await self.db.execute(DROP_USERS, project, BATCH) == BATCH:
            pass

    async def forget_pairs(self, used_before: datetime) -> int:
        return await self.db.execute(FORGET_PAIRS, used_before)

    async def delete_over(self, before: datetime) -> None:
        """Delete, batch by batch, sessions and tokens that ended or expired before a time."""
        for statement in (DELETE_SESSIONS, DELETE_REFRESH_TOKENS):
            while await self.db.execute(statement, before, BATCH) == BATCH:
                pass
