"""Projects for administrators of the installation: find them, measure them, suspend and resume them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bunbase.contracts.bundoc.documents import StoredSize
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.platform import ProjectNotFound
from bunbase.contracts.project_administration import InstallationUsage, ManagedProject, ManagedProjects
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.clock import Clock
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.platform.administration.store import ManagedRow, ProjectAdministrationStore
from bunbase.platform.service.rules import forget_at

QUERY: Final = "installation projects"
NOTHING_STORED: Final = StoredSize(0, None)


class ManageProjects:
    def __init__(
        self,
        store: ProjectAdministrationStore,
        bundoc: Bundoc,
        users: TenantAuth,
        clock: Clock,
        tell_others: Callable[[], None],
    ) -> None:
        """`tell_others`: a function that wakes the job that relays the outbox, so that Functions pauses the runs of a
        suspended project.
        """
        self.store = store
        self.bundoc = bundoc
        self.users = users
        self.clock = clock
        self.tell_others = tell_others

    async def projects(self, caller: Caller, search: str, limit: int, cursor: str | None) -> ManagedProjects:
        caller.administrator(Act.INSTALLATION_READ)
        if search:
            found = await self.store.project(search) if "\0" not in search else None
            return ManagedProjects(await self._measured([found] if found else []), None)
        before = page_start(QUERY, cursor, str, "")
        rows = await self.store.page(before, limit + 1)
        page, next = cut_page(rows, limit, QUERY, lambda row: row.id)
        return ManagedProjects(await self._measured(list(page)), next)

    async def project(self, caller: Caller, ref: str) -> ManagedProject:
        caller.administrator(Act.INSTALLATION_READ)
        return await self._shown(ref)

    async def suspend(self, caller: Caller, ref: str) -> ManagedProject:
        caller.administrator(Act.PROJECT_SUSPEND)
        project = await self._existing(ref)
        await self.store.suspend(project.id, self.clock.now(), forget_at(self.clock))
        self.tell_others()
        return await self._shown(project.id)

    async def resume(self, caller: Caller, ref: str) -> ManagedProject:
        caller.administrator(Act.PROJECT_RESUME)
        project = await self._existing(ref)
        await self.store.resume(project.id, forget_at(self.clock))
        self.tell_others()
        return await self._shown(project.id)

    async def usage(self, caller: Caller) -> InstallationUsage:
        caller.administrator(Act.INSTALLATION_READ)
        counts = await self.store.counts(self.clock.now())
        total, active = await self.bundoc.stored_bytes(), await self.users.active_users_of_installation()
        return InstallationUsage(counts.projects, counts.suspended, counts.members, counts.keys, total, active)

    async def _shown(self, ref: str) -> ManagedProject:
        (shown,) = await self._measured([await self._existing(ref)])
        return shown

    async def _existing(self, ref: str) -> ManagedRow:
        found = await self.store.project(ref) if "\0" not in ref else None
        if found is None:
            raise ProjectNotFound
        return found

    async def _measured(self, rows: list[ManagedRow]) -> tuple[ManagedProject, ...]:
        sizes = await self.bundoc.stored_sizes(tuple(row.id for row in rows)) if rows else {}
        measured = ((row, sizes.get(row.id, NOTHING_STORED)) for row in rows)
        return tuple(
            ManagedProject(
                row.id,
                row.name,
                row.slug,
                row.created_at,
                row.suspended_at,
                row.owners,
                row.members,
                size.bytes,
                size.written_at,
            )
            for row, size in measured
        )
