"""The archive of finished backups. A backup is a folder of files and a manifest. An incomplete backup is not visible.

<directory>/<project>/<backup>/data.db  key.json  manifest.json  manifest.mac
<directory>/<project>/schedule.json
<directory>/.drafts/<backup>/           a backup that is being written; deleted at the next start
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec

from bunbase.bundoc.backups.engine import Progress, disk_problem
from bunbase.bundoc.backups.proofs import Proofs, StoredManifest, unreadable
from bunbase.contracts.bundoc.backups import (
    BackedUpFile,
    Backup,
    BackupDamaged,
    BackupNotFound,
    BackupSchedule,
    Manifest,
)
from bunbase.contracts.bundoc.problems import DiskFull
from bunbase.pkg.logger import logger
from bunbase.pkg.secret_files import replace_secret_file, sync_directory, write_synced

log = logger("bundoc")

T = TypeVar("T")

MANIFEST: Final = "manifest.json"
MAC: Final = "manifest.mac"
MAX_MAC_BYTES: Final = 1024
# An empty file reads as this code, so that the backup counts as altered, and not as a backup without a code.
UNREADABLE: Final = "unreadable"
SCHEDULE: Final = "schedule.json"
DRAFTS: Final = ".drafts"
BACKUP: Final = re.compile(r"bkp_[0-9a-z]{26}")  # The id of a backup is also the name of its directory.
PIECE: Final = 1 << 20
# After a new backup, this many bytes must stay free, for writes that arrive during the backup.
SPARE_BYTES: Final = 64 << 20


class BackupArchive(Protocol):
    """Stores finished backups.

    `DirectoryArchive` stores them in a directory. Another implementation could use an object store.

    Every method may raise DiskFull and BackupFailed.
    """

    def draft(self, id: str) -> AbstractAsyncContextManager[Path]:
        """Yield an empty local folder to write a backup in. The folder is deleted after the block."""
        ...

    async def keep(self, manifest: Manifest, draft: Path) -> None:
        """Move the files of a draft into the archive, with this manifest. On return, all files are on disk."""
        ...

    async def all(self, project: str) -> list[Backup]:
        """Return the project's backups, newest first.

        A backup whose manifest cannot be read is marked as unreadable.
        """
        ...

    async def one(self, project: str, id: str) -> Backup:
        """Return one backup. Raises: BackupNotFound, BackupDamaged."""
        ...

    def fetched(self, project: str, id: str) -> AbstractAsyncContextManager[Path]:
        """Yield a local folder with the backup's files, for reading only. Raises: BackupNotFound."""
        ...

    async def remove(self, project: str, id: str) -> None: ...

    async def remove_all(self, project: str) -> None: ...

    async def schedule(self, project: str) -> BackupSchedule | None: ...

    async def set_schedule(self, project: str, schedule: BackupSchedule | None) -> None: ...

    async def check_room(self, needed: int) -> None:
        """Check that the disk has `needed` free bytes. Raises: DiskFull."""
        ...

    def close(self) -> None: ...


class DirectoryArchive:
    """An archive in a local directory that nothing else uses. Only the user of this process can read its folders."""

    def __init__(self, directory: Path, proofs: Proofs) -> None:
        self.directory = directory
        self.proofs = proofs
        self.pool = ThreadPoolExecutor(2, thread_name_prefix="bundoc-archive")
        shutil.rmtree(directory / DRAFTS, ignore_errors=True)

    @asynccontextmanager
    async def draft(self, id: str) -> AsyncIterator[Path]:
        path = self.directory / DRAFTS / id
        await self._in_thread(_make_folder, path)
        try:
            yield path
        finally:
            await self._in_thread(_remove_folder, path)

    async def keep(self, manifest: Manifest, draft: Path) -> None:
        text = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
        mac = await self.proofs.make(manifest.project, manifest.id, text)
        await self._in_thread(_keep, text, mac, draft, self._folder(manifest.project, manifest.id))

    async def all(self, project: str) -> list[Backup]:
        found, lost = await self._in_thread(_all, self.directory / project)
        backups = [*await self.proofs.check(project, found), *(unreadable(project, id) for id in lost)]
        return sorted(backups, key=lambda one: one.id, reverse=True)

    async def one(self, project: str, id: str) -> Backup:
        stored = await self._in_thread(_read_manifest, self._folder(project, id))
        return (await self.proofs.check(project, [stored]))[0]

    @asynccontextmanager
    async def fetched(self, project: str, id: str) -> AsyncIterator[Path]:
        yield self._folder(project, id)

    async def remove(self, project: str, id: str) -> None:
        await self._in_thread(_remove_folder, self._folder(project, id))

    async def remove_all(self, project: str) -> None:
        await self._in_thread(_remove_folder, self.directory / project)

    async def schedule(self, project: str) -> BackupSchedule | None:
        return await self._in_thread(_schedule, self.directory / project / SCHEDULE)

    async def set_schedule(self, project: str, schedule: BackupSchedule | None) -> None:
        await self._in_thread(_set_schedule, self.directory / project / SCHEDULE, schedule)

    async def check_room(self, needed: int) -> None:
        await self._in_thread(_check_room, self.directory, needed)

    def close(self) -> None:
        self.pool.shutdown()

    def _folder(self, project: str, id: str) -> Path:
        """Return the folder of a backup. Raises: BackupNotFound."""
        if not BACKUP.fullmatch(id):
            raise no_backup(id)
        return self.directory / project / id

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, work, *args)
        except OSError as error:
            log.error("the backup directory failed", error=repr(error))
            raise disk_problem(error) from error


def list_files(folder: Path, progress: Progress) -> tuple[BackedUpFile, ...]:
    """Return the files of a backup and their SHA-256, without the manifest and its authentication code."""
    names = sorted(path.name for path in folder.iterdir() if path.name not in (MANIFEST, MAC))
    return tuple(BackedUpFile(name, *_sum_file(folder / name, progress)) for name in names)


def check_files(folder: Path, files: tuple[BackedUpFile, ...], progress: Progress) -> None:
    """Compare the files with the manifest. Raises: BackupDamaged, which names the first file that differs."""
    for file in files:
        try:
            found = _sum_file(folder / file.name, progress)
        except FileNotFoundError:
            raise _not_as_written(file.name, "it is missing") from None
        if found != (file.bytes, file.sha256):
            raise _not_as_written(file.name, "its SHA-256 differs from the SHA-256 in the manifest")


def no_backup(id: str) -> BackupNotFound:
    return BackupNotFound(f"This project has no backup {id[:64]}; GET …/backups lists its backups.")


def _sum_file(path: Path, progress: Progress) -> tuple[int, str]:
    sum, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            sum.update(piece)
            size += len(piece)
            progress.go_on()
    return size, sum.hexdigest()


def _not_as_written(name: str, why: str) -> BackupDamaged:
    return BackupDamaged(f"{name} of this backup is damaged: {why}. Use another backup.", file=name)


def _keep(manifest: bytes, mac: str, draft: Path, folder: Path) -> None:
    write_synced(draft / MANIFEST, manifest.decode())
    write_synced(draft / MAC, mac + "\n")
    sync_directory(draft)
    if not folder.parent.exists():
        folder.parent.mkdir(mode=0o700)
        sync_directory(folder.parent.parent)
    draft.rename(folder)
    sync_directory(folder.parent)


def _all(directory: Path) -> tuple[list[StoredManifest], list[str]]:
    """Return the backups whose manifest is readable, and the ids of all other backups."""
    found: list[StoredManifest] = []
    lost: list[str] = []
    if not directory.exists():
        return found, lost
    for folder in (path for path in directory.iterdir() if BACKUP.fullmatch(path.name)):
        where = {"backup": folder.name, "project": directory.name}
        try:
            found.append(_read_manifest(folder))
        except BackupNotFound:  # a crash interrupted a deletion, which deletes the manifest first
            log.warning("a folder without a manifest is not a backup", **where)
        except (BackupDamaged, OSError) as problem:
            log.warning("a backup cannot be read", reason=str(problem), **where)
            lost.append(folder.name)
    return found, lost


def _read_manifest(folder: Path) -> StoredManifest:
    try:
        text = (folder / MANIFEST).read_bytes()
        return StoredManifest(folder.name, text, _mac(folder / MAC), msgspec.json.decode(text, type=Manifest))
    except (FileNotFoundError, NotADirectoryError):
        raise no_backup(folder.name) from None
    except msgspec.MsgspecError as error:
        raise _not_as_written(MANIFEST, str(error)) from error


def _mac(path: Path) -> str:
    """Return the authentication code of a manifest, or "" if an older BunBase wrote the backup without a code."""
    try:
        return path.read_bytes()[:MAX_MAC_BYTES].decode("ascii", "replace").strip() or UNREADABLE
    except FileNotFoundError:
        return ""


def _schedule(path: Path) -> BackupSchedule | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=BackupSchedule)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:  # the schedule is not readable, so the schedule of the instance applies
        log.error("a project's backup schedule is damaged", project=path.parent.name, reason=str(error))
        return None


def _set_schedule(path: Path, schedule: BackupSchedule | None) -> None:
    if schedule is None:
        path.unlink(missing_ok=True)
        return
    _make_folder(path.parent, exist_ok=True)
    replace_secret_file(path, msgspec.json.encode(schedule).decode() + "\n")


def _make_folder(path: Path, exist_ok: bool = False) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=exist_ok)


def _remove_folder(path: Path) -> None:
    """Delete a folder, beginning with the manifest.

    If a crash interrupts the deletion, the remaining files have no manifest, so lists do not show them as a backup.
    """
    if path.exists():
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path)


def _check_room(directory: Path, needed: int) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if free < needed + SPARE_BYTES:
        mib = (needed + SPARE_BYTES - free) >> 20
        raise DiskFull(f"The backup directory needs {mib} MiB more space: free some space, then try again.")
