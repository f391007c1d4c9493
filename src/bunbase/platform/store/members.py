"""SQL of the members of projects and organisations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.caller import Role
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.platform.store.departures import check_stays
from bunbase.platform.store.groups import Group, GroupKind

PROJECT, ORG = GroupKind.PROJECT, GroupKind.ORG
TABLE: Final = {PROJECT: "members", ORG: "org_members"}

# $1 project or organisation; `own`: true for a role in the group itself
PEOPLE: Final = {
    PROJECT: """
SELECT developer, max(role) AS role, min(created_at) AS since, max(role) FILTER (WHERE own) AS own_role FROM (
    SELECT developer, role, created_at, true AS own FROM members WHERE project = $1
    UNION ALL
    SELECT developer, role, org_members.created_at, false FROM org_members
    JOIN projects ON projects.org = org_members.org WHERE projects.id = $1
) AS people""",
    ORG: """
SELECT developer, max(role) AS role, min(created_at) AS since, max(role) AS own_role FROM org_members""",
}
WHERE: Final = {PROJECT: "WHERE", ORG: "WHERE org = $1 AND"}
LIST: Final = {
    kind: f"{PEOPLE[kind]} {WHERE[kind]} developer > $2 GROUP BY developer ORDER BY developer LIMIT $3"
    for kind in GroupKind
}
ONE: Final = {kind: f"{PEOPLE[kind]} {WHERE[kind]} developer = $2 GROUP BY developer" for kind in GroupKind}
AMONG: Final = {
    kind: f"""
SELECT array_agg(developer) FROM ({PEOPLE[kind]} {WHERE[kind]} developer = ANY ($2) GROUP BY developer) AS found"""
    for kind in GroupKind
}
PUT: Final = {
    kind: f"""
INSERT INTO {TABLE[kind]} ({kind}, developer, role, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT ({kind}, developer) DO UPDATE SET role = excluded.role"""
    for kind in GroupKind
}
DELETE: Final = {kind: f"DELETE FROM {TABLE[kind]} WHERE {kind} = $1 AND developer = $2" for kind in GroupKind}
COUNT: Final = {kind: f"SELECT count(*) FROM {TABLE[kind]} WHERE {kind} = $1" for kind in GroupKind}
DELETE_IN_PROJECTS = """
DELETE FROM members USING projects WHERE projects.id = project AND org = $1 AND developer = $2"""
COUNT_OWNERS = "SELECT count(*) FROM org_members WHERE org = $1 AND role = 'owner'"


class MemberRow(msgspec.Struct, frozen=True):
    """`own_role`: the role in the group itself; None if the whole role comes from the project's organisation."""

    developer: str
    role: Role
    since: datetime
    own_role: Role | None


class MemberStore:
    def __init__(self, db: Database, feed: Feed[Revocation]) -> None:
        self.db = db
        self.feed = feed

    async def of(self, group: Group, limit: int, after: str) -> list[MemberRow]:
        """Return the members, including the members of the project's organisation."""
        return await self.db.all(MemberRow, LIST[group.kind], group.id, after, limit)

    async def find(self, group: Group, developer: str) -> MemberRow | None:
        return await self.db.one(MemberRow, ONE[group.kind], group.id, developer)

    async def among(self, group: Group, developers: Sequence[str]) -> list[str]:
        """Return those of the given developers who are members, in any order."""
        return await self.db.value(AMONG[group.kind], group.id, list(developers)) or []

    async def role(self, group: Group, developer: str) -> Role | None:
        found = await self.find(group, developer)
        return None if found is None else found.role

    async def count(self, group: Group) -> int:
        found: int = await self.db.value(COUNT[group.kind], group.id)
        return found

    async def count_owners(self, org: str) -> int:
        found: int = await self.db.value(COUNT_OWNERS, org)
        return found

    async def put(self, group: Group, developer: str, role: Role, now: datetime, forget_at: float) -> None:
        """Add a member, or change the role that the member has in the group itself. Raises: Forbidden."""
        async with self.db.transaction():
            await check_stays(self.db, developer, now)
            await self.db.execute(PUT[group.kind], group.id, developer, role, now)
            await self._tell(group, developer, forget_at)

    async def remove(self, group: Group, developer: str, forget_at: float) -> None:
        """Remove a member. A member of an organisation also loses the roles in its projects."""
        async with self.db.transaction():
            await self.db.execute(DELETE[group.kind], group.id, developer)
            if group.kind is ORG:
                await self.db.execute(DELETE_IN_PROJECTS, group.id, developer)
            await self._tell(group, developer, forget_at)

    async def _tell(self, group: Group, developer: str, forget_at: float) -> None:
        project = group.id if group.kind is PROJECT else ""
        await self.feed.publish(RevokedKind.MEMBERSHIP, f"{project}:{developer}", forget_at)
