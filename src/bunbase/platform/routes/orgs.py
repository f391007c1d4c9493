"""Public HTTP of organisations: `/api/orgs`."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import delete, get, patch, post
from litestar.params import PathParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import Organisation, Organisations, Platform
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import Cursor, Injected, Limit

TAGS = ["Organisations"]
ORG: Final = "/api/orgs/{org:str}"

OrgRef = Annotated[
    str,
    PathParameter(
        pattern="^[a-z0-9][a-z0-9_-]{0,63}$", description="The id or slug of the organisation, or `personal`."
    ),
]


class NameOrg(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class DeleteOrg(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`confirm`: the organisation's slug again, which prevents mistakes."""

    confirm: str = ""


@post("/api/orgs", summary="Create an organisation", tags=TAGS)
async def create_org(developer: Injected[Caller], platform: Injected[Platform], data: NameOrg) -> Organisation:
    """The caller becomes its owner. The members of an organisation have a role in all its projects."""
    return await platform.create_org(developer, data.name)


@get("/api/orgs", summary="List your organisations", tags=TAGS)
async def list_orgs(
    developer: Injected[Caller], platform: Injected[Platform], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Organisations:
    """The list includes your personal organisation, which you get with your first project."""
    return await platform.orgs(developer, limit, cursor)


@get(ORG, summary="Get an organisation", tags=TAGS)
async def get_org(developer: Injected[Caller], platform: Injected[Platform], org: OrgRef) -> Organisation:
    return await platform.org(developer, org)


@patch(ORG, summary="Rename an organisation", tags=TAGS)
async def rename_org(
    developer: Injected[Caller], platform: Injected[Platform], org: OrgRef, data: NameOrg
) -> Organisation:
    """The slug does not change. The caller needs the role admin."""
    return await platform.rename_org(developer, org, data.name)


@delete(ORG, summary="Delete an organisation", tags=TAGS)
async def delete_org(developer: Injected[Caller], platform: Injected[Platform], org: OrgRef, data: DeleteOrg) -> None:
    """Transfer or destroy the projects of the organisation first. A personal organisation cannot be deleted. The caller
    needs the role owner.
    """
    await platform.delete_org(developer, org, data.confirm)


ROUTES = (create_org, list_orgs, get_org, rename_org, delete_org)
