"""The files of a project in a backup: the encrypted list of objects, its wrapped key, and a list of its blobs.

files.db    the list of objects, as Storage sealed it
files.key   the key of the list, wrapped by BunKMS
blobs.list  the blobs that the list names; the blobs themselves are in the archive, which all backups share

A project without buckets has none of these files.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from bunbase.bundoc.backups.archive import BackupArchive
from bunbase.bundoc.backups.blobs import LIST, LIST_OF_OBJECTS, BlobShelf, blob_damaged, listed_blobs
from bunbase.bundoc.backups.engine import Progress, disk_problem
from bunbase.contracts.bundoc.backups import BackedUpObjects, Backup, BackupDamaged
from bunbase.contracts.storage import ObjectDamaged, Storage, StorageUnreadable
from bunbase.contracts.storage_copies import (
    COPIED_BYTES,
    CopiedBytes,
    CopiedList,
    CopyDamaged,
    NamedBlob,
    NamedBlobs,
    NewRestore,
)
from bunbase.pkg.clock import Clock, rfc3339
from bunbase.pkg.errors import Problem
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger
from bunbase.pkg.secret_files import OWNER_ONLY, write_synced

log = logger("bundoc")


KEY: Final = "files.key"
AT_ONCE: Final = 4  # blobs that are copied at the same time; each has at most two pieces in memory
BATCH: Final = 1000


class BackedUpFiles:
    """Backs up and restores the files of projects. `live`: the restores that this process is running."""

    def __init__(self, storage: Storage, shelf: BlobShelf, archive: BackupArchive, clock: Clock) -> None:
        self.storage = storage
        self.shelf = shelf
        self.archive = archive
        self.clock = clock
        self.live: set[str] = set()

    async def exist(self, project: str) -> bool:
        """True if the project has buckets."""
        return await self.storage.files_state(project) is not None

    async def copy(self, project: str, folder: Path, progress: Progress) -> BackedUpObjects:
        """Write the list of objects, as it is now, to the folder of a backup. Call `copy_blobs` next, soon.

        Raises: the problems of Storage, DiskFull, BackupFailed, DeadlineExceeded.
        """
        head: CopiedList | None = None
        files: list[BinaryIO] = []
        try:
            (folder / KEY).unlink(missing_ok=True)  # of an earlier call
            for name in (LIST_OF_OBJECTS, LIST):
                files.append(await asyncio.to_thread(_new_file, folder / name))
            async for part in self.storage.copied_files(project):
                progress.go_on()
                match part:
                    case CopiedList():
                        head = part
                    case CopiedBytes():
                        await asyncio.to_thread(files[0].write, part.data)
                    case NamedBlobs():
                        lines = "".join([f"{blob.id} {blob.bytes}\n" for blob in part.blobs]).encode()
                        await asyncio.to_thread(files[1].write, lines)
            for file in files:
                await asyncio.to_thread(_synced, file)
            if head is None:
                for name in (LIST_OF_OBJECTS, LIST):
                    (folder / name).unlink()
                return BackedUpObjects(0, 0, 0, 0, rfc3339(self.clock.now()), 0)
            await asyncio.to_thread(write_synced, folder / KEY, head.wrapped + "\n")
        except OSError as error:
            raise disk_problem(error) from error
        finally:
            for file in files:
                file.close()
        taken_at = rfc3339(head.taken_at)
        return BackedUpObjects(head.objects, head.bytes, head.blobs, head.blob_bytes, taken_at, head.changed_at)

    async def copy_blobs(self, project: str, folder: Path, progress: Progress) -> None:
        """Copy the blobs that the archive lacks. The caller holds the lock of the project on the shelf.

        Raises: the problems of `copy`; ObjectDamaged if a blob is missing.
        """
        lacking, needed = 0, 0
        for batch in _batches(_listed(folder)):
            some = await self.shelf.lacking(project, batch)
            lacking += len(some)
            needed += sum(blob.bytes for blob in some)
        if not lacking:
            return
        await self.archive.check_room(needed)
        counted = _Counted(progress, needed)
        for batch in _batches(_listed(folder)):
            some = await self.shelf.lacking(project, batch)
            await _at_once(some, lambda blob: self._copy_blob(project, blob, counted))
        await self.shelf.sync(project)

    async def release(self, project: str) -> None:
        try:
            await self.storage.release_files(project)
        except Problem as problem:  # Storage ends the copy by itself later
            log.warning("a copy of files was not ended", project=project, reason=problem.detail)

    async def verify(self, backup: Backup, folder: Path, deep: bool, progress: Progress) -> None:
        """Check the list of objects, and that each blob is in the archive with its size.

        `deep`: also decrypt each blob. Raises: BackupDamaged, and the problems of Storage.
        """
        objects = backup.objects
        if objects is None or not (folder / LIST_OF_OBJECTS).exists():
            if objects is not None and objects.blobs:
                raise BackupDamaged(f"{LIST_OF_OBJECTS} of this backup is missing.", file=LIST_OF_OBJECTS)
            return
        for batch in _batches(_listed(folder)):
            progress.go_on()
            for blob in await self.shelf.lacking(backup.project, batch):
                raise blob_damaged(blob.id, f"it is missing, or has not {blob.bytes} bytes")
        id = new_id("rst")
        try:
            found = await self._begin(
                backup.project, NewRestore(id, backup.project, _key(folder), True), folder, progress
            )
            if (found.objects, found.bytes, found.blobs) != (objects.objects, objects.bytes, objects.blobs):
                raise BackupDamaged("The files of the backup differ from its manifest.", file=LIST_OF_OBJECTS)
            await self._check_blobs(backup, id, folder, deep, progress)
        finally:
            await self.abort(backup.project, id)

    async def send(self, project: str, backup: Backup, id: str, folder: Path, progress: Progress) -> None:
        """Begin a restore, and send Storage the list of objects and the blobs that the project lacks.

        Raises: BackupDamaged, and the problems of Storage.
        """
        self.live.add(id)
        wrapped = _key(folder) if (folder / LIST_OF_OBJECTS).exists() else ""
        await self._begin(project, NewRestore(id, backup.project, wrapped), folder, progress)
        counted = _Counted(progress, 0)
        async for part in self.storage.lacking_blobs(project, id):
            counted.total += sum(blob.bytes for blob in part.blobs)
            await _at_once(part.blobs, lambda blob: self._send_blob(project, backup.project, id, blob, counted))

    async def prepare(self, project: str, id: str) -> None:
        await self.storage.prepare_restore(project, id)

    async def commit(self, project: str, id: str) -> None:
        await self.storage.commit_restore(project, id)

    async def abort(self, project: str, id: str) -> None:
        """Forget a restore. If Storage cannot be reached, `settle` does it later."""
        try:
            await self.storage.abort_restore(project, id)
        except Problem as problem:
            log.warning("a restore of files was not ended", project=project, restore=id, reason=problem.detail)

    async def present(self, project: str, folder: Path, progress: Progress) -> BackedUpObjects | None:
        """Copy the present files of a project that is being restored; None if they cannot be read."""
        try:
            objects = await self.copy(project, folder, progress)
            await self.copy_blobs(project, folder, progress)
        except (StorageUnreadable, ObjectDamaged) as unreadable:
            for name in (LIST_OF_OBJECTS, LIST, KEY):
                (folder / name).unlink(missing_ok=True)
            log.warning("files that cannot be read are not in a backup", project=project, reason=unreadable.detail)
            return None
        finally:
            await self.release(project)
        return objects

    async def _begin(self, project: str, new: NewRestore, folder: Path, progress: Progress) -> CopiedList:
        try:
            await self.storage.begin_restore(project, new)
            if new.wrapped:
                async for data in _parts(folder / LIST_OF_OBJECTS):
                    progress.go_on()
                    await self.storage.feed_list(project, new.id, data)
            return await self.storage.restored_list(project, new.id)
        except CopyDamaged as damaged:
            raise BackupDamaged(damaged.detail, file=LIST_OF_OBJECTS) from damaged

    async def _check_blobs(self, backup: Backup, id: str, folder: Path, deep: bool, progress: Progress) -> None:
        """Compare the list of blobs with the list of objects, and decrypt the blobs."""
        listed, project = _listed(folder), backup.project
        counted = _Counted(progress, backup.objects.blob_bytes if backup.objects else 0)
        async for part in self.storage.lacking_blobs(project, id):
            if tuple(islice(listed, len(part.blobs))) != part.blobs:
                raise BackupDamaged(f"{LIST} of this backup does not fit its list of objects.", file=LIST)
            if deep:
                await _at_once(part.blobs, lambda blob: self._send_blob(project, project, id, blob, counted))
        if next(listed, None) is not None:
            raise BackupDamaged(f"{LIST} of this backup does not fit its list of objects.", file=LIST)

    async def _copy_blob(self, project: str, blob: NamedBlob, counted: _Counted) -> None:
        await self.shelf.add(project, blob, self.storage.copied_blob(project, blob.id))
        counted.add(blob.bytes)

    async def _send_blob(self, project: str, source: str, id: str, blob: NamedBlob, counted: _Counted) -> None:
        try:
            async for data, last in self.shelf.parts(source, blob):
                await self.storage.feed_blob(project, id, blob.id, data, last)
                counted.add(len(data))
        except CopyDamaged as damaged:
            raise blob_damaged(blob.id, damaged.detail) from damaged


class _Counted:
    """The progress of a copy of blobs, in bytes."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress = progress
        self.total = total
        self.done = 0

    def add(self, size: int) -> None:
        """Raises: BackupFailed or DeadlineExceeded if the work must stop."""
        self.done += size
        self.progress.tell(self.done, max(self.done, self.total))


async def _at_once(blobs: Iterable[NamedBlob], work: Callable[[NamedBlob], Awaitable[None]]) -> None:
    """Do the work for each blob, AT_ONCE at the same time. The first failure ends the others."""
    left = iter(blobs)

    async def take() -> None:
        for blob in left:
            await work(blob)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(take())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _listed(folder: Path) -> Iterator[NamedBlob]:
    path = folder / LIST
    return listed_blobs(path) if path.exists() else iter(())


def _batches(blobs: Iterator[NamedBlob]) -> Iterator[list[NamedBlob]]:
    while batch := list(islice(blobs, BATCH)):
        yield batch


def _key(folder: Path) -> str:
    try:
        return (folder / KEY).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise BackupDamaged(f"{KEY} of this backup is missing or damaged.", file=KEY) from None


async def _parts(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(_opened, path) as file:
        while data := await asyncio.to_thread(file.read, COPIED_BYTES):
            yield data


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _new_file(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "wb")


def _synced(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
