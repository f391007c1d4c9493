"""Updates caches and workers after a deployment, a rollback, a deletion, or a change of variables."""

from __future__ import annotations

from bunbase.contracts.functions.deployments import Version
from bunbase.functions.store.functions import CHANNEL, FunctionStore, ProgramCode
from bunbase.functions.store.notifications import Notifications
from bunbase.functions.versions.active import ActiveVersions
from bunbase.functions.versions.loadable import Loadable
from bunbase.functions.workers.pool import Pool
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.logger import logger

log = logger("functions")


class Rollout:
    def __init__(
        self,
        store: FunctionStore,
        notifications: Notifications,
        active: ActiveVersions,
        loadable: Loadable,
        pool: Pool,
    ) -> None:
        self.store = store
        self.notifications = notifications
        self.active = active
        self.loadable = loadable
        self.pool = pool

    async def begin(self, project: str, version: Version, code: ProgramCode) -> None:
        """Activate a version that was just deployed. The code of the version stays in memory for the first worker."""
        self.loadable.forget(project, version.name)  # The deployment may have deleted old versions.
        self.loadable.keep((project, version.name, version.version, version.sha256), code)
        await self.replace_outdated(project, version.name)

    async def withdraw(self, project: str, name: str) -> None:
        """Retire the workers of a deleted function: they finish their calls and then end."""
        self.loadable.forget(project, name)
        await self.replace_outdated(project, name)

    async def replace_outdated(self, project: str, name: str = "") -> None:
        """Drop the cached active version, and retire the workers of deployments that are no longer active.

        Retired workers finish their calls. `name`: empty for all functions of the project, after a change of variables.
        """
        self.active.forget(project, name)
        for deployment in self.pool.deployments(project, name):
            if await self.store.deployment(project, deployment.name) == deployment:
                self.pool.keep(deployment)
            else:
                self.pool.retire(deployment)

    def end_project(self, project: str) -> None:
        """Drop all versions of a deleted project from the caches, and kill its workers."""
        self.active.forget(project)
        self.loadable.forget(project)
        for deployment in self.pool.deployments(project):
            self.pool.drop(deployment, "its project was deleted")

    async def follow_versions(self) -> None:
        """Apply the deployments and rollbacks of other processes, until the connection to PostgreSQL is lost."""
        try:
            async for payload in self.notifications.follow(CHANNEL, self.active.begin_remembering):
                project, _, name = payload.partition(" ")
                await self.replace_outdated(project, name)
        except Unreachable as lost:
            if self.active.live:  # The warning comes once, and not at every attempt to reconnect.
                log.warning(
                    "changes of other processes are not received; each call queries the database", error=lost.detail
                )
        finally:
            self.active.stop_remembering()
