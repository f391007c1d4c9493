"""A new data key for a project's file: copied under it page by page, then put in the old file's place.

`key.json` holds both wrapped keys from before the copy begins until after it took the place: whenever a crash comes,
one of the two opens the file, and whoever opens it next settles which (`open_files`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import apsw

from bunbase.bundoc.sqlite_engine.faults import problem_of, problem_of_system
from bunbase.bundoc.sqlite_engine.key_file import change_key_file, read_key_file
from bunbase.bundoc.sqlite_engine.open_files import OpenFiles
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.bundoc.sqlite_engine.rekeying import Copy
from bunbase.bundoc.sqlite_engine.writer import Writer
from bunbase.contracts.bundoc import BundocBusy, KeyState
from bunbase.contracts.bunkms import DataKey
from bunbase.pkg.clock import Clock, rfc3339
from bunbase.pkg.errors import Internal, Problem
from bunbase.pkg.logger import logger

log = logger("bundoc")

MOST_AT_ONCE: Final = 4  # each reads and writes a whole file
REMEMBERED: Final = 1000  # projects whose last rotation failed


class Rotation:
    """One that is under way."""

    def __init__(self) -> None:
        self.copy: Copy | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def progress(self) -> float:
        return 0.0 if self.copy is None else round(self.copy.progress, 3)


class Rotations:
    """`failed`: the code of what ended a project's last rotation before its time."""

    def __init__(self, files: OpenFiles, writer_of: Callable[[str, ProjectFile], Writer], clock: Clock) -> None:
        self.files = files
        self.writer_of = writer_of
        self.clock = clock
        self.running: dict[str, Rotation] = {}
        self.failed: dict[str, str] = {}
        self.ending = False

    async def begin(self, project: str) -> KeyState:
        """Begin a rotation unless one is under way; give how things stand. Raises: BundocBusy."""
        await self.files.opened(project)  # what cannot be opened cannot be rotated: say so now
        if project not in self.running:
            if self.ending or len(self.running) >= MOST_AT_ONCE:
                raise BundocBusy("Other keys are being rotated; try again in a minute.", retry_after_seconds=60)
            self.failed.pop(project, None)
            rotation = self.running[project] = Rotation()
            rotation.task = asyncio.create_task(self._rotated(project, rotation))
        return await self.state(project)

    async def state(self, project: str) -> KeyState:
        found = await self.files.key_file(project)
        running = self.running.get(project)
        return KeyState(
            version=found.version,
            since=found.since or None,
            rotating=running is not None,
            progress=running.progress if running else None,
            failed=self.failed.get(project),
        )

    async def close(self) -> None:
        """Give up what is under way: the old keys stay."""
        self.ending = True
        tasks = [rotation.task for rotation in self.running.values() if rotation.task is not None]
        if tasks:
            await asyncio.wait(tasks)

    async def _rotated(self, project: str, rotation: Rotation) -> None:
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
                rotation.copy = copy = Copy(file.path.parent, new.plaintext)
                writer = self.writer_of(project, file)
                await self._copied(project, file, writer, copy)
        except BaseException:
            await self.files.give_up_rotation(project)
            raise
        await self._replace(project, file, writer, copy, new)

    async def _copied(self, project: str, file: ProjectFile, writer: Writer, copy: Copy) -> None:
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
            if isinstance(error, FileNotFoundError):  # a restore wants to know which key is the file's
                raise BundocBusy(
                    "The rotation was given up for a restore; try again.", retry_after_seconds=1
                ) from error
            raise problem_of_system(error) if isinstance(error, OSError) else error from error

    async def _replace(self, project: str, file: ProjectFile, writer: Writer, copy: Copy, new: DataKey) -> None:
        """From here on only whoever opens the file again may say which of the two keys is the file's."""
        try:
            await self.files.replace(
                project, file, lambda: writer.aside(copy.finish), lambda: self._take_place(copy, new)
            )
        except BaseException as error:
            await asyncio.to_thread(copy.abandon)
            raise problem_of(error) if isinstance(error, apsw.Error) else error from error

    def _take_place(self, copy: Copy, new: DataKey) -> None:
        directory = copy.path.parent
        found = read_key_file(directory)
        if found is None or found.next != new.wrapped:  # a crash after the renaming would cost the only key
            raise BundocBusy("The project's files were changed meanwhile; try again.", retry_after_seconds=1)
        copy.take_place()
        change_key_file(directory, wrapped=new.wrapped, next="", since=rfc3339(self.clock.now()))
