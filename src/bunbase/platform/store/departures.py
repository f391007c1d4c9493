"""SQL of an account that leaves the installation: its organisations, projects and memberships.

An account that is being deleted must not become the only member of an organisation or project, because the organisation
or project would have no members after the deletion. So `begin` marks the account first, and every transaction that adds
a member calls `check_stays`. The lock makes `begin` wait for transactions that have passed this check; all later
transactions see the mark.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.errors import Forbidden

LOCK_ORGS = """
SELECT count(*) FROM (
    SELECT FROM orgs WHERE id IN (SELECT org FROM org_members WHERE developer = $1) ORDER BY id FOR UPDATE
) AS locked"""
OWNED_ALONE = """
SELECT orgs.id, slug, (SELECT count(*) FROM org_members AS others WHERE org = orgs.id AND developer <> $1) AS others
FROM orgs JOIN org_members ON org = orgs.id
WHERE developer = $1 AND role = 'owner' AND deleted_at IS NULL AND NOT EXISTS (
    SELECT FROM org_members AS owners WHERE org = orgs.id AND owners.developer <> $1 AND owners.role = 'owner')
ORDER BY orgs.id"""
SLUGS = """
SELECT coalesce(array_agg(slug), '{}') FROM (
    SELECT slug FROM projects WHERE org = ANY ($1::text[]) AND destroyed_at IS NULL ORDER BY id LIMIT $2
) AS first"""
REMOVE: Final = tuple(f"DELETE FROM {table} WHERE developer = $1" for table in ("members", "org_members"))

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('platform departure ' || $1, 0))"
SHARE_LOCK: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended('platform departure ' || $1, 0))"
MARK: Final = """
INSERT INTO departing (developer, until) VALUES ($1, $2) ON CONFLICT (developer) DO UPDATE SET until = excluded.until"""
UNMARK: Final = "DELETE FROM departing WHERE developer = $1"
IS_MARKED: Final = "SELECT true FROM departing WHERE developer = $1 AND until > $2"
DELETE_EXPIRED: Final = """
DELETE FROM departing WHERE developer IN (SELECT developer FROM departing WHERE until < $1 LIMIT $2)"""


async def check_stays(db: Database, developer: str, now: datetime) -> None:
    """Check that a developer who joins something is not leaving. The developer stays until the transaction ends.

    Raises: Forbidden.
    """
    await db.value(SHARE_LOCK, developer)
    if await db.value(IS_MARKED, developer, now):
        raise Forbidden("This account is being deleted. If it still exists in some minutes, try again.")


class OwnedAlone(msgspec.Struct, frozen=True):
    """An organisation with only one owner. `others`: the number of its other members."""

    id: str
    slug: str
    others: int


class DepartureStore:
    def __init__(self, db: Database, feed: Feed[Revocation]) -> None:
        self.db = db
        self.feed = feed

    async def begin(self, developer: str, until: datetime) -> None:
        """Do not let the developer join anything until a time."""
        async with self.db.transaction():
            await self.db.value(LOCK, developer)
            await self.db.execute(MARK, developer, until)

    async def cancel(self, developer: str) -> None:
        await self.db.execute(UNMARK, developer)

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_EXPIRED, before)

    async def owned_alone(self, developer: str) -> list[OwnedAlone]:
        """Return the organisations that have no other owner. Until the transaction ends, their members stay as they
        are, and they get no new projects."""
        await self.db.value(LOCK_ORGS, developer)
        return await self.db.all(OwnedAlone, OWNED_ALONE, developer)

    async def slugs_of(self, orgs: list[str], limit: int) -> list[str]:
        """Return the slugs of projects of these organisations, including deleted projects that can still be
        restored.
        """
        found: list[str] = await self.db.value(SLUGS, orgs, limit)
        return found

    async def remove(self, developer: str, forget_at: float) -> None:
        """Remove a developer from all projects and organisations."""
        async with self.db.transaction():
            for statement in REMOVE:
                await self.db.execute(statement, developer)
            await self.feed.publish(RevokedKind.MEMBERSHIP, f":{developer}", forget_at)
