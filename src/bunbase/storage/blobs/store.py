"""Write, read, list and delete blobs through obstore. The place of a blob is `<project>/<2 hex digits>/<blob id>`.

A blob id is random, so that the keys of users never become paths. A blob is written once and never changes.

The life of a written blob in a folder: obstore writes to `<blob id>#1` and renames it at the end. Then the file and
each new entry of a directory are synced to disk here, because obstore does not sync. After a crash there is either a
whole blob, or a draft that the sweeper deletes.
"""

from __future__ import annotations

import asyncio
import errno
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from bunbase.contracts.bundoc.problems import DiskFull
from bunbase.contracts.storage import StorageUnreachable
from bunbase.pkg.logger import logger
from bunbase.pkg.sealed_sqlite.files import sync_file
from bunbase.pkg.secret_files import sync_directory
from bunbase.storage.settings import StorageSettings

log = logger("storage")

BLOB: Final = re.compile(r"[0-9a-f]{32}")
DRAFT: Final = re.compile(r"[0-9a-f]{32}#\d+")
LOCAL_BUFFER: Final = 1 << 20
S3_BUFFER: Final = 5 << 20  # the smallest part that S3 accepts
NO_SPACE: Final = "No space left"
MOST_KNOWN: Final = 50_000
DELETES_AT_ONCE: Final = 16


class BlobMissing(Exception):
    """There is no such blob."""


def new_blob_id() -> str:
    return secrets.token_hex(16)


class BlobWriter:
    """Writes one blob. Without `close`, nothing stays."""

    def __init__(self, store: BlobStore, project: str, blob: str) -> None:
        self.store = store
        self.path = _path(project, blob)
        self.writer: Any = obstore.open_writer_async(
            store.backend, self.path, buffer_size=store.buffer_bytes, max_concurrency=1
        )

    async def write(self, data: bytes) -> None:
        """Raises: DiskFull, StorageUnreachable."""
        with _faults():
            await self.writer.write(data)

    async def close(self) -> None:
        """Finish the blob, and sync it to disk. Raises: DiskFull, StorageUnreachable."""
        with _faults():
            await self.writer.close()
            await self.store.sync(self.path)

    def abandon(self) -> None:
        """Forget the blob: obstore deletes the draft when nothing refers to the writer. Idempotent."""
        self.writer = None


class BlobStore:
    """`directory`: the folder of the blobs, or None if they are in S3."""

    def __init__(self, backend: Any, directory: Path | None, pool: ThreadPoolExecutor) -> None:
        self.backend = backend
        self.directory = directory
        self.pool = pool
        self.buffer_bytes = S3_BUFFER if directory is None else LOCAL_BUFFER
        self.known: set[str] = set()  # directories whose entry is on disk

    def writer(self, project: str, blob: str) -> BlobWriter:
        return BlobWriter(self, project, blob)

    async def read(self, project: str, blob: str, start: int, end: int) -> memoryview:
        """Return the bytes from `start` to before `end`; fewer if the blob is shorter.

        Raises: BlobMissing, StorageUnreachable.
        """
        with _faults():
            found = await obstore.get_range_async(self.backend, _path(project, blob), start=start, end=end)
            return memoryview(found)

    async def size(self, project: str, blob: str) -> int:
        """Return the bytes of a blob. Raises: BlobMissing, StorageUnreachable."""
        with _faults():
            return int((await obstore.head_async(self.backend, _path(project, blob)))["size"])

    async def delete(self, project: str, blobs: Iterable[str]) -> None:
        """Delete blobs. Idempotent. Raises: StorageUnreachable."""
        turns = asyncio.Semaphore(DELETES_AT_ONCE)

        async def delete(blob: str) -> None:
            async with turns:
                try:
                    with _faults():
                        await obstore.delete_async(self.backend, _path(project, blob))
                except BlobMissing:
                    return

        await asyncio.gather(*[delete(blob) for blob in blobs])

    async def blobs(self, project: str) -> AsyncIterator[tuple[str, datetime]]:
        """Yield the id of each blob of a project, and the time when it was written. Raises: StorageUnreachable."""
        with _faults():
            async for page in obstore.list(self.backend, prefix=f"{project}/"):
                for one in page:
                    name = one["path"].rsplit("/", 1)[-1]
                    if BLOB.fullmatch(name):
                        yield name, one["last_modified"]

    async def any(self, project: str) -> bool:
        """True if a blob of the project exists. Raises: StorageUnreachable."""
        async for _ in self.blobs(project):
            return True
        return False

    async def delete_drafts(self, project: str, before: datetime) -> int:
        """Delete the drafts in the folder that were last written before this time, and return their number."""
        if self.directory is None:
            return 0  # S3 keeps unfinished uploads apart; a lifecycle rule of the bucket ends them
        deleted: int = await self._in_thread(_delete_drafts, self.directory / project, before.timestamp())
        return deleted

    async def delete_project(self, project: str) -> None:
        """Delete all blobs of a project. Idempotent. Raises: StorageUnreachable."""
        if self.directory is not None:
            with _faults():
                await self._in_thread(_delete_tree, self.directory / project)
            self.known = {path for path in self.known if not path.startswith(f"{project}/")}
            return
        some: list[str] = []
        async for blob, _ in self.blobs(project):
            some.append(blob)
            if len(some) == 1000:
                await self.delete(project, some)
                some.clear()
        await self.delete(project, some)

    def free_bytes(self) -> int | None:
        """Return the free space of the folder, or None for S3."""
        return None if self.directory is None else shutil.disk_usage(self.directory).free

    async def sync(self, path: str) -> None:
        if self.directory is not None:
            await self._in_thread(self._sync_file, self.directory / path)

    def _sync_file(self, path: Path) -> None:
        assert self.directory is not None
        sync_file(path)
        sync_directory(path.parent)
        parent = f"{path.parent.parent.name}/{path.parent.name}"
        if parent not in self.known:
            sync_directory(path.parent.parent)
            sync_directory(self.directory)
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known.add(parent)

    async def _in_thread(self, work: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.pool, work, *args)


def open_blobs(settings: StorageSettings, directory: Path, pool: ThreadPoolExecutor) -> BlobStore:
    """Return the store that the settings name. `directory`: the folder of blobs if the settings name no other place."""
    if settings.s3_bucket:
        return BlobStore(_s3(settings), None, pool)
    folder = Path(settings.directory) if settings.directory else directory
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        sync_directory(folder.parent)
    return BlobStore(LocalStore(folder, mkdir=True), folder.resolve(), pool)


def _s3(settings: StorageSettings) -> S3Store:
    given = {
        "region": settings.s3_region,
        "endpoint": settings.s3_endpoint,
        "access_key_id": settings.s3_access_key_id,
        "secret_access_key": settings.s3_secret_access_key,
    }
    config: Any = {name: value for name, value in given.items() if value}
    plain: Any = {"allow_http": True} if settings.s3_endpoint.startswith("http://") else {}
    return S3Store(settings.s3_bucket, prefix=settings.s3_prefix or None, client_options=plain, **config)


def _path(project: str, blob: str) -> str:
    return f"{project}/{blob[:2]}/{blob}"


@contextmanager
def _faults() -> Iterator[None]:
    """Turn the errors of obstore and of the disk into Problems, and a missing blob into BlobMissing."""
    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise BlobMissing(str(error)) from error
    except (BaseError, OSError) as error:
        if NO_SPACE in str(error) or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("Free some space, then try again.") from error
        log.error("blobs cannot be reached", error=repr(error)[:500])
        raise StorageUnreachable("Try again in a moment.", retry_after_seconds=1) from error


def _delete_drafts(directory: Path, before: float) -> int:
    found = [path for path in directory.glob("??/*#*") if DRAFT.fullmatch(path.name)]
    old = [path for path in found if _written_at(path) < before]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _written_at(path: Path) -> float:
    """Return the time of the last write; infinity for a draft that has become a blob meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _delete_tree(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)
        sync_directory(directory.parent)
