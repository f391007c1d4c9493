"""The open files of projects. A file is opened when it is needed.

If too many files are open, the least recently used file closes.

The life of an open file:

1. `ready` returns the file at once if BunKMS has confirmed its key less than `key_seconds` ago. Nearly every request
   uses this step, which never awaits.
2. Otherwise, `open` opens the file in a new task, under the project's lock. The task gets the key from BunKMS, creates
   the file of a new project, and closes another idle file if too many are open.
3. A caller that awaits while it uses the file needs `using`, which counts the users of the file. A caller that does not
   await need not be counted, because nothing else runs in the event loop meanwhile.
4. `tend` asks BunKMS again for each key well before the last confirmation gets too old. If BunKMS refuses, the file is
   closed at once. So at most `key_seconds` after a key is destroyed, it opens no file any more.
5. To close a file, `_close_now` sets `closing`, so that `ready` does not return the file, and waits for the last user.

Everything here runs in the event loop; only work on files runs in threads. Each project has a lock, so that opening,
confirming the key, closing, replacing and deleting never happen at the same time. Without the lock, a file could be
opened under a key that a rotation or a restore is replacing.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

import apsw

from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.data_keys import DataKeys
from bunbase.bundoc.sqlite_engine.faults import problem_of, problem_of_system
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile, open_project_file
from bunbase.bundoc.sqlite_engine.tables import create_format
from bunbase.contracts.bundoc.backups import ProjectRestoring
from bunbase.contracts.bundoc.problems import BundocBusy, DataUnreadable
from bunbase.contracts.bunkms import DataKey, DecryptionFailed, KeyDestroyed, KeyNotFound, Kms
from bunbase.pkg import metrics
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.logger import logger
from bunbase.pkg.sealed_sqlite.connection import cache_share
from bunbase.pkg.sealed_sqlite.faults import FileUnreadable, is_damage, is_lasting
from bunbase.pkg.sealed_sqlite.files import create_database, delete_directory
from bunbase.pkg.sealed_sqlite.key_file import KeyFile, change_key_file, complete_key_file, read_key_file

log = logger("bundoc")

T = TypeVar("T")

PROJECT: Final = re.compile(r"prj_[0-9a-z]{1,60}")  # The id of a project is also the name of its directory.
SCANNER_IDLE_SECONDS: Final = 60.0
HELD_SECONDS: Final = 2  # Clients get this value as Retry-After while a project is being restored.
# These answers of BunKMS are final: a retry changes nothing.
REFUSED: Final = (KeyDestroyed, KeyNotFound, DecryptionFailed)


class OpenFiles:
    """The open files of all projects.

    `now`: a function that returns seconds on a clock that never goes back. `most_open`: the number of files that may be
    open at once.
    `on_open`: a function that is called with each newly opened file. The engine sets it, because it resumes the builds
    of indexes, which need the files. `damaged`: projects whose file must not be opened again before a restore. `held`:
    projects that are being restored. `reserved`: the number of files that are being opened and are not in `files` yet.
    """

    def __init__(
        self, directory: Path, kms: Kms, settings: BundocSettings, now: Callable[[], float], most_open: int
    ) -> None:
        self.directory = directory
        self.kms = kms
        self.settings = settings
        self.now = now
        self.most_open = most_open
        self.keys = DataKeys(kms, self._in_thread)
        self.pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="bundoc-files")
        self.files: OrderedDict[str, ProjectFile] = OrderedDict()
        self.damaged: set[str] = set()
        self.held: set[str] = set()
        self.reserved = 0
        self.on_open: Callable[[str, ProjectFile], None] = lambda project, file: None
        self.share = 0
        self.locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.tasks: set[asyncio.Task[Any]] = set()

    def ready(self, project: str) -> ProjectFile | None:
        """Return the file if it is open and its key may still be used, otherwise None.

        The caller may use the file until it next awaits.
        """
        file = self.files.get(project)
        if file is None or file.closing:
            return None
        now = self.now()
        if now - file.key_proven_at >= self.settings.key_seconds:
            return None
        file.used_at = now
        self.files.move_to_end(project)
        return file

    async def open(self, project: str) -> ProjectFile:
        """Return the file; open it first if needed. The caller may use the file until it next awaits.

        Raises: DataUnreadable, BundocBusy, and the errors of BunKMS.
        """
        while (file := self.ready(project)) is None:
            if project in self.held:
                raise ProjectRestoring("Try again in a moment.", retry_after_seconds=HELD_SECONDS)
            # This runs in a new task. If the first caller is cancelled, other callers still wait for the file.
            await asyncio.shield(self._spawn(self._open(project)))
        return file

    @asynccontextmanager
    async def using(self, project: str) -> AsyncIterator[ProjectFile]:
        """Keep the file open while the block runs, even if the block awaits."""
        file = self.ready(project) or await self.open(project)
        file.enter()
        try:
            yield file
        finally:
            file.leave()

    @asynccontextmanager
    async def visited(self, project: str) -> AsyncIterator[ProjectFile]:
        """Do the same as `using`, for upkeep. A visit does not count as use.

        If it had to open the file, it closes the file again.
        """
        before = self.files.get(project)
        used_at = None if before is None else before.used_at
        async with self.using(project) as file:
            entered_at = file.used_at
            try:
                yield file
            finally:
                alone = file.used_at == entered_at
                if alone and used_at is not None:
                    file.used_at = used_at
        if alone and used_at is None:
            await self._close(project, file, only_idle=True)

    async def replace(
        self, project: str, file: ProjectFile, finish: Callable[[], Awaitable[None]], take_place: Callable[[], None]
    ) -> None:
        """Wait until the file has no users, call `finish`, close the file, and call `take_place` in a thread.

        `take_place` replaces the file by another file. New callers of this project wait meanwhile.
        Raises: BundocBusy if the file is closed when this call begins.
        """
        async with self._lock(project):
            if self.files.get(project) is not file or file.closing:
                raise BundocBusy("The project was closed meanwhile; try again.", retry_after_seconds=1)
            file.closing = True
            await file.unused.wait()
            try:
                await finish()
            finally:
                await self._close_now(project, file)
            await self._in_thread(take_place)

    async def key_file(self, project: str) -> KeyFile:
        """Return the content of the project's key file. Raises: DataUnreadable."""
        await self.open(project)
        found = await self._in_thread(read_key_file, self._directory_of(project))
        if found is None:
            raise DataUnreadable("The project's key file is missing: restore it from a backup.")
        return found

    async def projects(self) -> list[str]:
        """Return all projects that have a directory. The files of these projects may be open or closed."""

        def found() -> list[str]:
            return [entry.name for entry in os.scandir(self.directory) if PROJECT.fullmatch(entry.name)]

        return await self._in_thread(found)

    async def begin_rotation(self, project: str) -> DataKey:
        """Store a new data key in the key file, next to the present key, and return it.

        The key is on disk before anything is encrypted under it. So a crash never leaves a file without its key.
        """
        async with self._lock(project):
            new = await self.keys.generate(project)
            await self._in_thread(partial(change_key_file, self._directory_of(project), next=new.wrapped))
        return new

    async def give_up_rotation(self, project: str) -> None:
        async with self._lock(project):
            await self._in_thread(partial(change_key_file, self._directory_of(project), next=""))

    def fault(self, project: str, file: ProjectFile, error: apsw.Error) -> Exception:
        """Return the error to raise for an error of SQLite. Close the file if it can no longer be used."""
        if is_lasting(error):
            self._condemn(project, error)
            file.closing = True
            self._spawn(self._close(project, file))
        return problem_of(error)

    @asynccontextmanager
    async def holding(self, project: str) -> AsyncIterator[Path]:
        """Close the project's file, yield the project's directory, and refuse all other callers while the block runs.

        The block may replace the file. If the block succeeds, the file no longer counts as damaged.
        """
        directory = self._directory_of(project)
        async with self._lock(project):
            self.held.add(project)
            try:
                await self._close_now(project, self.files.get(project))
                yield directory
                self.damaged.discard(project)
            finally:
                self.held.discard(project)

    async def key_of(self, project: str) -> tuple[KeyFile, bytes]:
        """Return the project's data key. A new project gets a new data key. Raises: the problems of `open`.

        A running rotation fails, so that the key does not change afterwards.
        """
        async with self._lock(project):
            return await self.held_key(project)

    async def held_key(self, project: str) -> tuple[KeyFile, bytes]:
        """Do the same as `key_of`, for a caller inside of `holding`."""
        return await self.keys.find(project, self._directory_of(project))

    async def drop(self, project: str) -> None:
        directory = self._directory_of(project)
        async with self._lock(project):
            await self._close_now(project, self.files.get(project))
            await self._in_thread(delete_directory, directory)
            self.damaged.discard(project)

    async def tend(self) -> None:
        """Close idle files, and confirm each key with BunKMS well before it gets too old."""
        for project, file in list(self.files.items()):
            if file.scanners.kept:
                await self._in_thread(file.scanners.close, SCANNER_IDLE_SECONDS)
            idle = self.now() - file.used_at >= self.settings.close_idle_seconds
            if idle and not file.users:
                await self._close(project, file, only_idle=True)
            elif self.now() - file.key_proven_at >= self.settings.renew_key_after_seconds:
                await self._renew(project, file)

    async def close(self) -> None:
        """Finish every write and close every file."""
        if self.tasks:
            await asyncio.wait(self.tasks)
        await asyncio.gather(*(self._close(project, file) for project, file in list(self.files.items())))
        self.pool.shutdown()

    async def _open(self, project: str) -> None:
        directory = self._directory_of(project)
        async with self._lock(project):
            if self.ready(project) is not None:
                return
            stale = self.files.get(project)
            # The file is open, but the last confirmation of its key is too old.
            if stale is not None and not stale.closing:
                await self._prove_or_close(project, stale)
                return
            await self._close_now(project, stale)
            if project in self.damaged:
                raise DataUnreadable("This project's file is damaged: restore it from a backup.")
            await self._make_room()
            self.reserved += 1  # Opening awaits, so two callers could otherwise take the last free place.
            try:
                self.files[project] = await self._open_file(project, directory)
            except DataUnreadable as unreadable:
                log.error("a project's data cannot be read", project=project, reason=unreadable.detail)
                raise
            finally:
                self.reserved -= 1
            self._share_cache()
            self.on_open(project, self.files[project])
            self._share_cache(self.files[project])

    async def _open_file(self, project: str, directory: Path) -> ProjectFile:
        asked_at = self.now()  # The confirmation counts from the time of the question, not from the time of the answer.
        try:
            key_file, key = await self.keys.find(project, directory)
            if not key_file.complete:
                await self._in_thread(create_database, directory, key, create_format)
                await self._in_thread(complete_key_file, directory, key_file.wrapped)
            file = await self._in_thread(open_project_file, directory, key, self.settings)
        except apsw.Error as error:
            if is_lasting(error):
                self._condemn(project, error)
            raise problem_of(error) from error
        file.wrapped_key = key_file.wrapped
        file.key_proven_at = asked_at
        file.used_at = self.now()
        return file

    async def _renew(self, project: str, file: ProjectFile) -> None:
        async with self._lock(project):
            if self.files.get(project) is not file or file.closing:
                return
            try:
                await self._prove_or_close(project, file)
                await self._rewrap(project, file)
            except Problem as problem:
                log.warning("a project's key was not confirmed", project=project, reason=problem.detail)

    async def _prove_or_close(self, project: str, file: ProjectFile) -> None:
        """Ask BunKMS whether the key may still be used. Close the file if BunKMS refuses, or if the key is too old.

        After another error, for example if BunKMS is down, the file stays open until `key_seconds` are over, so that
        callers do not notice a short outage. The confirmation counts from the question, not from the answer, since the
        key may have been destroyed before the answer arrived.
        """
        asked_at = self.now()
        try:
            if await self.keys.unwrap(project, file.wrapped_key) != file.key:
                raise DataUnreadable("The key file was changed while the project was open.")
        except Problem as problem:
            too_old = self.now() - file.key_proven_at >= self.settings.key_seconds
            if too_old or isinstance(problem, (*REFUSED, DataUnreadable)):
                await self._close_now(project, file)
            raise
        file.key_proven_at = asked_at

    async def _rewrap(self, project: str, file: ProjectFile) -> None:
        """Wrap the data key under the newest version of the project's key in BunKMS, if it has an older version."""
        wrapped = await self.keys.rewrap(project, file.wrapped_key)
        if wrapped != file.wrapped_key:
            await self._in_thread(partial(change_key_file, file.path.parent, wrapped=wrapped))
            file.wrapped_key = wrapped

    async def _make_room(self) -> None:
        while len(self.files) + self.reserved >= self.most_open:
            idle = next(((name, file) for name, file in self.files.items() if not file.users), None)
            if idle is None:
                raise BundocBusy("Too many projects are in use at once; try again.", retry_after_seconds=1)
            await self._close(*idle, only_idle=True)

    async def _close(self, project: str, file: ProjectFile, only_idle: bool = False) -> None:
        async with self._lock(project):
            if self.files.get(project) is file and not (only_idle and file.users):
                await self._close_now(project, file)

    async def _close_now(self, project: str, file: ProjectFile | None) -> None:
        """Close the file when it has no users; new callers do not get it. Call this under the project's lock."""
        if file is None:
            return
        file.closing = True
        await file.unused.wait()
        try:
            await self._in_thread(file.close)
        except apsw.Error as error:
            log.warning("a project's file closed with an error", project=project, error=repr(error))
        finally:
            del self.files[project]
            self._share_cache()

    def _condemn(self, project: str, error: apsw.Error) -> None:
        if is_damage(error):
            self.damaged.add(project)
        log.error("a project's data cannot be read", project=project, reason=repr(error))

    def _share_cache(self, new: ProjectFile | None = None) -> None:
        """Set the page cache of every file to the same share.

        The share changes only at powers of two, so opening one file among thousands rarely resizes the other caches.
        """
        metrics.bundoc_open.set(len(self.files))
        share = cache_share(self.settings.cache_mib, self.settings.project_cache_mib, len(self.files))
        resized = self.files.values() if share != self.share else [new] if new is not None else []
        self.share = share
        for file in resized:
            if not file.closing:
                file.resize_cache(share)

    def _directory_of(self, project: str) -> Path:
        if not PROJECT.fullmatch(project):
            raise InvalidInput("This is not the id of a project.")
        return self.directory / project

    def _lock(self, project: str) -> asyncio.Lock:
        return self.locks.setdefault(project, asyncio.Lock())

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()  # This marks the error as read. Otherwise asyncio logs it if no caller waits any more.

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        """Do `work` in a thread. Raises: the errors of the task; errors of files and of the operating system become
        Problems.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, work, *args)
        except FileUnreadable as unreadable:
            raise DataUnreadable(str(unreadable)) from unreadable
        except OSError as error:
            raise problem_of_system(error) from error
