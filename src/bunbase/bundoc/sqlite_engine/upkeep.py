"""Delete old changes, old answers and expired documents in all projects, even in projects without requests.

Each call visits all open projects. Every other project is opened once a day, one after the other, because the age of
its oldest change is known only from its file.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Final

import apsw

from bunbase.bundoc.sqlite_engine import change_log, kept_answers
from bunbase.bundoc.sqlite_engine.open_files import OpenFiles
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.bundoc.sqlite_engine.writer import Writer, kept_from
from bunbase.pkg.clock import Clock, rfc3339
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("bundoc")

ROUND_SECONDS: Final = 86_400.0
MOST_AT_ONCE: Final = 20  # One call of `tend` visits at most this many closed projects, which takes about 0.1 s.
# One call of `tend` deletes at most this many batches of 1000 changes. The next call continues.
BATCHES_AT_ONCE: Final = 100


class Upkeep:
    """Visits projects.

    `round`: the projects that are still to be visited today. `also`: a function that is called at each visit.
    """

    def __init__(
        self,
        files: OpenFiles,
        writer_of: Callable[[str, ProjectFile], Writer],
        clock: Clock,
        also: Callable[[str, ProjectFile], Awaitable[None]],
    ) -> None:
        self.files = files
        self.writer_of = writer_of
        self.clock = clock
        self.also = also
        self.round: list[str] = []
        self.round_size = 0
        self.began_at = -math.inf
        self.visited_at = files.now()

    async def tend(self) -> None:
        for project in [*self.files.files, *await self._next_of_round()]:
            await asyncio.sleep(0)  # Thousands of projects may be open, and other tasks must run in between.
            try:
                async with self.files.visited(project) as file:
                    await self._prune(project, file)
                    await self.also(project, file)
            except Problem as problem:
                log.warning("upkeep of a project failed", project=project, reason=problem.detail)

    async def _next_of_round(self) -> list[str]:
        """Return the next projects to visit.

        The number of returned projects is large enough to visit all projects within a day.
        """
        now = self.files.now()
        if not self.round and now - self.began_at >= ROUND_SECONDS:
            self.round = sorted(await self.files.projects(), reverse=True)
            self.round_size, self.began_at = len(self.round), now
        share = (now - self.visited_at) / ROUND_SECONDS * self.round_size
        self.visited_at = now
        count = min(len(self.round), MOST_AT_ONCE, max(1, math.ceil(share)))
        return [self.round.pop() for _ in range(count)]

    async def _prune(self, project: str, file: ProjectFile) -> None:
        """Delete old changes and old answers in batches, so that other writes can run in between."""
        settings = self.files.settings
        try:
            due = change_log.is_due(file.reader, settings.changes, kept_from(settings, self.clock))
            if not due and not kept_answers.is_due(file.reader, rfc3339(self.clock.now())):
                return
            writer = self.writer_of(project, file)
            for _ in range(BATCHES_AT_ONCE):
                if file.closing or not await writer.prune():
                    return
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error
