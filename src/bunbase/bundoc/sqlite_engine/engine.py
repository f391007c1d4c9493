"""The Engine on encrypted SQLite files."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from bunbase.bundoc.changes import Follower, News
from bunbase.bundoc.definition import Terms, schema_of
from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.engine import Chunk, Moment
from bunbase.bundoc.query.rows import Row
from bunbase.bundoc.query.search import Found, Search, nothing_found
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.altering import Declare, Drop, Expire, Retime, all_collections, measured_collection
from bunbase.bundoc.sqlite_engine.building import Builds
from bunbase.bundoc.sqlite_engine.expiry import is_any_expired
from bunbase.bundoc.sqlite_engine.faults import read_too_late, read_too_slow
from bunbase.bundoc.sqlite_engine.open_files import OpenFiles
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.bundoc.sqlite_engine.rotation import Rotations
from bunbase.bundoc.sqlite_engine.scan_turns import ScanTurns
from bunbase.bundoc.sqlite_engine.sizes import sizes_in
from bunbase.bundoc.sqlite_engine.slow_queries import watched
from bunbase.bundoc.sqlite_engine.transaction import Task
from bunbase.bundoc.sqlite_engine.upkeep import Upkeep
from bunbase.bundoc.sqlite_engine.writer import Writer
from bunbase.bundoc.writes import CommitStep, Committed, Guard, Write
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec
from bunbase.contracts.bundoc.documents import Changes, KeyState, StoredSize
from bunbase.contracts.bundoc.problems import BundocBusy
from bunbase.contracts.bunkms import Kms
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.idempotency import Attempt
from bunbase.pkg.logger import logger
from bunbase.pkg.sealed_sqlite.directory_lock import directory_lock
from bunbase.pkg.sealed_sqlite.scanners import Scan

log = logger("bundoc")

T = TypeVar("T")

# A file has three connections, each with a file and a log, and one shared-memory index.
DESCRIPTORS_PER_FILE: Final = 7
DESCRIPTORS_PER_SCAN: Final = 2
OTHER_DESCRIPTORS: Final = 1024


class SqliteEngine:
    """Implements `bundoc.engine.Engine`, whose docstrings describe the methods."""

    def __init__(self, files: OpenFiles, writers: ThreadPoolExecutor, clock: Clock) -> None:
        self.files = files
        self.writers = writers
        self.clock = clock
        self.turns = ScanTurns(files.settings)
        self.rotations = Rotations(files, self._writer, clock)
        self.upkeep = Upkeep(files, self._writer, clock, self._tend)
        self.news = News(files.settings.waiting_for_changes)
        self.builds = Builds(self._task)
        files.on_open = self.builds.resume

    async def get(self, project: str, collection: str, id: str) -> StoredDocument | None:
        """Read the document in the event loop. If the project's file is open, the read does not wait."""
        file = self.files.ready(project) or await self.files.open(project)
        try:
            return file.get(collection, id)
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error

    async def read(self, project: str, work: Callable[[Lookup], T]) -> T:
        """Look up documents in the event loop, like `get`."""
        file = self.files.ready(project) or await self.files.open(project)
        try:
            return work(file.get)
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error

    async def snapshot(self, project: str, work: Callable[[Lookup], T]) -> T:
        return await self._scan(project, lambda file: file.snapshot(work))

    async def write(
        self, project: str, collection: str, write: Write, guard: Guard | None = None, depth: int = 0
    ) -> StoredDocument | None:
        try:
            return (await self.commit(project, (CommitStep(collection, write, guard),), depth)).results[0]
        except Problem as problem:
            problem.extra.pop("write", None)  # There is only one write, so its index is left out.
            raise

    async def commit(
        self,
        project: str,
        steps: tuple[CommitStep, ...],
        depth: int = 0,
        attempt: Attempt | None = None,
        with_bodies: bool = True,
    ) -> Committed:
        done: Committed = await self._submit(project, lambda writer: writer.commit(steps, depth, attempt, with_bodies))
        return done

    async def reached(self, project: str, epoch: str, seq: int, wait_seconds: float) -> str:
        there, last = await self._position(project)
        if there != epoch or last >= seq:
            return f"{there}.{last}"
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds
        while there == epoch and last < seq and (left := deadline - loop.time()) > 0:
            told = self.news.enter(project)
            try:
                there, last = await self._position(project)  # A change may have been made before `enter`.
                if there == epoch and last < seq:
                    # `asyncio.timeout` would need a task, and the fast lane has none.
                    await asyncio.wait([told], timeout=left)
            finally:
                self.news.leave(project, told)
            there, last = await self._position(project)
        return f"{there}.{last}"

    async def changes(self, project: str, since: int, limit: int, wait_seconds: float = 0.0) -> Changes:
        found = await self._changes(project, since, limit)
        if found.items or wait_seconds <= 0:
            return found
        told = self.news.enter(project)
        try:
            found = await self._changes(project, since, limit)  # A change may have been made before `enter`.
            if not found.items:
                async with asyncio.timeout(wait_seconds):
                    await told
        except TimeoutError:
            return found
        finally:
            self.news.leave(project, told)
        return found if found.items else await self._changes(project, since, limit)

    def follow(self, project: str, follower: Follower) -> None:
        self.news.follow(project, follower)

    def unfollow(self, project: str) -> None:
        self.news.unfollow(project)

    async def moment(self, project: str, work: Callable[[Moment], T]) -> T:
        return await self._scan(project, lambda file: file.moment(work))

    async def page(self, project: str, collection: str, after: str, limit: int) -> Chunk:
        file = self.files.ready(project) or await self.files.open(project)
        try:
            chunk = file.page_inline(collection, after, limit)
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error
        if chunk is not None:
            return chunk
        return await self._scan(project, lambda file: file.page(collection, after, limit))

    async def search(self, project: str, collection: str, search: Search) -> Found:
        if search.nothing:
            return nothing_found(search)
        file = self.files.ready(project) or await self.files.open(project)
        try:
            inline = file.search_inline(collection, search)
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error
        if inline is not None:
            return inline
        with self._watched(project, collection, search) as scan:
            found = await self._scan(project, lambda file: file.search(collection, search), scan)
            scan.examined = found.examined
            return found

    async def explain(self, project: str, collection: str, search: Search) -> Found:
        return await self._scan(project, lambda file: file.explain(collection, search))

    async def fold(self, project: str, collection: str, search: Search, fold: Callable[[Iterator[Row]], T]) -> T:
        if search.nothing:
            return fold(iter(()))
        with self._watched(project, collection, search) as scan:
            return await self._scan(project, lambda file: file.fold(collection, search, fold), scan)

    async def terms(self, project: str, collection: str) -> Terms | None:
        file = self.files.ready(project) or await self.files.open(project)
        table = file.tables.get(collection)
        return None if table is None else table.terms

    async def collections(self, project: str) -> tuple[Collection, ...]:
        return await self._scan(project, lambda file: file.scanned(all_collections))

    async def collection(self, project: str, collection: str) -> Collection | None:
        measure = partial(measured_collection, name=collection)
        return await self._scan(project, lambda file: file.scanned(measure))

    async def alter(self, project: str, collection: str, spec: CollectionSpec, wait: bool = True) -> None:
        before = await self.terms(project, collection)
        declared = await self._task(project, Declare(collection, spec))
        self.builds.clear(project)
        building = {number: self.builds.begin(project, collection, number) for number in declared.building}
        for number, task in building.items():
            if number in declared.referring:  # The schema needs this index, so the call always waits.
                try:
                    await self._wait_for_build(task)
                except Problem:
                    await self._restore(project, collection, schema_of(before))
                    raise
            elif wait:
                await self._wait_for_build(task)
        if declared.retiming:
            await self._retime(collection, lambda task: self._task(project, task))

    async def _wait_for_build(self, task: asyncio.Task[None]) -> None:
        await asyncio.wait([task])  # `await task` would cancel the build if the caller is cancelled.
        if task.cancelled():
            raise BundocBusy("The index is not complete; its build continues when the project is used again.")
        task.result()

    async def _restore(self, project: str, collection: str, spec: CollectionSpec) -> None:
        restored = await self._task(project, Declare(collection, spec))
        for number in restored.referring:
            await self._wait_for_build(self.builds.begin(project, collection, number))

    async def drop_collection(self, project: str, collection: str) -> bool:
        left = await self._task(project, Drop(collection))
        while left:
            left = await self._task(project, Drop(collection))
        self.builds.clear(project)
        return left is not None

    async def data_key(self, project: str) -> KeyState:
        return await self.rotations.state(project)

    async def rotate_data_key(self, project: str) -> KeyState:
        return await self.rotations.begin(project)

    async def sizes(self, projects: Iterable[str] | None) -> dict[str, StoredSize]:
        return await asyncio.to_thread(sizes_in, self.files.directory, projects)

    async def drop(self, project: str) -> None:
        await self.builds.stop(project)
        await self.files.drop(project)

    async def tend(self) -> None:
        await self.files.tend()
        await self.upkeep.tend()

    async def _position(self, project: str) -> tuple[str, int]:
        file = self.files.ready(project) or await self.files.open(project)
        try:
            return file.position()
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error

    async def _changes(self, project: str, since: int, limit: int) -> Changes:
        file = self.files.ready(project) or await self.files.open(project)
        try:
            return file.changes(since, limit)
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error

    async def _retime(self, collection: str, perform: Callable[[Task], Awaitable[Any]]) -> None:
        after: int | None = 0
        while after is not None:
            after = await perform(Retime(collection, after))

    async def _tend(self, project: str, file: ProjectFile) -> None:
        """Delete expired documents, and continue work that a crash interrupted.

        If nothing is due, this method only reads, so that upkeep still closes an idle project. This method works on
        `file` and must not ask `files` for the project's file again. While the file is being closed, such a request
        would cause a deadlock, because the close waits for this call, and this call would wait for the close.
        """

        async def perform(task: Task) -> Any:
            if file.closing:
                raise BundocBusy("The project was closed meanwhile; upkeep will visit it again.", retry_after_seconds=1)
            return await self._writer(project, file).submit(task.perform, 0)

        try:
            for collection, table in [(name, table) for name, table in file.tables.items() if table.expires]:
                if table.terms.definition.retiming:
                    await self._retime(collection, perform)
                file.reader_time.start()
                if not is_any_expired(file.reader, table.name):
                    continue
                while await perform(Expire(collection)):
                    pass
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error
        self.builds.resume(project, file)

    def _writer(self, project: str, file: ProjectFile) -> Writer:
        return file.write_with(
            self.writers,
            self.clock,
            lambda batch: self.news.tell(project, batch),
            lambda: self.news.is_followed(project),
        )

    async def _task(self, project: str, task: Task) -> Any:
        return await self._submit(project, lambda writer: writer.submit(task.perform, 0))

    async def _submit(self, project: str, work: Callable[[Writer], Awaitable[Any]]) -> Any:
        file = self.files.ready(project) or await self.files.open(project)
        file.enter()  # This does the same as `files.using`, which would take 3 µs more for every write.
        try:
            return await work(file.writer or self._writer(project, file))
        except apsw.Error as error:
            raise self.files.fault(project, file, error) from error
        finally:
            file.leave()

    def _watched(self, project: str, collection: str, search: Search) -> AbstractContextManager[Scan]:
        return watched(self.turns.new_scan(), self.files.settings.slow_query_seconds, project, collection, search)

    async def _scan(self, project: str, work: Callable[[ProjectFile], T], scan: Scan | None = None) -> T:
        scan = scan or self.turns.new_scan()
        async with self.files.using(project) as file:
            try:
                return await self.turns.scan(file, scan, work)
            except apsw.InterruptError as error:
                raise (read_too_late() if scan.by_caller else read_too_slow()) from error
            except apsw.Error as error:
                raise self.files.fault(project, file, error) from error


@asynccontextmanager
async def open_sqlite_engine(
    directory: Path, kms: Kms, clock: Clock, settings: BundocSettings, now: Callable[[], float] = time.monotonic
) -> AsyncIterator[SqliteEngine]:
    """Open the engine on a directory that nothing else uses. Raises: DirectoryTaken."""
    with directory_lock(directory, "Bundoc"):
        files = OpenFiles(directory, kms, settings, now, _most_open(settings))
        writers = ThreadPoolExecutor(settings.threads, thread_name_prefix="bundoc-writer")
        engine = SqliteEngine(files, writers, clock)
        try:
            yield engine
        finally:
            await engine.rotations.close()
            await engine.builds.stop()
            await files.close()
            engine.turns.close()
            writers.shutdown()


def _most_open(settings: BundocSettings) -> int:
    """Raise the process's limit of file descriptors if necessary.

    Return the number of projects that may be open at once.
    """
    other = settings.scans * DESCRIPTORS_PER_SCAN + OTHER_DESCRIPTORS
    wanted = settings.max_open_projects * DESCRIPTORS_PER_FILE + other
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return settings.max_open_projects
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    most = max(1, (allowed - min(other, allowed // 2)) // DESCRIPTORS_PER_FILE)
    if most < settings.max_open_projects:
        log.warning("the limit of open files is below max_open_projects", allowed=allowed, wanted=wanted, open=most)
    return min(most, settings.max_open_projects)
