"""The persons of other services that may sign in to an account of one pool, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database
from bunbase.pkg.identity.external import Identity

ADD: Final = """
INSERT INTO identities (project, id, user_id, provider, subject, email, created_at, last_used_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $7
WHERE (SELECT count(*) FROM identities WHERE project = $1 AND user_id = $3) < $8
ON CONFLICT DO NOTHING"""
OWNER: Final = "SELECT user_id FROM identities WHERE project = $1 AND provider = $2 AND subject = $3"
TOUCH: Final = """
UPDATE identities SET last_used_at = $4, email = coalesce($5, email)
WHERE project = $1 AND provider = $2 AND subject = $3"""
OF_ACCOUNT: Final = """
SELECT id, provider, email, created_at, last_used_at FROM identities
WHERE project = $1 AND user_id = $2 ORDER BY id DESC"""
ADD_MANY: Final = """
INSERT INTO identities (project, id, user_id, provider, subject, email, created_at, last_used_at)
SELECT $1, id, user_id, provider, subject, email, $7, $7
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) AS new (id, user_id, provider, subject, email)
ON CONFLICT DO NOTHING"""
OWNERS: Final = """
SELECT user_id, provider, subject, email FROM identities WHERE project = $1
AND (provider, subject) IN (SELECT * FROM unnest($2::text[], $3::text[]))"""
OF_ACCOUNTS: Final = """
SELECT user_id, provider, subject, email FROM identities
WHERE project = $1 AND user_id = ANY ($2::text[]) ORDER BY user_id, id"""
DELETE: Final = "DELETE FROM identities WHERE project = $1 AND user_id = $2 AND id = $3 RETURNING provider"
DELETE_ALL: Final = "DELETE FROM identities WHERE project = $1 AND user_id = $2"


class NewIdentity(msgspec.Struct, frozen=True):
    id: str
    provider: str
    subject: str
    email: str | None


class OwnedIdentity(msgspec.Struct, frozen=True):
    user_id: str
    provider: str
    subject: str
    email: str | None


class IdentityStore:
    def __init__(self, db: Database, project: str) -> None:
        self.db = db
        self.project = project

    async def add(self, user: str, new: NewIdentity, now: datetime, limit: int) -> bool:
        """Add an identity. Return False if an account already has the identity, or if this account has `limit`
        identities.
        """
        args = (new.id, user, new.provider, new.subject, new.email, now, limit)
        return bool(await self.db.execute(ADD, self.project, *args))

    async def owner(self, provider: str, subject: str) -> str | None:
        """Return the account to which a person may sign in."""
        found: str | None = await self.db.value(OWNER, self.project, provider, subject)
        return found

    async def touch(self, provider: str, subject: str, email: str | None, now: datetime) -> None:
        await self.db.execute(TOUCH, self.project, provider, subject, now, email)

    async def of_account(self, user: str) -> list[Identity]:
        return await self.db.all(Identity, OF_ACCOUNT, self.project, user)

    async def add_many(self, new: Sequence[tuple[str, NewIdentity]], now: datetime) -> bool:
        """Add identities to accounts. Return False if some account already had one of the identities.

        The caller checks how many identities each account gets.
        """
        if not new:
            return True
        rows = [(one.id, user, one.provider, one.subject, one.email) for user, one in new]
        return await self.db.execute(ADD_MANY, self.project, *zip(*rows, strict=True), now) == len(new)

    async def owners(self, persons: Sequence[tuple[str, str]]) -> list[OwnedIdentity]:
        """Return the identities that accounts already have. `persons`: pairs of provider and subject to look for."""
        providers, subjects = [one for one, _ in persons], [one for _, one in persons]
        return await self.db.all(OwnedIdentity, OWNERS, self.project, providers, subjects)

    async def of_accounts(self, users: Sequence[str]) -> list[OwnedIdentity]:
        return await self.db.all(OwnedIdentity, OF_ACCOUNTS, self.project, list(users))

    async def delete(self, user: str, id: str) -> str | None:
        """Delete an identity. Return the name of its provider, or None if the account has no such identity."""
        provider: str | None = await self.db.value(DELETE, self.project, user, id)
        return provider

    async def delete_all(self, user: str) -> None:
        await self.db.execute(DELETE_ALL, self.project, user)
