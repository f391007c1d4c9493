"""Accounts in PostgreSQL, for administrators of the installation."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bunbase.bunauth.store.accounts import LOCK_ADMINS
from bunbase.contracts.bunauth.administration import AccountRole, ManagedAccount
from bunbase.contracts.bunauth.problems import LastAdministrator
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed

LAST: Final = "\U0010ffff"  # In the order of bytes, no email sorts after this character.

MANAGED: Final = """
SELECT users.id, email, name, role, users.created_at, suspended_at,
    greatest(seen_at, used_at) AS last_used_at, sessions, tokens
FROM users,
    LATERAL (
        SELECT max(sessions.last_used_at) AS seen_at,
            count(*) FILTER (WHERE ended_at IS NULL AND expires_at > $1) AS sessions
        FROM sessions WHERE user_id = users.id
    ) AS own_sessions,
    LATERAL (
        SELECT max(last_used_at) AS used_at, count(*) FILTER (WHERE expires_at IS NULL OR expires_at > $1) AS tokens
        FROM personal_tokens WHERE user_id = users.id
    ) AS own_tokens
"""
PAGE = (
    MANAGED
    + """WHERE email COLLATE "C" >= $2 AND email COLLATE "C" < $3 AND email COLLATE "C" > $4
ORDER BY email COLLATE "C" LIMIT $5"""
)
ONE = MANAGED + "WHERE users.id = $2"
SUSPEND = "UPDATE users SET suspended_at = $2 WHERE id = $1 AND suspended_at IS NULL"
IS_SUSPENDED = "SELECT EXISTS (SELECT FROM users WHERE id = $1 AND suspended_at IS NOT NULL)"
RESUME = "UPDATE users SET suspended_at = NULL WHERE id = $1 AND suspended_at IS NOT NULL"
SET_ROLE = "UPDATE users SET role = $2 WHERE id = $1 AND role <> $2"
HAS_ACTIVE_ADMIN = "SELECT EXISTS (SELECT FROM users WHERE role = 'admin' AND suspended_at IS NULL)"
END_SESSIONS = """
WITH ended AS (UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL RETURNING id)
SELECT array_agg(id) FROM ended"""
DELETE_TOKENS = """
WITH deleted AS (DELETE FROM personal_tokens WHERE user_id = $1 RETURNING id) SELECT array_agg(id) FROM deleted"""


class AdministrationStore:
    def __init__(self, db: Database, feed: Feed[Revocation]) -> None:
        self.db = db
        self.feed = feed

    async def page(self, beginning: str, after: str, limit: int, now: datetime) -> list[ManagedAccount]:
        """Return accounts whose email begins with a text, ordered by email, starting after `after`."""
        return await self.db.all(ManagedAccount, PAGE, now, beginning, beginning + LAST, after, limit)

    async def account(self, id: str, now: datetime) -> ManagedAccount | None:
        return await self.db.one(ManagedAccount, ONE, now, id)

    async def suspend(self, id: str, now: datetime, sessions_until: float, tokens_until: float) -> bool:
        """Suspend an account and end its sessions and tokens, in one transaction.

        Return False if it was suspended before. Raises: LastAdministrator.
        """
        async with self.db.transaction():
            await self.db.execute(LOCK_ADMINS)
            if not await self.db.execute(SUSPEND, id, now):
                return False
            await self._check_administrators()
            await self._end_sessions(id, now, sessions_until)
            for token in await self.db.value(DELETE_TOKENS, id) or ():
                await self.feed.publish(RevokedKind.TOKEN, token, tokens_until)
            return True

    async def is_suspended(self, id: str) -> bool:
        return bool(await self.db.value(IS_SUSPENDED, id))

    async def resume(self, id: str) -> bool:
        """Resume an account. Return False if the account was not suspended."""
        return bool(await self.db.execute(RESUME, id))

    async def set_role(self, id: str, role: AccountRole, now: datetime, until: float) -> bool:
        """Change a role, end the sessions that contain the old role, and make all processes read the tokens again.

        Return False if the account already had the role. Raises: LastAdministrator.
        """
        async with self.db.transaction():
            await self.db.execute(LOCK_ADMINS)
            if not await self.db.execute(SET_ROLE, id, role):
                return False
            await self._check_administrators()
            await self._end_sessions(id, now, until)
            await self.feed.publish(RevokedKind.ACCOUNT, id, until)
            return True

    async def _end_sessions(self, id: str, now: datetime, until: float) -> None:
        for session in await self.db.value(END_SESSIONS, id, now) or ():
            await self.feed.publish(RevokedKind.SESSION, session, until)

    async def _check_administrators(self) -> None:
        """Check that an active administrator remains. Raises: LastAdministrator."""
        if not await self.db.value(HAS_ACTIVE_ADMIN):
            raise LastAdministrator("Make another account an administrator first.")
