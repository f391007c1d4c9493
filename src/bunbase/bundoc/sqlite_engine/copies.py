"""Implements Copies on SQLite: copy a project's file, examine a copy, replace a project's file by a copy."""

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

from bunbase.bundoc.backups.engine import CommittedRestore, Contents, Progress, Safety, disk_problem
from bunbase.bundoc.changes import News
from bunbase.bundoc.sqlite_engine.change_log import ends
from bunbase.bundoc.sqlite_engine.copy_contents import (
    IssuedNumbers,
    contents,
    examine_copy,
    measure_copy,
    recreate,
    renumber,
)
from bunbase.bundoc.sqlite_engine.data_keys import data_key_context
from bunbase.bundoc.sqlite_engine.faults import problem_of
from bunbase.bundoc.sqlite_engine.formats import bring_up
from bunbase.bundoc.sqlite_engine.open_files import PROJECT, OpenFiles
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.bundoc.sqlite_engine.revisions import KEEPS_REVISIONS, spent
from bunbase.contracts.bundoc.backups import BackupDamaged, BackupFailed
from bunbase.contracts.bundoc.problems import BundocBusy, DataUnreadable
from bunbase.contracts.bunkms import DecryptionFailed
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger
from bunbase.pkg.sealed_sqlite.connection import DATABASE, connect
from bunbase.pkg.sealed_sqlite.copying import copy_closed, copy_snapshot
from bunbase.pkg.sealed_sqlite.faults import FileUnreadable, is_lasting
from bunbase.pkg.sealed_sqlite.files import LOG, SHARED_INDEX, modified_at, size_of
from bunbase.pkg.sealed_sqlite.key_file import NAME as KEY_FILE
from bunbase.pkg.sealed_sqlite.key_file import KeyFile, complete_key_file, read_key_file
from bunbase.pkg.secret_files import replace_secret_file, sync_directory

log = logger("bundoc")

T = TypeVar("T")

# A copy is tried at most this often. A new attempt is necessary if a rotation replaces the file meanwhile.
REPLACED: Final = 3
DRAFTS: Final = ".drafts"  # no project can have this id
JOURNAL: Final = f"{DATABASE}-journal"
COMMITTED: Final = "committed.json"  # in a draft: this restore can no longer be undone; a crash only delays it


class TargetKey(msgspec.Struct, frozen=True):
    """The key for the restored file. `settled`: true if the project's key file has this key already."""

    key: bytes
    wrapped: str
    settled: bool


class SqliteCopies:
    """One thread does the work of all calls, one call at a time. `__init__` deletes the drafts that a crash left, and
    finishes the restores that could no longer be undone.
    """

    def __init__(self, files: OpenFiles, news: News) -> None:
        self.files = files
        self.news = news
        self.drafts = files.directory / DRAFTS
        _settle_drafts(self.drafts)
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="bundoc-backup")

    async def projects(self) -> list[str]:
        return await self._in_thread(_projects_in, self.files.directory)

    async def size(self, project: str) -> int:
        return await self._in_thread(size_of, self.files.directory / project)

    async def changed_at(self, project: str) -> int | None:
        return await self._in_thread(modified_at, self.files.directory / project)

    async def born_at(self, project: str) -> float:
        path = self.files.directory / project / KEY_FILE
        return (await self._in_thread(path.stat)).st_mtime

    async def create(self, project: str) -> None:
        await self.files.open(project)

    async def committed(self) -> list[CommittedRestore]:
        return [mark for _, mark in await self._in_thread(_marks_in, self.drafts)]

    async def forget(self, restore: str) -> None:
        await self._in_thread(_forget, self.drafts, restore)

    async def copy(self, project: str, folder: Path, progress: Progress) -> Contents:
        for _ in range(REPLACED):
            async with self.files.using(project) as file:
                try:
                    return await self._copy(project, file, folder, progress)
                except BackupFailed:
                    if not file.closing or progress.stopped.is_set():
                        raise
            # A rotation has replaced the file, so the copy starts again with the new file.
            progress.restarts += 1
            await self._in_thread(_delete_copy, folder)
        raise BackupFailed("The project's file was closed several times during the copy; try again later.")

    async def examine(self, project: str, folder: Path, progress: Progress) -> Contents:
        key, wrapped = await self._key_in(project, folder)
        return contents(await self._in_thread(examine_copy, folder / DATABASE, key, progress), wrapped, 0)

    async def replace(self, project: str, source: str, folder: Path, safety: Safety, progress: Progress) -> Contents:
        source_key, _ = await self._key_in(source, folder)
        own = await self._target_key(project)
        draft = self.drafts / new_id()
        await self._in_thread(_make_folder, draft)
        try:
            path = draft / DATABASE
            made = await self._in_thread(recreate, folder / DATABASE, source_key, path, own.key, progress)
            found, format = made
            itself = source == project and format >= KEEPS_REVISIONS
            async with self.files.holding(project) as directory:
                if own.settled and (await self.files.held_key(project))[1] != own.key:
                    raise BundocBusy("The project's data key was changed meanwhile; try again.", retry_after_seconds=1)
                await safety.close_files()
                issued = await self._keep_what_is_there(directory, own, safety, progress)
                progress.go_on()
                await self._in_thread(renumber, path, own.key, issued, itself)
                wrapped = "" if own.settled else own.wrapped
                mark = CommittedRestore(project, safety.restore, wrapped)
                await self._in_thread(_swap_with_files if safety.restore else _swap, directory, draft, mark)
        finally:
            await self._in_thread(_end_draft, draft)
        self.news.tell(project)
        return contents(found, own.wrapped, 0)

    def close(self) -> None:
        self.pool.shutdown()

    async def _copy(self, project: str, file: ProjectFile, folder: Path, progress: Progress) -> Contents:
        # This is read before the snapshot, so that later writes count as newer.
        changed_at = await self.changed_at(project) or 0
        path = folder / DATABASE
        # The file may also be closed because its key was revoked, or because it is damaged.
        with progress.unless(lambda: file.closing):
            await self._in_thread(copy_snapshot, file.path, file.key, path, file.key, progress.tell)
            return await self._finish(folder, file.key, file.wrapped_key, changed_at, progress)

    async def _keep_what_is_there(
        self, directory: Path, own: TargetKey, safety: Safety, progress: Progress
    ) -> IssuedNumbers | None:
        """Copy the project's file before the restore replaces it.

        Return the numbers that the file issued; None if the file is unreadable.
        """
        if not own.settled and not (directory / DATABASE).exists():
            return IssuedNumbers()
        try:
            issued: IssuedNumbers = await self._in_thread(_settle_log, directory / DATABASE, own.key)
        except DataUnreadable as unreadable:
            await self._in_thread(_put_aside, directory)
            log.warning(
                "a restore replaces a file that cannot be read", project=directory.name, reason=unreadable.detail
            )
            return None
        if not issued.empty or safety.always:
            changed_at = modified_at(directory) or 0
            path = safety.folder / DATABASE
            await self._in_thread(copy_closed, directory / DATABASE, path, progress.tell)
            await safety.keep(await self._finish(safety.folder, own.key, own.wrapped, changed_at, progress))
        return issued

    async def _finish(self, folder: Path, key: bytes, wrapped: str, changed_at: int, progress: Progress) -> Contents:
        """Write the key file of a copy, and return the contents of the copy."""
        await self._in_thread(complete_key_file, folder, wrapped)
        found = await self._in_thread(measure_copy, folder / DATABASE, key, progress)
        return contents(found, wrapped, changed_at)

    async def _target_key(self, project: str) -> TargetKey:
        """Return the project's key, or a new key if the project has lost its own.

        Nobody can read the old file without its key, so the new key loses nothing.
        """
        try:
            key_file, key = await self.files.key_of(project)
        except DataUnreadable:
            new = await self.files.kms.generate_data_key(project, data_key_context(project))
            return TargetKey(new.plaintext, new.wrapped, settled=False)
        return TargetKey(key, key_file.wrapped, key_file.complete)

    async def _key_in(self, project: str, folder: Path) -> tuple[bytes, str]:
        """Return the data key of a copy, plain and wrapped. Raises: BackupDamaged."""
        try:
            key_file: KeyFile | None = await self._in_thread(read_key_file, folder)
            if key_file is None:
                raise DataUnreadable("The key file is missing.")
            context = data_key_context(project)
            return await self.files.kms.unwrap_data_key(project, context, key_file.wrapped), key_file.wrapped
        except (DataUnreadable, DecryptionFailed) as error:
            raise BackupDamaged(
                f"{KEY_FILE} of this backup is damaged: {error.detail} Use another backup.", file=KEY_FILE
            ) from error

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, work, *args)
        except FileUnreadable as unreadable:
            raise DataUnreadable(str(unreadable)) from unreadable
        except apsw.Error as error:
            raise problem_of(error) from error
        except OSError as error:
            raise disk_problem(error) from error


def _projects_in(directory: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(directory) if PROJECT.fullmatch(entry.name))


def _make_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True)


def _delete_copy(folder: Path) -> None:
    """Delete the copy of the documents. The folder may also have the files of others, such as the list of objects."""
    for name in (DATABASE, LOG, SHARED_INDEX, JOURNAL, KEY_FILE):
        (folder / name).unlink(missing_ok=True)


def _settle_log(path: Path, key: bytes) -> IssuedNumbers:
    """If a crash left a log of SQLite, write it into the closed file. Return the numbers that the file has issued.

    Raises: DataUnreadable, and BundocBusy if the file is still open somewhere.
    """
    if not path.exists():
        raise DataUnreadable("The project's file is missing.")
    try:
        connection = connect(path, key)
        try:
            bring_up(connection)  # The file may have an older format.
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            empty = not connection.execute("SELECT count(*) FROM collections").get
            issued = IssuedNumbers(ends(connection)[1], spent(connection), empty)
        finally:
            connection.close()
    except apsw.Error as error:
        raise (DataUnreadable(repr(error)) if is_lasting(error) else problem_of(error)) from error
    if path.with_name(LOG).exists():
        raise BundocBusy("The project's last writes have not ended yet; try again.", retry_after_seconds=5)
    return issued


def _put_aside(directory: Path) -> None:
    """Keep a damaged file under another name, so that an operator can examine it."""
    at = new_id()
    for name in (DATABASE, LOG):
        if (directory / name).exists():
            os.link(directory / name, directory / f"damaged-{at}-{name}")
    (directory / LOG).unlink(missing_ok=True)


def _swap(directory: Path, draft: Path, restore: CommittedRestore) -> None:
    """Replace the project's file by the draft, with one rename: a crash leaves either the old or the new state.

    A project that had lost its key gets a new key file after the rename. If the process crashes between the two steps,
    the project is still unreadable.
    """
    (directory / SHARED_INDEX).unlink(missing_ok=True)
    if (draft / DATABASE).exists():
        (draft / DATABASE).rename(directory / DATABASE)
        sync_directory(directory)
    if restore.wrapped:
        complete_key_file(directory, restore.wrapped)


def _swap_with_files(directory: Path, draft: Path, restore: CommittedRestore) -> None:
    """Decide the restore by a mark in the draft, then replace the file. After a crash, `_settle_drafts` finishes it."""
    sync_directory(draft.parent)
    replace_secret_file(draft / COMMITTED, msgspec.json.encode(restore).decode() + "\n")
    try:
        _swap(directory, draft, restore)
    except BaseException:
        if (draft / DATABASE).exists():  # nothing was replaced
            (draft / COMMITTED).unlink()
        raise


def _end_draft(draft: Path) -> None:
    if not (draft / COMMITTED).exists():
        shutil.rmtree(draft)


def _marks_in(drafts: Path) -> list[tuple[Path, CommittedRestore]]:
    found = []
    for mark in sorted(drafts.glob(f"*/{COMMITTED}")):
        found.append((mark.parent, msgspec.json.decode(mark.read_bytes(), type=CommittedRestore)))
    return found


def _forget(drafts: Path, restore: str) -> None:
    for draft, mark in _marks_in(drafts):
        if mark.restore == restore:
            shutil.rmtree(draft)


def _settle_drafts(drafts: Path) -> None:
    """Finish the restores that were decided before a crash, and delete all other drafts, also of deleted projects."""
    marked = dict(_marks_in(drafts))
    for draft in drafts.iterdir() if drafts.exists() else ():
        directory = drafts.parent / marked[draft].project if draft in marked else None
        if directory is not None and directory.exists():
            _swap(directory, draft, marked[draft])
        else:
            shutil.rmtree(draft)
