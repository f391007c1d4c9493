"""Build indexes, and clear dropped indexes.

Each index has a task that builds it in batches, even if no caller waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final

from bunbase.bundoc.sqlite_engine.altering import Build, Expire, Retime
from bunbase.bundoc.sqlite_engine.clearing import Clear, is_any_dropped
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("bundoc")

CLEARING: Final = 0  # This value stands for the task that clears dropped indexes. Indexes have higher numbers.


class Builds:
    """All builds of this process.

    `perform`: a function that does one batch of work between the writes of a project. `uncleared`: projects that have
    dropped an index since the last slice of clearing began for them.
    """

    def __init__(self, perform: Callable[[str, Build | Clear | Retime | Expire], Awaitable[Any]]) -> None:
        self.perform = perform
        self.tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self.uncleared: set[str] = set()

    def begin(self, project: str, collection: str, number: int) -> asyncio.Task[None]:
        """Return the task that builds the index. Start this task if it is not running."""
        return self._begin(project, collection, number, lambda: self._build(project, collection, number))

    def clear(self, project: str) -> None:
        """Clear the tables of indexes that were just dropped. A task that already clears tables begins again."""
        self.uncleared.add(project)
        self._begin(project, "", CLEARING, lambda: self._clear(project))

    def resume(self, project: str, file: ProjectFile) -> None:
        """Continue the work that a crash, or a full queue of writes, interrupted."""
        for collection, table in list(file.tables.items()):
            for index in table.indexes:
                if not index.ready:
                    self.begin(project, collection, index.number)
        file.reader_time.start()
        if is_any_dropped(file.reader):
            self.clear(project)

    async def stop(self, project: str | None = None) -> None:
        """Stop the builds of a project, or of all projects. An incomplete index stays as it is until `resume`."""
        await _cancel(task for (of, _), task in list(self.tasks.items()) if project in (None, of))

    def _begin(
        self, project: str, collection: str, number: int, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> asyncio.Task[None]:
        task = self.tasks.get((project, number))
        if task is None or task.done():
            task = self.tasks[project, number] = asyncio.create_task(work())
            task.add_done_callback(lambda done: self._done(project, collection, number, done))
        return task

    async def _build(self, project: str, collection: str, number: int) -> None:
        await self._delete_expired(project, collection)
        try:
            while await self.perform(project, Build(collection, number)):
                pass
        finally:
            self.clear(project)  # A build may have dropped its own index, or an index that it replaces.

    async def _clear(self, project: str) -> None:
        while project in self.uncleared:
            self.uncleared.discard(project)
            while await self.perform(project, Clear()):
                pass

    async def _delete_expired(self, project: str, collection: str) -> None:
        """Delete expired documents before the build.

        Nobody sees such documents any more, so their values must not violate a unique index.
        """
        after: int | None = 0
        while after is not None:
            after = await self.perform(project, Retime(collection, after))
        while await self.perform(project, Expire(collection)):
            pass

    def _done(self, project: str, collection: str, number: int, task: asyncio.Task[None]) -> None:
        if self.tasks.get((project, number)) is task:
            del self.tasks[project, number]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            reason = error.detail if isinstance(error, Problem) else repr(error)
            what = "an index was not built" if number != CLEARING else "a dropped index was not cleared"
            log.warning(what, project=project, collection=collection, reason=reason)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    stopped = [task for task in tasks if task.cancel()]
    if stopped:
        await asyncio.wait(stopped)
