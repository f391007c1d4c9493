"""What backups ask of the engine, on encrypted SQLite files."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw
import msgspec

from bunbase.bundoc.backups.engine import Contents, Progress, Safety, disk_problem
from bunbase.bundoc.changes import Waiters
from bunbase.bundoc.sqlite_engine.change_log import ends
from bunbase.bundoc.sqlite_engine.connection import DATABASE, connect
from bunbase.bundoc.sqlite_engine.copying import (
    Given,
    contents,
    copy_closed,
    copy_snapshot,
    examined,
    measured_copy,
    recreate,
    renumber,
)
from bunbase.bundoc.sqlite_engine.data_keys import data_key_context
from bunbase.bundoc.sqlite_engine.faults import is_lasting, problem_of
from bunbase.bundoc.sqlite_engine.formats import bring_up
from bunbase.bundoc.sqlite_engine.key_file import NAME as KEY_FILE
from bunbase.bundoc.sqlite_engine.key_file import KeyFile, complete_key_file, read_key_file
from bunbase.bundoc.sqlite_engine.open_files import PROJECT, OpenFiles
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.bundoc.sqlite_engine.revisions import KEEPS_REVISIONS, spent
from bunbase.contracts.backups import BackupDamaged, BackupFailed
from bunbase.contracts.bundoc import BundocBusy, DataUnreadable
from bunbase.contracts.bunkms import DecryptionFailed
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger
from bunbase.pkg.secret_files import sync_directory

log = logger("bundoc")

T = TypeVar("T")

REPLACED: Final = 3  # times that a copy is begun anew because the file was replaced under it
DRAFTS: Final = ".drafts"  # no project's name
LOG: Final = f"{DATABASE}-wal"
SHARED: Final = f"{DATABASE}-shm"


class Own(msgspec.Struct, frozen=True):
    """The key that a project's file is to be under. `settled`: the key file says so already."""

    key: bytes
    wrapped: str
    settled: bool


class SqliteCopies:
    """Works in a thread of its own, one piece at a time. What a crash left half made is thrown away here."""

    def __init__(self, files: OpenFiles, waiters: Waiters) -> None:
        self.files = files
        self.waiters = waiters
        self.drafts = files.directory / DRAFTS
        shutil.rmtree(self.drafts, ignore_errors=True)
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="bundoc-backup")

    async def projects(self) -> list[str]:
        return await self._in_thread(_projects_in, self.files.directory)

    async def size(self, project: str) -> int:
        return await self._in_thread(_size_of, self.files.directory / project)

    async def changed_at(self, project: str) -> int | None:
        return await self._in_thread(_changed_at, self.files.directory / project)

    async def born_at(self, project: str) -> float:
        path = self.files.directory / project / KEY_FILE
        return (await self._in_thread(path.stat)).st_mtime

    async def copy(self, project: str, folder: Path, progress: Progress) -> Contents:
        for _ in range(REPLACED):
            async with self.files.using(project) as file:
                try:
                    return await self._copied(project, file, folder, progress)
                except BackupFailed:
                    if not file.closing or progress.stopped.is_set():
                        raise
            await self._in_thread(_empty, folder)  # a file under a new data key has taken its place
        raise BackupFailed("The project's file was closed again and again while it was copied; try again later.")

    async def examine(self, project: str, folder: Path, progress: Progress) -> Contents:
        key, wrapped = await self._key_in(project, folder)
        return contents(await self._in_thread(examined, folder / DATABASE, key, progress), wrapped, 0)

    async def replace(self, project: str, source: str, folder: Path, safety: Safety, progress: Progress) -> Contents:
        source_key, _ = await self._key_in(source, folder)
        own = await self._own_key(project)
        draft = self.drafts / new_id()
        await self._in_thread(_make_folder, draft)
        try:
            path = draft / DATABASE
            made = await self._in_thread(recreate, folder / DATABASE, source_key, path, own.key, progress)
            found, format = made
            itself = source == project and format >= KEEPS_REVISIONS
            async with self.files.holding(project) as directory:
                if own.settled and (await self.files.held_key(project))[1] != own.key:
                    raise BundocBusy("The project has a new data key since; try again.", retry_after_seconds=1)
                given = await self._keep_what_is_there(directory, own, safety, progress)
                progress.go_on()
                await self._in_thread(renumber, path, own.key, given, itself)
                await self._in_thread(_swap, directory, path, own)
        finally:
            await self._in_thread(shutil.rmtree, draft)
        self.waiters.wake(project)
        return contents(found, own.wrapped, 0)

    def close(self) -> None:
        self.pool.shutdown()

    async def _copied(self, project: str, file: ProjectFile, folder: Path, progress: Progress) -> Contents:
        changed_at = await self.changed_at(project) or 0  # before the snapshot: what comes after counts as newer
        progress.unless(lambda: file.closing)  # its key may not be used any more, or the file not be trusted
        path = folder / DATABASE
        await self._in_thread(copy_snapshot, file.path, file.key, path, file.key, progress)
        return await self._finished(folder, file.key, file.wrapped_key, changed_at, progress)

    async def _keep_what_is_there(self, directory: Path, own: Own, safety: Safety, progress: Progress) -> Given | None:
        """Copy what is to be replaced; return what it has given out, None if nobody can say."""
        if not own.settled and not (directory / DATABASE).exists():
            return Given()
        try:
            given: Given = await self._in_thread(_settle, directory / DATABASE, own.key)
        except DataUnreadable as unreadable:
            await self._in_thread(_put_aside, directory)
            log.warning("a restore replaces what cannot be read", project=directory.name, reason=unreadable.detail)
            return None
        if not given.empty:
            changed_at = _changed_at(directory) or 0
            path = safety.folder / DATABASE
            await self._in_thread(copy_closed, directory / DATABASE, path, progress)
            await safety.keep(await self._finished(safety.folder, own.key, own.wrapped, changed_at, progress))
        return given

    async def _finished(self, folder: Path, key: bytes, wrapped: str, changed_at: int, progress: Progress) -> Contents:
        """Put the wrapped key beside a copy, and say what the copy holds."""
        await self._in_thread(complete_key_file, folder, wrapped)
        found = await self._in_thread(measured_copy, folder / DATABASE, key, progress)
        return contents(found, wrapped, changed_at)

    async def _own_key(self, project: str) -> Own:
        """A project that lost its key, or has a new one, gets another: what was under it cannot be read any more."""
        try:
            key_file, key = await self.files.key_of(project)
        except DataUnreadable:
            new = await self.files.kms.generate_data_key(project, data_key_context(project))
            return Own(new.plaintext, new.wrapped, settled=False)
        return Own(key, key_file.wrapped, key_file.complete)

    async def _key_in(self, project: str, folder: Path) -> tuple[bytes, str]:
        """Give the key of a copy, plain and wrapped. Raises: BackupDamaged."""
        try:
            key_file: KeyFile | None = await self._in_thread(read_key_file, folder)
            if key_file is None:
                raise DataUnreadable("There is no key file.")
            return await self.files.kms.unwrap_data_key(project, data_key_context(project), key_file.wrapped), (
                key_file.wrapped
            )
        except (DataUnreadable, DecryptionFailed) as error:
            raise BackupDamaged(
                f"{KEY_FILE} of this backup is damaged: {error.detail} Use another backup.", file=KEY_FILE
            ) from error

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, work, *args)
        except apsw.Error as error:
            raise problem_of(error) from error
        except OSError as error:
            raise disk_problem(error) from error


def _projects_in(directory: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(directory) if PROJECT.fullmatch(entry.name))


def _changed_at(directory: Path) -> int | None:
    try:
        latest = (directory / DATABASE).stat().st_mtime_ns
    except FileNotFoundError:
        return None
    try:
        written = (directory / LOG).stat()
    except FileNotFoundError:
        return latest
    return max(latest, written.st_mtime_ns) if written.st_size else latest


def _size_of(directory: Path) -> int:
    return sum((directory / name).stat().st_size for name in (DATABASE, LOG) if (directory / name).exists())


def _make_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _settle(path: Path, key: bytes) -> Given:
    """Bring what a crash left in the log into the closed file; return what it has given out.

    Raises: DataUnreadable, BundocBusy when somebody has it open.
    """
    if not path.exists():
        raise DataUnreadable("The project's file is missing.")
    try:
        connection = connect(path, key)
        try:
            bring_up(connection)  # nobody may have opened it since a newer BunBase came
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            empty = not connection.execute("SELECT count(*) FROM collections").get
            given = Given(ends(connection)[1], spent(connection), empty)
        finally:
            connection.close()
    except apsw.Error as error:
        raise (DataUnreadable(repr(error)) if is_lasting(error) else problem_of(error)) from error
    if path.with_name(LOG).exists():
        raise BundocBusy("The project's last writes are still under way; try again.", retry_after_seconds=5)
    return given


def _put_aside(directory: Path) -> None:
    """Keep a damaged file beside the new one, for those who want to look at it."""
    at = new_id()
    for name in (DATABASE, LOG):
        if (directory / name).exists():
            os.link(directory / name, directory / f"damaged-{at}-{name}")
    (directory / LOG).unlink(missing_ok=True)


def _swap(directory: Path, draft: Path, own: Own) -> None:
    """A single rename decides: before it there is the old state, behind it the new one.

    Only for a project whose key was lost the key file follows: until then it is as unreadable as before.
    """
    (directory / SHARED).unlink(missing_ok=True)
    draft.rename(directory / DATABASE)
    sync_directory(directory)
    if not own.settled:
        complete_key_file(directory, own.wrapped)
