"""Public HTTP of Platform for administrators of the installation: `/api/admin/projects` and `/api/admin/usage`."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import get, post
from litestar.params import PathParameter, QueryParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import Platform
from bunbase.contracts.project_administration import InstallationUsage, ManagedProject, ManagedProjects
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import Cursor, Injected, Limit

TAGS: Final = ["Administration"]

ProjectRef = Annotated[
    str,
    PathParameter(pattern="^[a-z0-9][a-z0-9_-]{0,63}$", description="The id or slug of the project."),
]
Search = Annotated[str, QueryParameter(max_length=64, description="Only the project with this id or slug.")]


@get("/api/admin/projects", summary="List the projects of the installation", tags=TAGS)
async def list_installation_projects(
    developer: Injected[Caller],
    platform: Injected[Platform],
    search: Search = "",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> ManagedProjects:
    """Returns all projects, newest first, to administrators of the installation."""
    return await platform.installation_projects(developer, search, limit, cursor)


@get("/api/admin/projects/{ref:str}", summary="Get a project of the installation", tags=TAGS)
async def get_installation_project(
    developer: Injected[Caller], platform: Injected[Platform], ref: ProjectRef
) -> ManagedProject:
    return await platform.managed_project(developer, ref)


@post("/api/admin/projects/{ref:str}/suspend", summary="Suspend a project", tags=TAGS, status_code=200)
async def suspend_project(developer: Injected[Caller], platform: Injected[Platform], ref: ProjectRef) -> ManagedProject:
    """Within a second, the project's keys and functions answer 403 `project_suspended`. The members may still read and
    export.
    """
    return await platform.suspend_project(developer, ref)


@post("/api/admin/projects/{ref:str}/resume", summary="Resume a project", tags=TAGS, status_code=200)
async def resume_project(developer: Injected[Caller], platform: Injected[Platform], ref: ProjectRef) -> ManagedProject:
    return await platform.resume_project(developer, ref)


@get("/api/admin/usage", summary="Measure the installation", tags=TAGS)
async def get_installation_usage(developer: Injected[Caller], platform: Injected[Platform]) -> InstallationUsage:
    return await platform.installation_usage(developer)


ROUTES = (
    list_installation_projects,
    get_installation_project,
    suspend_project,
    resume_project,
    get_installation_usage,
)
