"""Write, read, list and delete blobs. The place of a blob is `<project>/<2 hex digits>/<blob id>`.

A blob id is random, so that the keys of users never become paths. A blob is written once and never changes.

Blobs in an S3 service are read and written through obstore. Blobs in a folder are read and written by `local.py`,
because obstore syncs nothing to disk, and takes a thread for each step; obstore lists and deletes them.
"""

from __future__ import annotations

import asyncio
import errno
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from bunbase.contracts.bundoc.problems import DiskFull
from bunbase.contracts.storage import StorageUnreachable
from bunbase.pkg.logger import logger
from bunbase.pkg.secret_files import sync_directory
from bunbase.storage.blobs.local import LocalFile, Span, read_spans
from bunbase.storage.settings import StorageSettings

log = logger("storage")

T = TypeVar("T")

BLOB: Final = re.compile(r"[0-9a-f]{32}")
DRAFT: Final = re.compile(r"[0-9a-f]{32}#\d+")
HELD_BYTES: Final = 64 << 10  # a blob of this size needs one step in a thread: its file is made when it is whole
S3_BUFFER: Final = 5 << 20  # the smallest part that S3 accepts
NO_SPACE: Final = "No space left"
MOST_KNOWN: Final = 50_000
DELETES_AT_ONCE: Final = 16


class BlobMissing(Exception):
    """There is no such blob."""


def new_blob_id() -> str:
    return secrets.token_hex(16)


class BlobWriter(Protocol):
    """Writes one blob. Without `close`, nothing stays."""

    async def write(self, *pieces: bytes) -> None:
        """Raises: DiskFull, StorageUnreachable."""
        ...

    async def write_with(self, work: Callable[[], Sequence[bytes]]) -> None:
        """Write the pieces that `work` returns, which runs in a thread. Raises: DiskFull, StorageUnreachable."""
        ...

    async def close(self) -> None:
        """Finish the blob, and sync it to disk. Raises: DiskFull, StorageUnreachable."""
        ...

    def abandon(self) -> None:
        """Forget the blob. Idempotent."""
        ...


class LocalWriter:
    """Writes a blob to a folder. Small pieces wait until they are HELD_BYTES."""

    def __init__(self, store: BlobStore, directory: Path, path: str) -> None:
        self.store = store
        self.path = path
        self.file = LocalFile(directory / path)
        self.held: list[bytes] = []
        self.held_bytes = 0

    async def write(self, *pieces: bytes) -> None:
        self.held += pieces
        self.held_bytes += sum([len(piece) for piece in pieces])
        if self.held_bytes >= HELD_BYTES:
            with _faults():
                await self.store.in_thread(self.file.write, self._taken())

    async def write_with(self, work: Callable[[], Sequence[bytes]]) -> None:
        held = self._taken()
        with _faults():
            await self.store.in_thread(lambda: self.file.write([*held, *work()]))

    async def close(self) -> None:
        with _faults():
            await self.store.in_thread(self._finish, self._taken())

    def abandon(self) -> None:
        self.held.clear()
        if self.file.ended:
            return
        try:
            self.store.pool.submit(self.file.abandon)
        except RuntimeError:  # the server stops, and no other thread uses the file any more
            self.file.abandon()

    def _taken(self) -> list[bytes]:
        taken, self.held, self.held_bytes = self.held, [], 0
        return taken

    def _finish(self, pieces: list[bytes]) -> None:
        self.file.finish(pieces)
        self.store.sync_parents(self.path)


class RemoteWriter:
    """Writes a blob to an S3 service, in parts of S3_BUFFER."""

    def __init__(self, store: BlobStore, path: str) -> None:
        self.store = store
        self.writer: Any = obstore.open_writer_async(store.backend, path, buffer_size=S3_BUFFER, max_concurrency=1)

    async def write(self, *pieces: bytes) -> None:
        with _faults():
            for piece in pieces:
                await self.writer.write(piece)

    async def write_with(self, work: Callable[[], Sequence[bytes]]) -> None:
        await self.write(*await self.store.in_thread(work))

    async def close(self) -> None:
        with _faults():
            await self.writer.close()

    def abandon(self) -> None:
        self.writer = None  # obstore ends the upload when nothing refers to the writer


class BlobStore:
    """`directory`: the folder of the blobs, or None if they are in S3."""

    def __init__(self, backend: Any, directory: Path | None, pool: ThreadPoolExecutor) -> None:
        self.backend = backend
        self.directory = directory
        self.pool = pool
        self.known: set[str] = set()  # directories whose entry is on disk

    def writer(self, project: str, blob: str) -> BlobWriter:
        path = _path(project, blob)
        return RemoteWriter(self, path) if self.directory is None else LocalWriter(self, self.directory, path)

    async def read(self, project: str, blob: str, start: int, end: int) -> memoryview:
        """Return the bytes from `start` to before `end`; fewer if the blob is shorter.

        Raises: BlobMissing, StorageUnreachable.
        """
        return await self.read_with(project, blob, [(start, end)], lambda found: found[0])

    async def read_with(
        self, project: str, blob: str, spans: Sequence[Span], work: Callable[[list[memoryview]], T]
    ) -> T:
        """Return the result of `work` with the bytes of each span. It runs in a thread: that which reads the folder.

        Raises: BlobMissing, StorageUnreachable, and what `work` raises.
        """
        path = _path(project, blob)
        with _faults():
            if self.directory is not None:
                whole = self.directory / path
                return await self.in_thread(lambda: work(read_spans(whole, spans)))
            starts, ends = [start for start, _ in spans], [end for _, end in spans]
            ranges = await obstore.get_ranges_async(self.backend, path, starts=starts, ends=ends)
        return await self.in_thread(work, [memoryview(found) for found in ranges])

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
        return await self.in_thread(_delete_drafts, self.directory / project, before.timestamp())

    async def delete_project(self, project: str) -> None:
        """Delete all blobs of a project. Idempotent. Raises: StorageUnreachable."""
        if self.directory is not None:
            with _faults():
                await self.in_thread(_delete_tree, self.directory / project)
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

    def sync_parents(self, path: str) -> None:
        """Sync the entries of the directories above a new blob to disk, if they are new. Call this in a thread."""
        assert self.directory is not None
        parent = path.rpartition("/")[0]
        if parent not in self.known:
            sync_directory((self.directory / parent).parent)
            sync_directory(self.directory)
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known.add(parent)

    async def in_thread(self, work: Callable[..., T], *args: Any) -> T:
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
