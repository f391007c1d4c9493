"""The rotation of a project's data key: copy the file under a new key, page by page, and replace the file by the copy.

The life of a rotation:

1. `OpenFiles.begin_rotation` stores the new wrapped key as `next` in `key.json`, before anything is encrypted under it.
2. `Rekeying.begin` and `step` copy pages on the writer's connection, between two batches of writes. Reads and writes
   continue. If a copied page changes, the commit that changes the page copies it again.
3. When only the last pages are missing, `OpenFiles.replace` waits until the file has no users, copies these pages,
   closes the file, renames the copy to the name of the file and makes `next` the only key. New callers wait meanwhile:
   0.2 s, measured with a file of 176 MB under load.

If the server dies at any moment, one of the two keys in `key.json` opens the file, and the next opening finds out which
key it is (`pkg.sealed_sqlite.data_key`). After an error before the rename, the old file and the old key stay in use.

The alternatives (docs/decisions/0015): `PRAGMA rekey` rewrites the file in place and blocks all callers until it is
done, and a crash in the middle leaves pages under both keys. `VACUUM INTO` copies a snapshot, so later writes would be
lost, or would have to wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import apsw

from bunbase.bundoc.sqlite_engine.data_keys import key_version
from bunbase.bundoc.sqlite_engine.faults import problem_of, problem_of_system
from bunbase.bundoc.sqlite_engine.open_files import OpenFiles
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.bundoc.sqlite_engine.writer import Writer
from bunbase.contracts.bundoc.documents import KeyState
from bunbase.contracts.bundoc.problems import BundocBusy, DataUnreadable
from bunbase.contracts.bunkms import DataKey
from bunbase.pkg.clock import Clock, rfc3339
from bunbase.pkg.errors import Internal, Problem
from bunbase.pkg.logger import logger
from bunbase.pkg.sealed_sqlite.key_file import change_key_file, read_key_file
from bunbase.pkg.sealed_sqlite.rekeying import Rekeying

log = logger("bundoc")

MOST_AT_ONCE: Final = 4  # At most this many rotations run at the same time, because each reads and writes a whole file.
REMEMBERED: Final = 1000  # The error codes of at most this many failed rotations are remembered.


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

    def __init__(self, files: OpenFiles, writer_of: Callable[[str, ProjectFile], Writer], clock: Clock) -> None:
        self.files = files
        self.writer_of = writer_of
        self.clock = clock
        self.running: dict[str, Rotation] = {}
        self.failed: dict[str, str] = {}
        self.ending = False

    async def begin(self, project: str) -> KeyState:
        """Start a rotation if none is running, and return the state of the key. Raises: BundocBusy."""
        await self.files.open(project)  # If the file cannot be opened, the rotation fails here at once.
        if project not in self.running:
            if self.ending or len(self.running) >= MOST_AT_ONCE:
                raise BundocBusy("Other keys are being rotated; try again in a minute.", retry_after_seconds=60)
            self.failed.pop(project, None)
            rotation = self.running[project] = Rotation()
            rotation.task = asyncio.create_task(self._run(project, rotation))
        return await self.state(project)

    async def state(self, project: str) -> KeyState:
        found = await self.files.key_file(project)
        version = key_version(found.wrapped)
        if version is None:
            raise DataUnreadable("The key file is damaged: it has no wrapped key.")
        running = self.running.get(project)
        return KeyState(
            version=version,
            since=found.since or None,
            rotating=running is not None,
            progress=running.progress if running else None,
            failed=self.failed.get(project),
        )

    async def close(self) -> None:
        """Stop all running rotations. The old keys of these projects stay in use."""
        self.ending = True
        tasks = [rotation.task for rotation in self.running.values() if rotation.task is not None]
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self, project: str, rotation: Rotation) -> None:
        try:
            await self._rotate(project, rotation)
            log.info("a project has a new data key", project=project)
        except Exception as error:
            if len(self.failed) >= REMEMBERED:
                self.failed.pop(next(iter(self.failed)))
            self.failed[project] = error.code if isinstance(error, Problem) else Internal.code
            log.error("a project's data key was not rotated", project=project, reason=repr(error))
        finally:
            del self.running[project]

    async def _rotate(self, project: str, rotation: Rotation) -> None:
        new = await self.files.begin_rotation(project)
        try:
            async with self.files.using(project) as file:
                rotation.copy = copy = Rekeying(file.path.parent, new.plaintext)
                writer = self.writer_of(project, file)
                await self._copy(project, file, writer, copy)
        except BaseException:
            await self.files.give_up_rotation(project)
            raise
        await self._replace(project, file, writer, copy, new)

    async def _copy(self, project: str, file: ProjectFile, writer: Writer, copy: Rekeying) -> None:
        """Copy all pages except the last ones.

        Every step uses `Writer.aside`, because SQLite's backup follows only the changes of its own connection. On
        another connection, each commit would make SQLite start the copy again, so it might never end.
        """
        try:
            await writer.aside(copy.begin)
            while not await writer.aside(copy.step):
                if file.closing or self.ending:
                    raise BundocBusy("The project was closed meanwhile; try again.", retry_after_seconds=1)
            await asyncio.to_thread(copy.sync)
        except BaseException as error:
            await writer.aside(lambda _: copy.abandon())
            if isinstance(error, apsw.Error):
                raise self.files.fault(project, file, error) from error
            if isinstance(error, FileNotFoundError):
                # A restore has called `find_key`. This function has chosen one of the two keys and deleted the draft.
                raise BundocBusy("A restore has stopped the rotation; try again.", retry_after_seconds=1) from error
            raise problem_of_system(error) if isinstance(error, OSError) else error from error

    async def _replace(self, project: str, file: ProjectFile, writer: Writer, copy: Rekeying, new: DataKey) -> None:
        """Replace the file by the copy.

        After an error, `next` stays in `key.json`, because the rename may have happened. Only the next opening can find
        out which of the two keys opens the file. After an error in `_rotate`, `next` is removed.
        """
        try:
            await self.files.replace(
                project, file, lambda: writer.aside(copy.finish), lambda: self._take_place(copy, new)
            )
        except BaseException as error:
            await asyncio.to_thread(copy.abandon)
            raise problem_of(error) if isinstance(error, apsw.Error) else error from error

    def _take_place(self, copy: Rekeying, new: DataKey) -> None:
        """Rename the copy and make its key the only one, in a thread.

        First, read the key file again. Another task may have changed the key file meanwhile, and removed the new key.
        In this case, a crash right after the rename would lose the only key that opens the project.
        """
        directory = copy.path.parent
        found = read_key_file(directory)
        if found is None or found.next != new.wrapped:
            raise BundocBusy("The project's files were changed meanwhile; try again.", retry_after_seconds=1)
        copy.take_place()
        change_key_file(directory, wrapped=new.wrapped, next="", since=rfc3339(self.clock.now()))
