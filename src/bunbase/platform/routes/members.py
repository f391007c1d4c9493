"""Public HTTP of members: `/api/projects/{project}/members` and `/api/orgs/{org}/members`."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import delete, get, patch, post
from litestar.params import PathParameter

from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.platform import Member, Members, Platform
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import Cursor, Injected, Limit
from bunbase.pkg.ids import ID
from bunbase.platform.routes.orgs import OrgRef

TAGS = ["Members"]
P: Final = "/api/projects/{project:str}/members"
ORG: Final = "/api/orgs/{org:str}/members"

AccountId = Annotated[str, msgspec.Meta(pattern=ID)]
UserId = Annotated[str, PathParameter(pattern=ID, description="The id of the member's account.")]


class AddMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`user`: the id of an account that is a member of the project's organisation."""

    user: AccountId
    role: Role


class ChangeMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Role


@get(P, summary="List a project's members", tags=TAGS)
async def list_members(
    member: Injected[Caller], platform: Injected[Platform], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Members:
    """The list includes the members of the project's organisation. `through` shows whether a role comes from the
    project or from the organisation; the stronger role counts.
    """
    return await platform.members(member, None, limit, cursor)


@post(P, summary="Add a member of the organisation to the project", tags=TAGS)
async def add_member(member: Injected[Caller], platform: Injected[Platform], data: AddMember) -> Member:
    """Adds a role in this project for a member of the organisation, in addition to the role in the organisation.

    To add people who are not in the organisation, invite them.

    The caller needs the role admin. Nobody can give a role above their own.
    """
    return await platform.add_member(member, data.user, data.role)


@patch(f"{P}/{{user:str}}", summary="Change a member's role in a project", tags=TAGS)
async def change_member(
    member: Injected[Caller], platform: Injected[Platform], user: UserId, data: ChangeMember
) -> Member:
    """The caller needs the role admin, and a role that is at least as strong as the old role and the new one."""
    return await platform.change_member(member, None, user, data.role)


@delete(f"{P}/{{user:str}}", summary="Remove a member from a project, or leave it", tags=TAGS)
async def remove_member(member: Injected[Caller], platform: Injected[Platform], user: UserId) -> None:
    """Everyone may leave. Removing others needs the role admin. The role ends everywhere within a second."""
    await platform.remove_member(member, None, user)


@get(ORG, summary="List an organisation's members", tags=TAGS)
async def list_org_members(
    developer: Injected[Caller],
    platform: Injected[Platform],
    org: OrgRef,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Members:
    return await platform.members(developer, org, limit, cursor)


@patch(f"{ORG}/{{user:str}}", summary="Change a member's role in an organisation", tags=TAGS)
async def change_org_member(
    developer: Injected[Caller], platform: Injected[Platform], org: OrgRef, user: UserId, data: ChangeMember
) -> Member:
    """The role counts in all projects of the organisation. An organisation keeps at least one owner.

    The caller needs the role admin, and a role that is at least as strong as the old role and the new one.
    """
    return await platform.change_member(developer, org, user, data.role)


@delete(f"{ORG}/{{user:str}}", summary="Remove a member from an organisation, or leave it", tags=TAGS)
async def remove_org_member(
    developer: Injected[Caller], platform: Injected[Platform], org: OrgRef, user: UserId
) -> None:
    """The person also loses the roles in the organisation's projects. Everybody may leave, except the last owner."""
    await platform.remove_member(developer, org, user)


ROUTES = (
    list_members,
    add_member,
    change_member,
    remove_member,
    list_org_members,
    change_org_member,
    remove_org_member,
)
