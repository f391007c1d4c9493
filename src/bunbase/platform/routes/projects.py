"""Public HTTP of projects: `/api/projects`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromQuery

from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import NewProject, Platform, Project, ProjectChanges, Projects
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import NO_STORE, Cursor, Injected, Limit

TAGS = ["Projects"]
P = "/api/projects/{project:str}"

OrgRef = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class CreateProject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`org`: the id or slug of the organisation that owns the project; by default, the project belongs to you alone."""

    name: str
    org: OrgRef | None = None


class DeleteProject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`confirm`: the project's slug again, which prevents mistakes. `now`: destroy all data at once."""

    confirm: str = ""
    now: bool = False


class TransferProject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`org`: the id or slug of the organisation, or "personal" for a project that belongs to you alone."""

    org: OrgRef


@post("/api/projects", summary="Create a project", tags=TAGS, cache_control=NO_STORE)
async def create_project(developer: Injected[Caller], platform: Injected[Platform], data: CreateProject) -> NewProject:
    """The caller becomes the owner. The answer holds the first two keys; no later answer shows the secret key.

    In an organisation, this needs the role developer.
    """
    return await platform.create_project(developer, data.name, data.org)


@get("/api/projects", summary="List your projects", tags=TAGS)
async def list_projects(
    developer: Injected[Caller],
    platform: Injected[Platform],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    deleted: FromQuery[bool] = False,
) -> Projects:
    """`?deleted=true` lists the deleted projects that can still be restored."""
    return await platform.projects(developer, limit, cursor, deleted)


@get(P, summary="Get a project", tags=TAGS)
async def get_project(member: Injected[Caller], platform: Injected[Platform]) -> Project:
    """`{project}` is the project's id or slug."""
    return await platform.project(member)


@patch(P, summary="Change a project's settings", tags=TAGS)
async def update_project(member: Injected[Caller], platform: Injected[Platform], data: ProjectChanges) -> Project:
    """Changes the name.

    The slug does not change, so existing URLs continue to work. The caller needs the role admin.
    """
    return await platform.update_project(member, data)


@delete(P, summary="Delete a project", tags=TAGS)
async def delete_project(custodian: Injected[Caller], platform: Injected[Platform], data: DeleteProject) -> None:
    """Stops the project at once: its keys and members are refused, and its functions do not run. The project can be
    restored for 7 days.

    After that, or at once with `"now": true`, its encryption key is destroyed. Then nobody can read the data of the
    project any more, not even from backups. For a project that is already deleted, the request can be repeated with
    `"now": true`. Needs the role owner.
    """
    await platform.delete_project(custodian, data.confirm, data.now)


@post(f"{P}/restore", summary="Restore a deleted project", tags=TAGS, status_code=200)
async def restore_project(custodian: Injected[Caller], platform: Injected[Platform]) -> Project:
    """Restores a project within 7 days of its deletion, with data, keys and members.

    The caller needs the role owner.
    """
    return await platform.restore_project(custodian)


@post(f"{P}/transfer", summary="Move a project to another organisation", tags=TAGS, status_code=200)
async def transfer_project(member: Injected[Caller], platform: Injected[Platform], data: TransferProject) -> Project:
    """The caller needs the role owner in the project, and at least the role admin in the other organisation.

    People who had access only through the old organisation lose this access. Members of the project itself keep their
    roles.
    """
    return await platform.transfer_project(member, data.org)


ROUTES = (
    create_project,
    list_projects,
    get_project,
    update_project,
    delete_project,
    restore_project,
    transfer_project,
)
