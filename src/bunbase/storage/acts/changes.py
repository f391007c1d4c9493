"""Read the change log of a project, wait for its next change, and delete old changes."""

from __future__ import annotations

from functools import partial
from typing import Final

from bunbase.contracts.bundoc.problems import RuleDenied
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.object_changes import ObjectChanges
from bunbase.contracts.storage import StorageBusy
from bunbase.pkg import metrics
from bunbase.pkg.context import seconds_left
from bunbase.pkg.cursors import MAX_LIMIT
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.logger import logger
from bunbase.pkg.waiting_calls import WaitingCalls
from bunbase.storage.deciding import DENIED
from bunbase.storage.holdings import Holdings
from bunbase.storage.store.change_log import changes_since, check_position, is_due, prune
from bunbase.storage.store.file import ProjectFile

log = logger("storage")

MAX_WAIT_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 2.0  # the part of a call's deadline that is reserved for sending the answer
DAY_MS: Final = 86_400_000


class ChangeActs:
    """Reads and shortens the logs of changes of objects. `written`: projects with new changes since their log was last
    shortened.
    """

    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings
        self.waiting = WaitingCalls(holdings.settings.waiting_for_changes, _too_many)
        self.written: set[str] = set()
        holdings.files.on_written = self._note

    async def changes(self, caller: Caller, since: int, limit: int, wait_seconds: float) -> ObjectChanges:
        if self.holdings.deciding.is_ruled(caller, Act.OBJECT_READ):
            raise RuleDenied(DENIED)
        if not (0 <= since < 1 << 63 and 1 <= limit <= MAX_LIMIT and 0 <= wait_seconds <= MAX_WAIT_SECONDS):
            raise InvalidInput(f"`since` is a number of a change, `limit` 1 to {MAX_LIMIT}, `wait_seconds` 0 to 30.")
        seconds = min(wait_seconds, max(0.0, seconds_left(MAX_WAIT_SECONDS + ANSWER_SECONDS) - ANSWER_SECONDS))
        look = partial(self._found, caller.project, since, limit)
        return await self.waiting.first(caller.project, seconds, look, lambda found: bool(found.items))

    async def shorten_written(self) -> None:
        """Delete the oldest changes of projects that were written lately, if their logs are too long."""
        for project in list(self.written):
            self.written.discard(project)
            await self._shortened(project)

    async def shorten_all(self) -> None:
        """Delete changes that are too old, in all projects."""
        for project in await self.holdings.files.projects():
            await self._shortened(project)

    def forget(self, project: str) -> None:
        """Wake the calls that wait for a project that was deleted."""
        self.written.discard(project)
        self.waiting.wake(project)

    async def _found(self, project: str, since: int, limit: int) -> ObjectChanges:
        async with self.holdings.files.using(project, create=False) as file:
            if file is None:
                check_position(since, 0, 0)
                return ObjectChanges((), since)
            return await file.read(lambda connection: changes_since(connection, since, limit))

    async def _shortened(self, project: str) -> None:
        """A project that fails does not stop the others."""
        try:
            async with self.holdings.files.using(project, create=False) as file:
                if file is not None:
                    await self._shorten(file)
        except Problem as problem:
            log.warning("a change log was not shortened", project=project, reason=problem.detail)

    async def _shorten(self, file: ProjectFile) -> None:
        settings = self.holdings.settings
        not_before = self.holdings.now_ms() - int(settings.change_days * DAY_MS)
        limits = (settings.changes, not_before)
        while await file.read(lambda connection: is_due(connection, *limits)):
            # only a write that has an effect, because each write notes the project again
            deleted = await file.write(lambda connection: prune(connection, *limits))
            metrics.storage_swept.labels("change").inc(deleted)

    def _note(self, project: str) -> None:
        self.written.add(project)
        self.waiting.wake(project)


def _too_many() -> StorageBusy:
    return StorageBusy("Too many calls wait for changes of objects; try again.", retry_after_seconds=1)
