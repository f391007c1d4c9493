"""SQL of organisations."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bunbase.contracts.platform import Organisation
from bunbase.pkg.db.database import Database
from bunbase.pkg.ids import new_id
from bunbase.platform.store.departures import check_stays

PERSONAL_REF: Final = "personal"  # callers send this instead of an id, for their personal organisation
PERSONAL_NAME: Final = "Personal"
RANDOM_CHARACTERS: Final = 12  # the number of random characters at the end of an organisation's id

ADD = """
INSERT INTO orgs (id, name, slug, created_at, personal_of) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"""
ADD_OWNER = "INSERT INTO org_members (org, developer, role, created_at) VALUES ($1, $2, 'owner', $3)"
PERSONAL = "SELECT id FROM orgs WHERE personal_of = $1"
COLUMNS = """
SELECT orgs.id, slug, name, role, orgs.created_at, personal_of IS NOT NULL AS personal
FROM orgs JOIN org_members ON org = orgs.id"""
ORG = f"""{COLUMNS}
WHERE (orgs.id = $1 OR slug = $1 OR ($1 = '{PERSONAL_REF}' AND personal_of = $2)) AND developer = $2
    AND deleted_at IS NULL"""
ORGS = f"""{COLUMNS}
WHERE developer = $1 AND deleted_at IS NULL AND ($2 = '' OR orgs.id < $2) ORDER BY orgs.id DESC LIMIT $3"""
LOCK_DEVELOPER = "SELECT pg_advisory_xact_lock(hashtextextended('platform organisations ' || $1, 0))"
COUNT_OWNED = """
SELECT count(*) FROM org_members JOIN orgs ON orgs.id = org
WHERE developer = $1 AND role = 'owner' AND deleted_at IS NULL"""
RENAME = "UPDATE orgs SET name = $2 WHERE id = $1 AND deleted_at IS NULL"
DELETE = "UPDATE orgs SET deleted_at = $2, personal_of = NULL WHERE id = $1 AND deleted_at IS NULL"
FORGET = tuple(f"DELETE FROM {table} WHERE org = $1" for table in ("org_members", "invites"))


class OrgStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, id: str, name: str, slug: str, owner: str, now: datetime) -> bool:
        """Add an organisation with its first owner. Return False if the slug is taken. Raises: Forbidden."""
        async with self.db.transaction():
            await check_stays(self.db, owner, now)
            if not await self.db.execute(ADD, id, name, slug, now, None):
                return False
            await self.db.execute(ADD_OWNER, id, owner, now)
            return True

    async def personal(self, developer: str, now: datetime) -> str:
        """Return the id of the developer's personal organisation, and create the organisation if it does not exist.
        Raises: Forbidden.
        """
        found: str | None = await self.db.value(PERSONAL, developer)
        if found is not None:
            return found
        id = new_id("org")
        async with self.db.transaction():
            await check_stays(self.db, developer, now)
            slug = f"personal-{id[-RANDOM_CHARACTERS:]}"
            if await self.db.execute(ADD, id, PERSONAL_NAME, slug, now, developer):
                await self.db.execute(ADD_OWNER, id, developer, now)
        # this request or a concurrent request has made the organisation
        made: str = await self.db.value(PERSONAL, developer)
        return made

    async def find(self, ref: str, developer: str) -> Organisation | None:
        """Return the organisation with this id or slug; "personal" means the developer's personal organisation.

        Return None if the developer is not a member of it.
        """
        return await self.db.one(Organisation, ORG, ref, developer)

    async def of(self, developer: str, limit: int, after: str) -> list[Organisation]:
        return await self.db.all(Organisation, ORGS, developer, after, limit)

    async def count_owned(self, developer: str) -> int:
        """Return the number of organisations that a developer owns.

        Further calls for this developer wait until the transaction ends.
        """
        await self.db.value(LOCK_DEVELOPER, developer)
        found: int = await self.db.value(COUNT_OWNED, developer)
        return found

    async def rename(self, org: str, name: str) -> None:
        await self.db.execute(RENAME, org, name)

    async def delete(self, org: str, now: datetime) -> None:
        """Delete an organisation, its members and its invitations."""
        async with self.db.transaction():
            if await self.db.execute(DELETE, org, now):
                for statement in FORGET:
                    await self.db.execute(statement, org)
