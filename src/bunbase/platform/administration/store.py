"""Projects in PostgreSQL, as administrators of the installation see and change them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed

MANAGED: Final = """
SELECT id, name, slug, created_at, suspended_at, owners, members
FROM projects, LATERAL (
    SELECT coalesce(array_agg(developer ORDER BY created_at) FILTER (WHERE role = 'owner'), '{}') AS owners,
        count(*) AS members
    FROM members WHERE project = projects.id
) AS own
WHERE deleted_at IS NULL AND """
PAGE = MANAGED + "($1 = '' OR id < $1) ORDER BY id DESC LIMIT $2"
ONE = MANAGED + "(id = $1 OR slug = $1)"
SUSPEND = "UPDATE projects SET suspended_at = $2 WHERE id = $1 AND suspended_at IS NULL AND deleted_at IS NULL"
RESUME = "UPDATE projects SET suspended_at = NULL WHERE id = $1 AND suspended_at IS NOT NULL"
COUNTS = """
SELECT (SELECT count(*) FROM projects WHERE deleted_at IS NULL) AS projects,
    (SELECT count(*) FROM projects WHERE deleted_at IS NULL AND suspended_at IS NOT NULL) AS suspended,
    (SELECT count(DISTINCT developer) FROM members) AS members,
    (SELECT count(*) FROM keys WHERE expires_at IS NULL OR expires_at > $1) AS keys"""


class ProjectRow(msgspec.Struct, frozen=True):
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
    def __init__(self, db: Database, feed: Feed[Revocation]) -> None:
        self.db = db
        self.feed = feed

    async def page(self, before: str, limit: int) -> list[ProjectRow]:
        return await self.db.all(ProjectRow, PAGE, before, limit)

    async def project(self, ref: str) -> ProjectRow | None:
        return await self.db.one(ProjectRow, ONE, ref)

    async def suspend(self, project: str, now: datetime, forget_at: float) -> None:
        """Suspend a project, and let all processes look up its keys and members again."""
        async with self.db.transaction():
            if await self.db.execute(SUSPEND, project, now):
                await self.feed.publish(RevokedKind.PROJECT, project, forget_at)

    async def resume(self, project: str, forget_at: float) -> None:
        async with self.db.transaction():
            if await self.db.execute(RESUME, project):
                await self.feed.publish(RevokedKind.PROJECT, project, forget_at)

    async def counts(self, now: datetime) -> Counts:
        found = await self.db.one(Counts, COUNTS, now)
        assert found is not None  # a SELECT of counts has one row
        return found
