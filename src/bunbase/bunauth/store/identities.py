"""The persons of other services that may sign in to an account, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.contracts.bunauth.identities import Identity
from bunbase.pkg.db.database import Database

ADD = """
INSERT INTO identities (id, user_id, provider, subject, email, created_at, last_used_at)
SELECT $1, $2, $3, $4, $5, $6, $6 WHERE (SELECT count(*) FROM identities WHERE user_id = $2) < $7
ON CONFLICT (provider, subject) DO NOTHING"""
OWNER = "SELECT user_id FROM identities WHERE provider = $1 AND subject = $2"
TOUCH = "UPDATE identities SET last_used_at = $3, email = coalesce($4, email) WHERE provider = $1 AND subject = $2"
OF_ACCOUNT = """
SELECT id, provider, email, created_at, last_used_at FROM identities WHERE user_id = $1 ORDER BY id DESC"""
DELETE = "DELETE FROM identities WHERE user_id = $1 AND id = $2 RETURNING provider"
DELETE_ALL = "DELETE FROM identities WHERE user_id = $1"


class NewIdentity(msgspec.Struct, frozen=True):
    id: str
    provider: str
    subject: str
    email: str | None


class IdentityStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, user: str, new: NewIdentity, now: datetime, limit: int) -> bool:
        """Add an identity. Return False if an account has it already, or if this account has `limit` identities."""
        args = (new.id, user, new.provider, new.subject, new.email, now, limit)
        return bool(await self.db.execute(ADD, *args))

    async def owner(self, provider: str, subject: str) -> str | None:
        """Return the account that a person may sign in to."""
        found: str | None = await self.db.value(OWNER, provider, subject)
        return found

    async def touch(self, provider: str, subject: str, email: str | None, now: datetime) -> None:
        await self.db.execute(TOUCH, provider, subject, now, email)

    async def of_account(self, user: str) -> list[Identity]:
        return await self.db.all(Identity, OF_ACCOUNT, user)

    async def delete(self, user: str, id: str) -> str | None:
        """Delete an identity. Return the name of its provider, or None if the account has no such identity."""
        provider: str | None = await self.db.value(DELETE, user, id)
        return provider

    async def delete_all(self, user: str) -> None:
        await self.db.execute(DELETE_ALL, user)
