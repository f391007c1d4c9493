"""The Engine on encrypted SQLite files."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from bunbase.bundoc.changes import Waiters
from bunbase.bundoc.definition import Terms
from bunbase.bundoc.documents import Stored
from bunbase.bundoc.engine import Chunk
from bunbase.bundoc.query.search import Found, Search
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.altering import Build, Declare, Drop, Expire, Retime, all_collections, measured
from bunbase.bundoc.sqlite_engine.directory_lock import directory_lock
from bunbase.bundoc.sqlite_engine.open_files import OpenFiles
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.bundoc.sqlite_engine.writer import Task, Writer
from bunbase.bundoc.writes import Committed, Guard, Lookup, Step, Write
from bunbase.contracts.bundoc import Changes, Collection, CollectionSpec
from bunbase.contracts.bunkms import Kms
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("bundoc")

T = TypeVar("T")

DESCRIPTORS_PER_FILE: Final = 7  # three connections with a file and a log each, and one shared index
OTHER_DESCRIPTORS: Final = 1024


class SqliteEngine:
    def __init__(self, files: OpenFiles, writers: ThreadPoolExecutor, clock: Clock) -> None:
        self.files = files
        self.writers = writers
        self.clock = clock
        self.waiters = Waiters(files.settings.waiting_for_changes)

    async def get(self, project: str, collection: str, id: str) -> Stored | None:
        """Reads in the event loop; when the file is open this never waits."""
        file = self.files.ready(project) or await self.files.opened(project)
        try:
            return file.get(collection, id)
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error

    async def read(self, project: str, work: Callable[[Lookup], T]) -> T:
        """Reads in the event loop, as `get`."""
        file = self.files.ready(project) or await self.files.opened(project)
        try:
            return work(file.get)
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error

    async def write(self, project: str, collection: str, write: Write, guard: Guard | None = None) -> Stored | None:
        try:
            return (await self.commit(project, (Step(collection, write, guard),))).results[0]
        except Problem as problem:
            problem.extra.pop("write", None)  # there was but one
            raise

    async def commit(self, project: str, steps: tuple[Step, ...]) -> Committed:
        done: Committed = await self._done(project, lambda writer: writer.commit(steps))
        return done

    async def changes(self, project: str, since: int, limit: int, wait_seconds: float = 0.0) -> Changes:
        found = await self._changes(project, since, limit)
        if found.items or wait_seconds <= 0:
            return found
        news = self.waiters.enter(project)
        try:
            found = await self._changes(project, since, limit)  # what came before this call had entered
            if not found.items:
                async with asyncio.timeout(wait_seconds):
                    await news
        except TimeoutError:
            return found
        finally:
            self.waiters.leave(project, news)
        return found if found.items else await self._changes(project, since, limit)

    async def page(self, project: str, collection: str, after: str, limit: int) -> Chunk:
        file = self.files.ready(project) or await self.files.opened(project)
        try:
            chunk = file.page_inline(collection, after, limit)
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error
        if chunk is not None:
            return chunk
        return await self._scanned(project, lambda file: file.page(collection, after, limit))

    async def search(self, project: str, collection: str, search: Search) -> Found:
        if search.nothing:
            return Found(count=0 if search.count else None)
        file = self.files.ready(project) or await self.files.opened(project)
        try:
            found = file.search_inline(collection, search)
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error
        if found is not None:
            return found
        return await self._scanned(project, lambda file: file.search(collection, search))

    async def fold(self, project: str, collection: str, search: Search, fold: Callable[[Iterator[Stored]], T]) -> T:
        if search.nothing:
            return fold(iter(()))
        return await self._scanned(project, lambda file: file.fold(collection, search, fold))

    async def terms(self, project: str, collection: str) -> Terms | None:
        file = self.files.ready(project) or await self.files.opened(project)
        table = file.tables.get(collection)
        return None if table is None else table.terms

    async def collections(self, project: str) -> tuple[Collection, ...]:
        return await self._scanned(project, lambda file: file.scanned(all_collections))

    async def collection(self, project: str, collection: str) -> Collection | None:
        return await self._scanned(project, lambda file: file.scanned(lambda scanner: measured(scanner, collection)))

    async def alter(self, project: str, collection: str, spec: CollectionSpec) -> None:
        declared = await self._task(project, Declare(collection, spec))
        for number in declared.building:
            after: int | None = 0
            while after is not None:
                after = await self._task(project, Build(collection, number, after))
        if declared.retiming:
            await self._retime(project, collection)

    async def drop_collection(self, project: str, collection: str) -> bool:
        left = await self._task(project, Drop(collection))
        while left:
            left = await self._task(project, Drop(collection))
        return left is not None

    async def drop(self, project: str) -> None:
        await self.files.drop(project)

    async def tend(self) -> None:
        await self.files.tend()
        for project in list(self.files.files):
            await self._expire(project)
            await self._prune(project)

    async def _changes(self, project: str, since: int, limit: int) -> Changes:
        file = self.files.ready(project) or await self.files.opened(project)
        try:
            return file.changes(since, limit)
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error

    async def _retime(self, project: str, collection: str) -> None:
        after: int | None = 0
        while after is not None:
            after = await self._task(project, Retime(collection, after))

    async def _expire(self, project: str) -> None:
        file = self.files.ready(project)
        timed = [(name, table) for name, table in file.tables.items() if table.expires] if file else []
        for collection, table in timed:
            try:
                if table.terms.definition.retiming:  # a crash came in between
                    await self._retime(project, collection)
                while await self._task(project, Expire(collection)):
                    pass
            except Problem as problem:
                log.warning("documents were not ended", project=project, reason=problem.detail)

    async def _prune(self, project: str) -> None:
        """In batches, other writes between them. Only a project that was written to has anything to lose."""
        file = self.files.ready(project)
        if file is None or file.writer is None:
            return
        file.enter()
        try:
            while await file.writer.prune():
                pass
        except apsw.Error as error:
            log.warning("changes were not pruned", project=project, reason=repr(self.files.fault(project, file, error)))
        except Problem as problem:
            log.warning("changes were not pruned", project=project, reason=problem.detail)
        finally:
            file.leave()

    def _writer(self, project: str, file: ProjectFile) -> Writer:
        return file.write_with(self.writers, self.clock, lambda: self.waiters.changed(project))

    async def _task(self, project: str, task: Task) -> Any:
        return await self._done(project, lambda writer: writer.submit(task.run, 0))

    async def _done(self, project: str, work: Callable[[Writer], Awaitable[Any]]) -> Any:
        async with self.files.using(project) as file:
            try:
                return await work(self._writer(project, file))
            except apsw.Error as error:
                raise self.files.fault(project, file, error) from error

    async def _scanned(self, project: str, work: Callable[[ProjectFile], T]) -> T:
        async with self.files.using(project) as file:
            try:
                return await asyncio.get_running_loop().run_in_executor(self.files.pool, work, file)
            except apsw.Error as error:
                raise self.files.fault(project, file, error) from error


@asynccontextmanager
async def open_sqlite_engine(
    directory: Path, kms: Kms, clock: Clock, settings: BundocSettings, now: Callable[[], float] = time.monotonic
) -> AsyncIterator[SqliteEngine]:
    """Open the engine on a directory of its own. Raises: DirectoryTaken."""
    with directory_lock(directory):
        _allow_descriptors(settings.max_open_projects * DESCRIPTORS_PER_FILE + OTHER_DESCRIPTORS)
        files = OpenFiles(directory, kms, settings, now)
        writers = ThreadPoolExecutor(settings.threads, thread_name_prefix="bundoc-writer")
        try:
            yield SqliteEngine(files, writers, clock)
        finally:
            await files.close()
            writers.shutdown()


def _allow_descriptors(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("too few open files are allowed for max_open_projects", allowed=allowed, wanted=wanted)
