"""Build indexes. One task per index builds it batch by batch, even if no caller waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from bunbase.bundoc.sqlite_engine.altering import Build, Expire, Retime
from bunbase.bundoc.sqlite_engine.tables import Table
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("bundoc")


class Builds:
    """All builds of this process.

    `perform`: does one batch of work between the writes of a project.
    """

    def __init__(self, perform: Callable[[str, Build | Retime | Expire], Awaitable[Any]]) -> None:
        self.perform = perform
        self.tasks: dict[tuple[str, int], asyncio.Task[None]] = {}

    def begin(self, project: str, collection: str, number: int) -> asyncio.Task[None]:
        """Return the task that builds the index; start it if there is none yet."""
        task = self.tasks.get((project, number))
        if task is None:
            task = asyncio.create_task(self._build(project, collection, number))
            self.tasks[project, number] = task
            task.add_done_callback(lambda done: self._done(project, collection, number, done))
        return task

    def resume(self, project: str, tables: dict[str, Table]) -> None:
        """Continue the builds that a crash, or a full queue of writes, interrupted."""
        for collection, table in list(tables.items()):
            for index in table.indexes:
                if not index.ready:
                    self.begin(project, collection, index.number)

    async def stop(self, project: str | None = None) -> None:
        """Stop the builds of a project, or of all projects. An incomplete index stays as it is until `resume`."""
        await _cancel(task for (of, _), task in list(self.tasks.items()) if project in (None, of))

    async def _build(self, project: str, collection: str, number: int) -> None:
        await self._delete_expired(project, collection)
        while await self.perform(project, Build(collection, number)):
            pass

    async def _delete_expired(self, project: str, collection: str) -> None:
        """Delete expired documents first: nobody sees them any more, so a unique index must not meet their values."""
        after: int | None = 0
        while after is not None:
            after = await self.perform(project, Retime(collection, after))
        while await self.perform(project, Expire(collection)):
            pass

    def _done(self, project: str, collection: str, number: int, task: asyncio.Task[None]) -> None:
        self.tasks.pop((project, number), None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            reason = error.detail if isinstance(error, Problem) else repr(error)
            log.warning("an index was not built", project=project, collection=collection, reason=reason)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    stopped = [task for task in tasks if task.cancel()]
    if stopped:
        await asyncio.wait(stopped)
