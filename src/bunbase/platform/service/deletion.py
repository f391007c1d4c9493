"""Deletes projects, restores them, and destroys them.

The life of a deleted project:

    1. `delete` marks the project. The gateways refuse every key and every member within a second, because the feed of
       revocations announces the deletion. An event in the outbox stops the functions. Nothing is lost yet.
    2. For UNDO (7 days), `restore` removes the mark, and everything works as before.
    3. `delete` with `now`, or the job that calls `destroy_overdue`, destroys the project. One transaction deletes the
       project's keys and members and posts an event. After the event, the other rooms have deleted its data, and BunKMS
       has destroyed its encryption key. A process that is killed in between changes nothing: the event is in the
       outbox.
    4. The row stays with the slug, so that a slug in somebody's bookmarks never names another project.
"""

from __future__ import annotations

from collections.abc import Callable

from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.platform import ConfirmationNeeded, Project, ProjectNotFound
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger
from bunbase.platform.service.rules import forget_at
from bunbase.platform.store import Stores
from bunbase.platform.store.projects import UNDO

log = logger("platform")


class Deletion:
    def __init__(self, stores: Stores, kms: Kms, clock: Clock, tell_others: Callable[[], None]) -> None:
        """`tell_others`: a function that wakes the job that relays the outbox."""
        self.stores = stores
        self.kms = kms
        self.clock = clock
        self.tell_others = tell_others

    async def delete(self, caller: Caller, confirm: str, now: bool) -> None:
        caller.check(Act.PROJECT_DELETE)
        project = await self._find(caller)
        if confirm != project.slug:
            lasting = "this cannot be undone" if now else f"the project can be restored for {UNDO.days} days"
            raise ConfirmationNeeded(f'Send {{"confirm": "{project.slug}"}}: {lasting}.')
        if now:
            await self.stores.projects.destroy(project.id, self.clock.now(), forget_at(self.clock))
            self.tell_others()
            await self._destroy_key(project.id)
        else:
            await self.stores.projects.stop(project.id, self.clock.now(), forget_at(self.clock))
            self.tell_others()

    async def restore(self, caller: Caller) -> Project:
        caller.check(Act.PROJECT_RESTORE)
        await self._find(caller)
        if await self.stores.projects.resume(caller.project):
            self.tell_others()
        return await self._find(caller)

    async def destroy_overdue(self) -> None:
        """Destroy the projects that were deleted 7 days ago."""
        now = self.clock.now()
        while await self.stores.projects.destroy_overdue(now - UNDO, now, forget_at(self.clock)):
            self.tell_others()

    async def _find(self, caller: Caller) -> Project:
        found = await self.stores.projects.find(caller.project, caller.signed_in().id)
        if found is None:
            raise ProjectNotFound
        return found.project()

    async def _destroy_key(self, project: str) -> None:
        try:
            await self.kms.destroy(project)
        except Problem as problem:  # the outbox tries until the key is destroyed
            log.warning(
                "the key of a deleted project could not be destroyed yet", project=project, reason=problem.detail
            )
