"""The open files of projects, and their data keys.

1. `using` returns an open file if BunKMS has confirmed its key less than KEY_SECONDS ago.
2. Otherwise the file is opened under the project's lock: BunKMS unwraps the key of `key.json`. A new project gets a key
   and an empty file.
3. `tend` asks BunKMS again for each key before it is too old, and closes idle files. If BunKMS refuses, the file is
   closed at once. So a destroyed key opens nothing after at most KEY_SECONDS.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

import apsw

from bunbase.contracts.bundoc.backups import ProjectRestoring
from bunbase.contracts.bunkms import DataKey, DecryptionFailed, KeyDestroyed, KeyNotFound, Kms
from bunbase.contracts.storage import StorageBusy, StorageUnreadable
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.logger import logger
from bunbase.pkg.sealed_sqlite.data_key import find_key
from bunbase.pkg.sealed_sqlite.faults import FileUnreadable
from bunbase.pkg.sealed_sqlite.files import create_database, delete_directory
from bunbase.pkg.sealed_sqlite.key_file import KeyFile, change_key_file, complete_key_file
from bunbase.storage.store.change_log import begin_log
from bunbase.storage.store.file import ProjectFile, open_file, problem_of
from bunbase.storage.store.tables import create_tables

log = logger("storage")

T = TypeVar("T")

PROJECT: Final = re.compile(r"prj_[0-9a-z]{1,60}")
KEY_SECONDS: Final = 900.0  # the longest time without a confirmation of BunKMS
RENEW_SECONDS: Final = 600.0
IDLE_SECONDS: Final = 300.0
HELD_SECONDS: Final = 2  # Retry-After while a project is being restored
REFUSED: Final = (KeyDestroyed, KeyNotFound, DecryptionFailed)  # final answers of BunKMS


async def _no_blobs(_project: str) -> bool:
    return False


class OpenFiles:
    """The open files of all projects. `monotonic`: returns seconds on a clock that never goes back.
    `on_written(project)` is called after each transaction.

    `held`: projects that are being restored; only calls with `held=True` may use them. `has_blobs`: returns True if
    blobs of a project exist. Then the project is not new, and its missing file must not be created again: the sweeper
    would delete all blobs.
    """

    monotonic: Callable[[], float] = staticmethod(time.monotonic)
    has_blobs: Callable[[str], Awaitable[bool]] = staticmethod(_no_blobs)

    def __init__(self, directory: Path, kms: Kms, pool: ThreadPoolExecutor, max_open: int) -> None:
        self.directory = directory
        self.kms = kms
        self.pool = pool
        self.max_open = max_open
        self.files: OrderedDict[str, ProjectFile] = OrderedDict()
        self.held: set[str] = set()
        self.reserved = 0  # files that are being opened
        self.on_written: Callable[[str], None] = lambda _project: None
        self.locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def using(self, project: str, create: bool = True, held: bool = False) -> AsyncIterator[ProjectFile | None]:
        """Keep the project's file open during the block. Yield None if there is no file and `create` is false.

        `held`: true to use a project that is being restored.
        Raises: StorageUnreadable, StorageBusy, ProjectRestoring, and the errors of BunKMS.
        """
        self._check_held(project, held)
        file = self._ready(project) or await self._opened(project, create, held)
        if file is None:
            yield None
            return
        file.enter()
        try:
            yield file
        finally:
            file.leave()

    @asynccontextmanager
    async def closed(self, project: str) -> AsyncIterator[Path]:
        """Close the project's file and yield its directory. All callers wait until the block ends."""
        directory = self._directory_of(project)
        async with self._lock(project):
            await self._close(project)
            yield directory

    async def replace(
        self,
        project: str,
        file: ProjectFile,
        finish: Callable[[apsw.Connection], object],
        take_place: Callable[[], object],
    ) -> None:
        """Wait until the file has no users, call `finish` with the connection that writes, close the file, and call
        `take_place`, which replaces it. Callers wait meanwhile. Raises: StorageBusy if the file was closed before this.
        """
        async with self._lock(project):
            if self.files.get(project) is not file or file.closing:
                raise StorageBusy("The project was closed meanwhile; try again.", retry_after_seconds=1)
            file.closing = True
            await file.unused.wait()
            try:
                await self._in_thread(finish, file.writer)
            finally:
                await self._close(project)
            await self._in_thread(take_place)

    async def change_key(self, project: str, **values: str) -> None:
        """Change the key file. A caller inside of `using` must not call this, because it waits for the lock."""
        async with self._lock(project):
            await self._in_thread(partial(change_key_file, self._directory_of(project), **values))

    async def own_key(self, project: str) -> tuple[KeyFile, bytes]:
        """Return the key file and the key of a project inside of `closed`. Raises: StorageUnreadable."""
        try:
            return await find_key(self._directory_of(project), self._keys(project), self._in_thread)
        except FileUnreadable as unreadable:
            raise StorageUnreadable(str(unreadable)) from unreadable
        except apsw.Error as error:
            raise problem_of(error) from error

    async def projects(self) -> list[str]:
        """Return all projects that have a directory."""

        def found() -> list[str]:
            return [entry.name for entry in os.scandir(self.directory) if PROJECT.fullmatch(entry.name)]

        return await self._in_thread(found)

    async def drop(self, project: str) -> None:
        """Close and delete the file of a project. Idempotent."""
        directory = self._directory_of(project)
        async with self._lock(project):
            await self._close(project)
            await self._in_thread(delete_directory, directory)

    async def tend(self) -> None:
        """Close idle files, and confirm each key well before it is too old."""
        for project, file in list(self.files.items()):
            now = self.monotonic()
            if not file.users and now - file.used_at >= IDLE_SECONDS:
                async with self._lock(project):
                    if self.files.get(project) is file and not file.users:
                        await self._close(project)
            elif now - file.proven_at >= RENEW_SECONDS:
                async with self._lock(project):
                    if self.files.get(project) is file:
                        await self._renew(project, file)

    async def close(self) -> None:
        for project in list(self.files):
            async with self._lock(project):
                await self._close(project)

    def _ready(self, project: str) -> ProjectFile | None:
        file = self.files.get(project)
        now = self.monotonic()
        if file is None or file.closing or file.broken or now - file.proven_at >= KEY_SECONDS:
            return None
        file.used_at = now
        self.files.move_to_end(project)
        return file

    def _check_held(self, project: str, held: bool) -> None:
        if project in self.held and not held:
            raise ProjectRestoring("Try again in a moment.", retry_after_seconds=HELD_SECONDS)

    def _keys(self, project: str) -> _ProjectKeys:
        return _ProjectKeys(self.kms, project, self.has_blobs)

    async def _opened(self, project: str, create: bool, held: bool) -> ProjectFile | None:
        directory = self._directory_of(project)
        async with self._lock(project):
            self._check_held(project, held)  # a restore may have begun while this call waited
            if (file := self._ready(project)) is not None:
                return file
            stale = self.files.get(project)
            if stale is not None and not stale.closing and not stale.broken:
                await self._prove(project, stale)
                return stale
            await self._close(project)
            if not create and not await self._in_thread((directory).exists):
                return None
            await self._make_room()
            self.reserved += 1
            try:
                file = self.files[project] = await self._open(project, directory)
            finally:
                self.reserved -= 1
            return file

    async def _open(self, project: str, directory: Path) -> ProjectFile:
        asked_at = self.monotonic()  # the confirmation counts from the question, not from the answer
        try:
            key_file, key = await find_key(directory, self._keys(project), self._in_thread)
            if not key_file.complete:
                await self._in_thread(create_database, directory, key, create_tables)
                await self._in_thread(complete_key_file, directory, key_file.wrapped)
            file = await self._in_thread(open_file, directory, key, self.pool)
            await self._in_thread(begin_log, file.writer, project)
        except FileUnreadable as unreadable:
            log.error("a project's list of objects cannot be read", project=project, reason=str(unreadable))
            raise StorageUnreadable(str(unreadable)) from unreadable
        except apsw.Error as error:
            raise problem_of(error) from error
        file.wrapped, file.proven_at, file.used_at = key_file.wrapped, asked_at, self.monotonic()
        file.on_written = lambda: self.on_written(project)
        return file

    async def _renew(self, project: str, file: ProjectFile) -> None:
        try:
            await self._prove(project, file)
            wrapped = await self.kms.rewrap_data_key(project, context_of(project), file.wrapped)
            if wrapped != file.wrapped:
                await self._in_thread(lambda: change_key_file(self._directory_of(project), wrapped=wrapped))
                file.wrapped = wrapped
        except Problem as problem:
            log.warning("a project's key was not confirmed", project=project, reason=problem.detail)

    async def _prove(self, project: str, file: ProjectFile) -> None:
        """Ask BunKMS whether the key may still be used. Close the file if it refuses, or if the key is too old."""
        asked_at = self.monotonic()
        try:
            if await self.kms.unwrap_data_key(project, context_of(project), file.wrapped) != file.key:
                raise StorageUnreadable("The key file was changed while the project was open.")
        except Problem as problem:
            too_old = self.monotonic() - file.proven_at >= KEY_SECONDS
            if too_old or isinstance(problem, (*REFUSED, StorageUnreadable)):
                await self._close(project)
            raise
        file.proven_at = asked_at

    async def _make_room(self) -> None:
        while len(self.files) + self.reserved >= self.max_open:
            idle = next((name for name, file in self.files.items() if not file.users and not file.closing), None)
            if idle is None:
                raise StorageBusy("Too many projects are in use at once; try again.", retry_after_seconds=1)
            await self._close(idle)

    async def _close(self, project: str) -> None:
        """Close a file when it has no users. New callers do not get it."""
        file = self.files.get(project)
        if file is None:
            return
        file.closing = True
        await file.unused.wait()
        try:
            await self._in_thread(file.close)
        except apsw.Error as error:
            log.warning("a project's file closed with an error", project=project, error=repr(error))
        finally:
            if self.files.get(project) is file:
                del self.files[project]

    def _directory_of(self, project: str) -> Path:
        if not PROJECT.fullmatch(project):
            raise InvalidInput("This is not the id of a project.")
        return self.directory / project

    def _lock(self, project: str) -> asyncio.Lock:
        return self.locks.setdefault(project, asyncio.Lock())

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.pool, work, *args)


class _ProjectKeys:
    """The keys of one project, for `find_key`."""

    def __init__(self, kms: Kms, project: str, has_blobs: Callable[[str], Awaitable[bool]]) -> None:
        self.kms = kms
        self.project = project
        self.has_blobs = has_blobs

    async def generate(self) -> DataKey:
        """Raises: StorageUnreadable if the project is not new."""
        new = await self.kms.generate_data_key(self.project, context_of(self.project))
        if await self.has_blobs(self.project):
            raise StorageUnreadable("The project's list of objects is missing: restore it from a backup.")
        return new

    async def unwrap(self, wrapped: str) -> bytes:
        try:
            return await self.kms.unwrap_data_key(self.project, context_of(self.project), wrapped)
        except DecryptionFailed as error:
            raise StorageUnreadable("The project's data key was wrapped for another project, or is damaged.") from error


def context_of(project: str) -> str:
    """Return the context to which BunKMS binds the data key."""
    return f"storage/{project}"
