"""The blobs of files in the archive: `<directory>/<project>/blobs/<2 hex digits>/<blob id>`, sealed by Storage.

A blob never changes, so that all backups of a project share it: a backup adds only the blobs that the archive lacks.
Each backup has a list of its blobs (`blobs.list`), one line `<id> <bytes>` for each, in the order of the ids. `free`
deletes the blobs that no backup names.

A new backup is not visible while its blobs are copied, so a lock of the project keeps `free` away until it is kept.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import re
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from bunbase.bundoc.backups.engine import disk_problem
from bunbase.contracts.bundoc.backups import BackupDamaged
from bunbase.contracts.storage_copies import COPIED_BYTES, CopiedBytes, NamedBlob
from bunbase.pkg.logger import logger
from bunbase.pkg.secret_files import OWNER_ONLY, sync_directory

log = logger("bundoc")

T = TypeVar("T")

BLOBS: Final = "blobs"
LIST: Final = "blobs.list"
LIST_OF_OBJECTS: Final = "files.db"
PART: Final = ".part"  # the suffix of a blob that is being written
BLOB: Final = re.compile(r"[0-9a-f]{32}")
MAX_LINE: Final = 64


class BlobShelf:
    """The blobs that the backups of a project share. `noted`: projects with a deleted backup, whose blobs may no longer
    be needed.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pool = ThreadPoolExecutor(4, thread_name_prefix="bundoc-blobs")
        self.noted: set[str] = set()
        self.locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, project: str) -> asyncio.Lock:
        """Return the lock to hold while blobs are added, until their backup is kept."""
        return self.locks.setdefault(project, asyncio.Lock())

    def note(self, project: str) -> None:
        self.noted.add(project)

    async def note_all(self) -> None:
        """Note all projects, because a crash may have left blobs that no backup names."""
        self.noted |= await self._in_thread(_projects_in, self.directory)

    async def lacking(self, project: str, named: list[NamedBlob]) -> list[NamedBlob]:
        """Return those blobs that are not in the archive with their size."""
        return await self._in_thread(_lacking, self._folder(project), named)

    async def add(self, project: str, blob: NamedBlob, parts: AsyncIterator[CopiedBytes]) -> None:
        """Write a blob and sync it to disk; `sync` then makes its name survive a crash. Raises: BackupDamaged."""
        path = self._path(project, blob.id)
        part = path.with_name(path.name + PART)
        file = await self._in_thread(_new_file, part)
        try:
            size = 0
            async for one in parts:
                await self._in_thread(_write_all, file, one.data)
                size += len(one.data)
            if size != blob.bytes:
                raise blob_damaged(blob.id, f"it has {size} instead of {blob.bytes} bytes")
            await self._in_thread(os.fsync, file)
        except BaseException:
            await self._in_thread(os.close, file)
            await self._in_thread(os.unlink, part)
            raise
        await self._in_thread(os.close, file)
        await self._in_thread(os.replace, part, path)

    async def sync(self, project: str) -> None:
        await self._in_thread(_sync_folders, self._folder(project))

    async def parts(self, project: str, blob: NamedBlob) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield the bytes of a blob, and True with the last of them. Raises: BackupDamaged."""
        try:
            file = await self._in_thread(os.open, self._path(project, blob.id), os.O_RDONLY)
        except FileNotFoundError:
            raise blob_damaged(blob.id, "it is missing") from None
        try:
            at = 0
            while at < blob.bytes:
                data = await self._in_thread(os.read, file, min(COPIED_BYTES, blob.bytes - at))
                if not data:
                    raise blob_damaged(blob.id, f"it has {at} instead of {blob.bytes} bytes")
                at += len(data)
                yield data, at == blob.bytes
        finally:
            await self._in_thread(os.close, file)

    async def free(self) -> None:
        """Delete the blobs that no backup names, in the noted projects. A project in use comes later."""
        for project in sorted(self.noted):
            lock = self.lock(project)
            if lock.locked():
                continue
            async with lock:
                self.noted.discard(project)
                freed = await self._in_thread(_free, self.directory / project)
                if freed:
                    log.info("blobs that no backup names were deleted", project=project, blobs=freed)

    def close(self) -> None:
        self.pool.shutdown()

    def _folder(self, project: str) -> Path:
        return self.directory / project / BLOBS

    def _path(self, project: str, blob: str) -> Path:
        if not BLOB.fullmatch(blob):
            raise blob_damaged(blob[:40], "this is not the id of a blob")
        return self._folder(project) / blob[:2] / blob

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, work, *args)
        except FileNotFoundError:
            raise
        except OSError as error:
            log.error("the backup directory failed", error=repr(error))
            raise disk_problem(error) from error


def listed_blobs(path: Path) -> Generator[NamedBlob, None, None]:
    """Yield the blobs in the list of a backup. Raises: BackupDamaged."""
    before = ""
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE):
            id, _, size = line.decode("ascii", "replace").rstrip("\n").partition(" ")
            if not BLOB.fullmatch(id) or not size.isdecimal() or id <= before:
                raise BackupDamaged(f"{LIST} of this backup is damaged. Use another backup.", file=LIST)
            before = id
            yield NamedBlob(id, int(size))


def blob_damaged(id: str, why: str) -> BackupDamaged:
    name = f"{BLOBS}/{id}"
    return BackupDamaged(f"The blob {id} of this backup is damaged: {why}. Use another backup.", file=name)


def _new_file(path: Path) -> int:
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _sync_folders(folder: Path) -> None:
    if folder.exists():
        for shard in folder.iterdir():
            sync_directory(shard)
        sync_directory(folder)
        sync_directory(folder.parent)
        sync_directory(folder.parent.parent)


def _lacking(folder: Path, named: list[NamedBlob]) -> list[NamedBlob]:
    return [blob for blob in named if _size(folder / blob.id[:2] / blob.id) != blob.bytes]


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _projects_in(directory: Path) -> set[str]:
    if not directory.exists():
        return set()
    return {path.name for path in directory.iterdir() if (path / BLOBS).is_dir()}


def _free(project: Path) -> int:
    """Delete the blobs that no backup of the project names, and return their number. One folder of blobs at a time is
    in memory.
    """
    folder = project / BLOBS
    if not folder.exists():
        return 0
    freed = 0
    with ExitStack() as open_lists:
        lists = [listed_blobs(path) for path in _lists_of(project)]
        for one in lists:
            open_lists.callback(one.close)
        named = (blob.id for blob in heapq.merge(*lists, key=lambda blob: blob.id))
        wanted = next(named, None)
        for shard in sorted(path for path in folder.iterdir() if path.is_dir()):
            for name in sorted(os.listdir(shard)):
                while wanted is not None and wanted < name:
                    wanted = next(named, None)
                if wanted != name:
                    (shard / name).unlink(missing_ok=True)
                    freed += 1
    return freed


def _lists_of(project: Path) -> list[Path]:
    """Return the lists of all backups with files. Raises: BackupDamaged if one is missing: then no blob is deleted."""
    found = []
    for backup in project.iterdir():
        if (backup / "manifest.json").exists() and (backup / LIST_OF_OBJECTS).exists():
            if not (backup / LIST).exists():
                raise BackupDamaged(f"{LIST} of the backup {backup.name} is missing: delete this backup.", file=LIST)
            found.append(backup / LIST)
    return found
