"""The rotation of the key under which the list of objects of a project is encrypted.

The file is copied under a new key, page by page, and replaced by the copy in one rename (`pkg.sealed_sqlite.rekeying`).
Reads and writes continue, and wait only while the last pages are copied. The keys of blobs do not change: the root keys
are in the file (docs/decisions/0114).

1. The new wrapped key is stored as `next` in `key.json`, before anything is encrypted under it.
2. Pages are copied on the connection that writes, between two writes. If a copied page changes, it is copied again.
3. When only the last pages are missing, the file has no users any more, the copy takes its place, and `next` becomes
   the only key.

If the server dies at any moment, one of the two keys opens the file, and the next opening finds out which one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import apsw

from bunbase.contracts.bunkms import DataKey
from bunbase.contracts.storage import StorageBusy, StorageUnreadable
from bunbase.contracts.storage_copies import FilesKey
from bunbase.pkg.clock import Clock, rfc3339
from bunbase.pkg.errors import Internal, Problem
from bunbase.pkg.logger import logger
from bunbase.pkg.sealed_sqlite.key_file import change_key_file, read_key_file
from bunbase.pkg.sealed_sqlite.rekeying import Rekeying
from bunbase.storage.store.file import ProjectFile, problem_of
from bunbase.storage.store.files import OpenFiles, context_of

log = logger("storage")

MOST_AT_ONCE: Final = 4  # each rotation reads and writes a whole file
REMEMBERED: Final = 1000  # error codes of failed rotations that are kept


class Rotation:
    """A running rotation."""

    def __init__(self) -> None:
        self.copy: Rekeying | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def progress(self) -> float:
        return 0.0 if self.copy is None else round(self.copy.progress, 3)


class Rotations:
    """All rotations of this process. `failed`: the error code of each project whose last rotation failed."""

    def __init__(self, files: OpenFiles, clock: Clock) -> None:
        self.files = files
        self.clock = clock
        self.running: dict[str, Rotation] = {}
        self.failed: OrderedDict[str, str] = OrderedDict()
        self.ending = False

    async def begin(self, project: str) -> FilesKey | None:
        """Start a rotation if none is running, and return the state of the key. Raises: StorageBusy."""
        async with self.files.using(project, create=False) as file:  # fails at once if the file cannot be opened
            if file is None:
                return None
        if project not in self.running:
            if self.ending or len(self.running) >= MOST_AT_ONCE:
                raise StorageBusy("Other keys are being rotated; try again in a minute.", retry_after_seconds=60)
            self.failed.pop(project, None)
            rotation = self.running[project] = Rotation()
            rotation.task = asyncio.create_task(self._run(project, rotation))
        return await self.state(project)

    async def state(self, project: str) -> FilesKey | None:
        """Return the state of the key; None if the project has no buckets."""
        async with self.files.using(project, create=False) as file:
            if file is None:
                return None
            found = await self._in_thread(read_key_file, self.files.directory / project)
        if found is None:
            raise StorageUnreadable("The project's key file is missing: restore it from a backup.")
        running = self.running.get(project)
        return FilesKey(
            found.since or None,
            running is not None,
            None if running is None else running.progress,
            self.failed.get(project),
        )

    async def end(self, project: str) -> None:
        """Wait until the rotation of a project has ended, because its files will be deleted."""
        rotation = self.running.get(project)
        if rotation is not None and rotation.task is not None:
            rotation.task.cancel()
            await asyncio.wait([rotation.task])

    async def close(self) -> None:
        """Stop all running rotations. The old keys of these projects stay in use."""
        self.ending = True
        tasks = [rotation.task for rotation in self.running.values() if rotation.task is not None]
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self, project: str, rotation: Rotation) -> None:
        try:
            await self._rotate(project, rotation)
            log.info("the list of objects of a project has a new key", project=project)
        except Exception as error:
            if len(self.failed) >= REMEMBERED:
                self.failed.popitem(last=False)
            self.failed[project] = error.code if isinstance(error, Problem) else Internal.code
            log.error("the key of a list of objects was not rotated", project=project, reason=repr(error))
        finally:
            del self.running[project]

    async def _rotate(self, project: str, rotation: Rotation) -> None:
        directory = self.files.directory / project
        new = await self.files.kms.generate_data_key(project, context_of(project))
        rotation.copy = copy = Rekeying(directory, new.plaintext)
        await self.files.change_key(project, next=new.wrapped)
        try:
            async with self.files.using(project, create=False) as file:
                if file is None:
                    raise StorageBusy("The project was closed meanwhile; try again.", retry_after_seconds=1)
                await self._copy(file, copy)
        except BaseException:
            await self.files.change_key(project, next="")
            raise
        try:
            await self.files.replace(project, file, copy.finish, lambda: self._take_place(directory, copy, new))
        except BaseException as error:
            # `next` stays: the rename may have happened, and the next opening finds out which key opens the file
            await self._in_thread(copy.abandon)
            raise problem_of(error) if isinstance(error, apsw.Error) else error from error

    async def _copy(self, file: ProjectFile, copy: Rekeying) -> None:
        """Copy all pages except the last ones. Raises: StorageBusy if the project is closed meanwhile."""
        try:
            await file.aside(copy.begin)
            while not await file.aside(copy.step):
                if file.closing or self.ending:
                    raise StorageBusy("The project was closed meanwhile; try again.", retry_after_seconds=1)
            await self._in_thread(copy.sync)
        except BaseException:
            await file.aside(lambda _: copy.abandon())
            raise

    def _take_place(self, directory: Path, copy: Rekeying, new: DataKey) -> None:
        """Rename the copy and make its key the only one, in a thread.

        Read the key file again first: a restore may have removed `next`. Then a crash right after the rename would lose
        the only key that opens the file.
        """
        found = read_key_file(directory)
        if found is None or found.next != new.wrapped:
            raise StorageBusy("The project's files were changed meanwhile; try again.", retry_after_seconds=1)
        copy.take_place()
        change_key_file(directory, wrapped=new.wrapped, next="", since=rfc3339(self.clock.now()))

    async def _in_thread(self, work: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.files.pool, work, *args)
