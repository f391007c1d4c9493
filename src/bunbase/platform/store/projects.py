"""SQL of projects: their names, organisations and deletion."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from bunbase.contracts.caller import Role
from bunbase.contracts.platform import Membership, Project
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.db.outbox import Outbox

PROJECT_DESTROYED: Final = "project_deleted"  # the name that earlier versions wrote to the outbox
PROJECT_STOPPED_OR_RESUMED: Final = "project_stopped_or_resumed"
UNDO: Final = timedelta(days=7)  # a deleted project can be restored for this long

ADD = """
INSERT INTO projects (id, name, slug, created_at, org) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (slug) DO NOTHING"""
COUNT = "SELECT count(*) FROM projects WHERE org = $1 AND destroyed_at IS NULL"
COLUMNS = (
    "projects.id, projects.name, projects.slug, projects.created_at, projects.org, projects.deleted_at, "
    "projects.suspended_at IS NOT NULL AS suspended"
)
# $1 project, $2 developer
PROJECT = f"""
SELECT * FROM (
    SELECT {COLUMNS}, (SELECT max(role) FROM (
        SELECT role FROM members WHERE project = projects.id AND developer = $2
        UNION ALL SELECT role FROM org_members WHERE org = projects.org AND developer = $2
    ) AS roles) AS role
    FROM projects WHERE (id = $1 OR slug = $1) AND destroyed_at IS NULL
) AS found WHERE role IS NOT NULL"""
# $1 developer, $2 page start, $3 limit, $4 true for deleted projects
PROJECTS = f"""
WITH mine AS (
    SELECT project, role FROM members WHERE developer = $1
    UNION ALL
    SELECT projects.id, org_members.role FROM org_members JOIN projects ON projects.org = org_members.org
    WHERE developer = $1
)
SELECT {COLUMNS}, max(role) AS role FROM mine JOIN projects ON projects.id = mine.project
WHERE destroyed_at IS NULL AND (deleted_at IS NOT NULL) = $4 AND ($2 = '' OR projects.id < $2)
GROUP BY projects.id ORDER BY projects.id DESC LIMIT $3"""
INSPECTED = f"SELECT {COLUMNS}, 'viewer' AS role FROM projects WHERE (id = $1 OR slug = $1) AND deleted_at IS NULL"
IS_SUSPENDED = "SELECT EXISTS (SELECT FROM projects WHERE id = $1 AND suspended_at IS NOT NULL)"
OF_SLUG = "SELECT id FROM projects WHERE slug = $1 AND deleted_at IS NULL"
NAME = "SELECT name FROM projects WHERE id = $1"
ORG = "SELECT org FROM projects WHERE id = $1"
RENAME = "UPDATE projects SET name = $2 WHERE id = $1 AND deleted_at IS NULL"
TRANSFER = "UPDATE projects SET org = $2 WHERE id = $1 AND deleted_at IS NULL"
STOP = "UPDATE projects SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL"
RESUME = "UPDATE projects SET deleted_at = NULL WHERE id = $1 AND deleted_at IS NOT NULL AND destroyed_at IS NULL"
DESTROY = """
UPDATE projects SET destroyed_at = $2, deleted_at = coalesce(deleted_at, $2), org = NULL
WHERE id = $1 AND destroyed_at IS NULL"""
FORGET = tuple(
    f"DELETE FROM {table} WHERE project = $1"
    for table in ("keys", "service_accounts", "s3_credentials", "members", "invites")
)
OVERDUE = """
SELECT id FROM projects WHERE deleted_at <= $1 AND destroyed_at IS NULL
ORDER BY deleted_at LIMIT 1 FOR UPDATE SKIP LOCKED"""
STOPPED = """
SELECT deleted_at IS NOT NULL OR suspended_at IS NOT NULL FROM projects
WHERE id = $1 AND destroyed_at IS NULL"""
TELL_IN_ORDER = "SELECT pg_advisory_xact_lock(hashtextextended('platform tells about ' || $1, 0))"


class ProjectRow(msgspec.Struct, frozen=True):
    """A project as one developer sees it."""

    id: str
    name: str
    slug: str
    role: Role
    created_at: datetime
    org: str
    deleted_at: datetime | None
    suspended: bool

    def membership(self, developer: str) -> Membership:
        return Membership(developer, self.id, self.slug, self.role, self.suspended)

    def project(self) -> Project:
        after = None if self.deleted_at is None else self.deleted_at + UNDO
        return Project(self.id, self.name, self.slug, self.role, self.created_at, self.org, self.deleted_at, after)


class ProjectStore:
    def __init__(self, db: Database, feed: Feed[Revocation], outbox: Outbox) -> None:
        self.db = db
        self.feed = feed
        self.outbox = outbox

    async def add(self, id: str, name: str, slug: str, org: str, now: datetime) -> bool:
        """Add a project. Return False if the slug is taken."""
        return bool(await self.db.execute(ADD, id, name, slug, now, org))

    async def count(self, org: str) -> int:
        """Return the number of the organisation's projects, including deleted projects that can still be restored."""
        found: int = await self.db.value(COUNT, org)
        return found

    async def find(self, ref: str, developer: str) -> ProjectRow | None:
        """Return the project with this id or slug. The project may be deleted, but not destroyed.

        Return None if the developer is not a member of the project.
        """
        return await self.db.one(ProjectRow, PROJECT, ref, developer)

    async def of(self, developer: str, deleted: bool, limit: int, after: str) -> list[ProjectRow]:
        return await self.db.all(ProjectRow, PROJECTS, developer, after, limit, deleted)

    async def inspected(self, ref: str) -> ProjectRow | None:
        """Return the project with this id or slug, with the role of a viewer."""
        return await self.db.one(ProjectRow, INSPECTED, ref)

    async def is_suspended(self, project: str) -> bool:
        return bool(await self.db.value(IS_SUSPENDED, project))

    async def id_of(self, slug: str) -> str | None:
        found: str | None = await self.db.value(OF_SLUG, slug)
        return found

    async def name_of(self, project: str) -> str | None:
        found: str | None = await self.db.value(NAME, project)
        return found

    async def org_of(self, project: str) -> str | None:
        found: str | None = await self.db.value(ORG, project)
        return found

    async def rename(self, project: str, name: str) -> None:
        await self.db.execute(RENAME, project, name)

    async def transfer(self, project: str, org: str, forget_at: float) -> None:
        """Move the project to another organisation, and make all processes look up its members again."""
        async with self.db.transaction():
            await self.db.execute(TRANSFER, project, org)
            await self.feed.publish(RevokedKind.MEMBERSHIP, f"{project}:", forget_at)

    async def stop(self, project: str, now: datetime, forget_at: float) -> None:
        """Mark a project as deleted. Change nothing if the project is deleted already."""
        async with self.db.transaction():
            if await self.db.execute(STOP, project, now):
                await self.feed.publish(RevokedKind.PROJECT, project, forget_at)
                await self.outbox.post(PROJECT_STOPPED_OR_RESUMED, {"project": project})

    async def resume(self, project: str) -> bool:
        """Restore a deleted project. Return False if the project is not deleted, or if it is destroyed."""
        async with self.db.transaction():
            if not await self.db.execute(RESUME, project):
                return False
            await self.outbox.post(PROJECT_STOPPED_OR_RESUMED, {"project": project})
            return True

    async def destroy(self, project: str, now: datetime, forget_at: float) -> None:
        """Mark a project as destroyed, and delete its keys and members. In the same transaction, post an event that
        lets the other rooms delete its data. Change nothing if the project is destroyed already.
        """
        async with self.db.transaction():
            if await self.db.execute(DESTROY, project, now):
                for statement in FORGET:
                    await self.db.execute(statement, project)
                await self.feed.publish(RevokedKind.PROJECT, project, forget_at)
                await self.outbox.post(PROJECT_DESTROYED, {"project": project})

    async def destroy_overdue(self, deleted_before: datetime, now: datetime, forget_at: float) -> str | None:
        """Destroy one project that was deleted before a time, and return its id, or None if there is no such project.

        If another transaction restores a project at the same moment, either that transaction waits, or this method
        skips the project.
        """
        async with self.db.transaction():
            overdue: str | None = await self.db.value(OVERDUE, deleted_before)
            if overdue is not None:
                await self.destroy(overdue, now, forget_at)
            return overdue

    async def is_stopped(self, project: str) -> bool | None:
        """Return True if a project is deleted or suspended, None if it is destroyed, otherwise False.

        Until the transaction ends, other callers of this method wait. So the process that notifies the other rooms last
        has read the latest state.
        """
        await self.db.value(TELL_IN_ORDER, project)
        found: bool | None = await self.db.value(STOPPED, project)
        return found
