"""Groups: a project and an organisation both have members and invitations, and share the code for them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from bunbase.contracts.invitations import PlaceKind
from bunbase.contracts.platform import OrganisationNotFound, ProjectNotFound
from bunbase.pkg.db.database import Database


class GroupKind(StrEnum):
    PROJECT = "project"
    ORG = "org"

    @property
    def in_words(self) -> PlaceKind:
        return PlaceKind.PROJECT if self is GroupKind.PROJECT else PlaceKind.ORGANISATION


class Group(msgspec.Struct, frozen=True):
    kind: GroupKind
    id: str


# A transaction that locks projects and organisations locks the project first, and then organisations in the order of
# their ids.
LOCK_PROJECT: Final = "SELECT org FROM projects WHERE id = $1 AND deleted_at IS NULL FOR UPDATE"
SHARE_ORG: Final = "SELECT id FROM orgs WHERE id = $1 AND deleted_at IS NULL FOR SHARE"
NAME: Final = {
    GroupKind.PROJECT: "SELECT name FROM projects WHERE id = $1",
    GroupKind.ORG: "SELECT name FROM orgs WHERE id = $1",
}
LOCK_ORG: Final = "SELECT id FROM orgs WHERE id = $1 AND deleted_at IS NULL FOR UPDATE"


async def lock_group(db: Database, group: Group) -> None:
    """Lock the group: until this transaction ends, others cannot change its members or delete the group.

    A role in a project may come from its organisation, so the organisation of a project is locked too.
    Raises: ProjectNotFound, OrganisationNotFound.
    """
    if group.kind is GroupKind.ORG:
        if await db.value(LOCK_ORG, group.id) is None:
            raise OrganisationNotFound
        return
    org = await db.value(LOCK_PROJECT, group.id)
    if org is None or await db.value(SHARE_ORG, org) is None:
        raise ProjectNotFound


async def lock_transfer(db: Database, project: str, target: str) -> None:
    """Lock a project, its organisation and its new organisation, as `lock_group` does.

    Two opposite transfers lock the organisations in the same order, so they never wait for each other for ever.
    Raises: ProjectNotFound, OrganisationNotFound.
    """
    owner = await db.value(LOCK_PROJECT, project)
    if owner is None:
        raise ProjectNotFound
    for org in sorted({owner, target}):
        if await db.value(LOCK_ORG if org == target else SHARE_ORG, org) is None:
            raise OrganisationNotFound if org == target else ProjectNotFound


async def group_name(db: Database, group: Group) -> str:
    found: str = await db.value(NAME[group.kind], group.id)
    return found
