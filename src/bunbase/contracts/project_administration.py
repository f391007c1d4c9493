"""Projects, as the administrators of the installation see and change them.

This file is a part of Platform's contract.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem


class ProjectSuspended(Problem):
    status, code, title = 403, "project_suspended", "This project is suspended"


class ManagedProject(msgspec.Struct, frozen=True):
    """A project as administrators see it. `owners`: the ids of the accounts that own the project.

    `bytes`: the size of the project's documents on disk; `written_at`: the time of the last write, null if there are no
    documents.
    """

    id: str
    name: str
    slug: str
    created_at: datetime
    suspended_at: datetime | None
    owners: tuple[str, ...]
    members: int
    bytes: int
    written_at: datetime | None


class ManagedProjects(msgspec.Struct, frozen=True):
    """Projects, newest first."""

    items: tuple[ManagedProject, ...]
    next: str | None


class InstallationUsage(msgspec.Struct, frozen=True):
    """The size of the installation. `bytes`: the size of the documents of all projects on disk.

    `monthly_active_users`: the number of users of all projects who signed in or refreshed in this month (UTC), without
    anonymous users.
    """

    projects: int
    suspended_projects: int
    members: int
    keys: int
    bytes: int
    monthly_active_users: int = 0


class ProjectAdministration(Protocol):
    """The caller must be an administrator of the installation. Raises: Unauthenticated, Forbidden."""

    async def installation_projects(
        self, caller: Caller, search: str, limit: int, cursor: str | None
    ) -> ManagedProjects:
        """Return the projects, or only the project whose id or slug is `search`. Raises: InvalidCursor."""
        ...

    async def managed_project(self, caller: Caller, project: str) -> ManagedProject:
        """Return the project. `project`: the id or slug of the project. Raises: ProjectNotFound."""
        ...

    async def suspend_project(self, caller: Caller, project: str) -> ManagedProject:
        """Refuse the keys and functions of a project, and all changes by its members. Idempotent.

        Raises: ProjectNotFound.
        """
        ...

    async def resume_project(self, caller: Caller, project: str) -> ManagedProject:
        """Idempotent. Raises: ProjectNotFound."""
        ...

    async def installation_usage(self, caller: Caller) -> InstallationUsage: ...
