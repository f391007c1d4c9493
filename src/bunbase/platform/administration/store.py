"""Projects in PostgreSQL, as administrators of the installation see and change them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.db.outbox import Outbox
from bunbase.platform.store.projects import PROJECT_STOPPED_OR_RESUMED

MANAGED: Final = """
SELECT id, name, slug, created_at, suspended_at, owners, members
FROM projects, LATERAL (
    SELECT coalesce(array_agg(developer ORDER BY since, developer) FILTER (WHERE role = 'owner'), '{}') AS owners,
        count(*) AS members
    FROM (
        SELECT developer, max(role) AS role, min(created_at) AS since FROM (
            SELECT developer, role, created_at FROM members WHERE project = projects.id
            UNION ALL SELECT developer, role, created_at FROM org_members WHERE org = projects.org
        ) AS roles GROUP BY developer
    ) AS people
) AS own
WHERE deleted_at IS NULL AND """
PAGE = MANAGED + "($1 = '' OR id < $1) ORDER BY id DESC LIMIT $2"
ONE = MANAGED + "(id = $1 OR slug = $1)"
SUSPEND = "UPDATE projects SET suspended_at = $2 WHERE id = $1 AND suspended_at IS NULL AND deleted_at IS NULL"
RESUME = "UPDATE projects SET suspended_at = NULL WHERE id = $1 AND suspended_at IS NOT NULL"
COUNTS = """
SELECT (SELECT count(*) FROM projects WHERE deleted_at IS NULL) AS projects,
    (SELECT count(*) FROM projects WHERE deleted_at IS NULL AND suspended_at IS NOT NULL) AS suspended,
    (SELECT count(*) FROM (SELECT developer FROM members UNION SELECT developer FROM org_members) AS people) AS members,
    (SELECT count(*) FROM keys WHERE expires_at IS NULL OR expires_at > $1) AS keys"""


class ManagedRow(msgspec.Struct, frozen=True):
    id: str
    name: str
    slug: str
    created_at: datetime
    suspended_at: datetime | None
    owners: tuple[str, ...]
    members: int


class Counts(msgspec.Struct, frozen=True):
    projects: int
    suspended: int
    members: int
    keys: int


class ProjectAdministrationStore:
    def __init__(self, db: Database, feed: Feed[Revocation], outbox: Outbox) -> None:
        self.db = db
        self.feed = feed
        self.outbox = outbox

    async def page(self, before: str, limit: int) -> list[ManagedRow]:
        return await self.db.all(ManagedRow, PAGE, before, limit)

    async def project(self, ref: str) -> ManagedRow | None:
        return await self.db.one(ManagedRow, ONE, ref)

    async def suspend(self, project: str, now: datetime, forget_at: float) -> None:
        """Suspend a project, make all processes look up its keys and members again, and notify the other rooms."""
        async with self.db.transaction():
            if await self.db.execute(SUSPEND, project, now):
                await self._tell(project, forget_at)

    async def resume(self, project: str, forget_at: float) -> None:
        async with self.db.transaction():
            if await self.db.execute(RESUME, project):
                await self._tell(project, forget_at)

    async def counts(self, now: datetime) -> Counts:
        found = await self.db.one(Counts, COUNTS, now)
        assert found is not None  # a SELECT of counts has one row
        return found

    async def _tell(self, project: str, forget_at: float) -> None:
        await self.feed.publish(RevokedKind.PROJECT, project, forget_at)
        await self.outbox.post(PROJECT_STOPPED_OR_RESUMED, {"project": project})
