"""One open file of a project. One connection writes, in one transaction at a time; other connections read.

Each transaction is durable when `write` returns, because SQLite syncs its log at each commit (`synchronous=full`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Final, TypeVar

import apsw

from bunbase.contracts.bundoc.problems import DiskFull
from bunbase.contracts.storage import StorageBusy, StorageUnreadable
from bunbase.pkg.sealed_sqlite.connection import DATABASE, TimeBound, connect
from bunbase.pkg.sealed_sqlite.faults import FileUnreadable, is_lasting
from bunbase.pkg.sealed_sqlite.files import is_missing
from bunbase.pkg.sealed_sqlite.scanners import Scan, Scanners
from bunbase.storage.store.buckets import BucketRow, bucket_named
from bunbase.storage.store.tables import upgrade_tables

T = TypeVar("T")

STATEMENT_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.01
WAIT_SECONDS: Final = 20.0  # the time that a write waits for its turn


class ProjectFile:
    """The open file of one project. `roots`: the root keys of the project, by id. `proven_at`: the time at which BunKMS
    last confirmed the key.

    `users`: the number of tasks that use the file now. `broken`: true if the file must be opened again. `buckets`: the
    rows of buckets that were read, by name; a write of buckets calls `forget_buckets`. `on_written()` is called after
    each transaction.
    """

    def __init__(self, directory: Path, key: bytes, pool: ThreadPoolExecutor) -> None:
        path = directory / DATABASE
        self.pool = pool
        self.writer = connect(path, key)
        try:
            upgrade_tables(self.writer)
            self.writer.pragma("foreign_keys", True)
            self.bound = TimeBound(self.writer, STATEMENT_SECONDS)
            self.roots = {id: bytes(root) for id, root in self.writer.execute("SELECT id, key FROM roots")}
            self.looker = connect(path, key)
        except BaseException:
            self.writer.close()
            raise
        self.readers = Scanners(lambda: connect(path, key))
        self.look_bound = TimeBound(self.looker, LOOK_SECONDS)
        self.turn = asyncio.Lock()
        self.again = asyncio.Lock()
        self.key = key
        self.wrapped = ""
        self.proven_at = 0.0
        self.used_at = 0.0
        self.buckets: dict[str, BucketRow] = {}
        self.bucket_writes = 0
        self.users = 0
        self.unused = asyncio.Event()
        self.unused.set()
        self.closing = False
        self.closed = threading.Lock()
        self.broken = False
        self.on_written: Callable[[], None] = lambda: None

    @property
    def root(self) -> tuple[int, bytes]:
        """The id and the key that seals new blobs."""
        newest = max(self.roots)
        return newest, self.roots[newest]

    async def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Return the result of `work` in one read transaction. Raises: StorageUnreadable, StorageBusy."""
        scan = Scan(time.monotonic() + STATEMENT_SECONDS)
        try:
            return await self._in_thread(lambda: scan.do(self.readers.read, work))
        except asyncio.CancelledError:
            scan.unwanted = True
            raise

    async def look(self, work: Callable[[apsw.Connection], T]) -> T:
        """Return the result of `work` in one read transaction in the event loop. `work` looks up a few rows by their
        keys; in a thread, this would take twice as long. If it takes longer than expected, a thread does it again.

        Raises: StorageUnreadable, StorageBusy.
        """
        self.look_bound.start()
        try:
            self.looker.execute("BEGIN")
            try:
                return work(self.looker)
            finally:
                if self.looker.in_transaction:
                    self.looker.execute("ROLLBACK")
        except apsw.Error:
            return await self.read(work)

    async def bucket(self, name: str) -> BucketRow:
        """Return the row of a bucket, which is usually in memory. Raises: BucketNotFound."""
        found = self.buckets.get(name)
        if found is None:
            writes = self.bucket_writes
            found = await self.read(lambda connection: bucket_named(connection, name))
            if writes == self.bucket_writes:  # otherwise the row may be older than a write
                self.buckets[name] = found
        return found

    def forget_buckets(self) -> None:
        self.bucket_writes += 1
        self.buckets.clear()

    async def write(self, work: Callable[[apsw.Connection], T]) -> T:
        """Return the result of `work` in one transaction, which is then on disk. After an exception, nothing changed.

        Raises: StorageUnreadable, StorageBusy, DiskFull, and what `work` raises.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self.turn.acquire()
        except TimeoutError:
            raise StorageBusy("Too many writes wait in this project; try again.", retry_after_seconds=1) from None
        self.enter()  # a cancelled caller leaves the file, which must stay open until the transaction has ended
        task = asyncio.ensure_future(self._in_thread(self._transaction, work))
        task.add_done_callback(self._write_ended)  # a cancelled caller must not let the next write begin too early
        return await asyncio.shield(task)

    async def aside(self, work: Callable[[apsw.Connection], T]) -> T:
        """Return the result of `work` on the connection that writes, between two transactions.

        Raises: StorageUnreadable, StorageBusy, and what `work` raises.
        """
        async with self.turn:
            task = asyncio.ensure_future(self._in_thread(self._aside, work))
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                await asyncio.wait([task])  # the connection must not begin anything else before this has ended
                raise

    def attempt(self, number: int) -> AbstractAsyncContextManager[None]:
        """Return the turn for an attempt of a write that reads, decides and writes. The first attempt (0) needs none.
        Later ones wait for each other, so that many writes of one key at the same time all succeed.
        """
        return self.again if number else nullcontext()

    def close(self) -> None:
        """Close all connections. Idempotent; two threads may call it."""
        with self.closed:
            self.readers.close()
            self.looker.close()
            self.writer.close()

    def enter(self) -> None:
        self.users += 1
        self.unused.clear()

    def leave(self) -> None:
        self.users -= 1
        if not self.users:
            self.unused.set()

    def _write_ended(self, task: asyncio.Future[object]) -> None:
        self.turn.release()
        self.leave()
        if not task.cancelled() and task.exception() is None:
            self.on_written()

    def _aside(self, work: Callable[[apsw.Connection], T]) -> T:
        self.bound.start()
        return work(self.writer)

    def _transaction(self, work: Callable[[apsw.Connection], T]) -> T:
        self.bound.start()
        self.writer.execute("BEGIN IMMEDIATE")
        try:
            result = work(self.writer)
            self.writer.execute("COMMIT")
        except BaseException:
            self.bound.start()
            if self.writer.in_transaction:
                self.writer.execute("ROLLBACK")
            raise
        return result

    async def _in_thread(self, work: Callable[..., T], *args: object) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, work, *args)
        except apsw.Error as error:
            self.broken = self.broken or is_lasting(error)
            raise problem_of(error) from error


def open_file(directory: Path, key: bytes, pool: ThreadPoolExecutor) -> ProjectFile:
    """Open the file of a project. Call this in a thread. Raises: FileUnreadable, apsw.Error."""
    if is_missing(directory / DATABASE):
        raise FileUnreadable("The project's file is missing: restore it from a backup.")
    return ProjectFile(directory, key, pool)


def problem_of(error: apsw.Error) -> Exception:
    """Return the Problem for an error of SQLite, or the error itself if it is a bug of BunBase."""
    match error:
        case apsw.NotADBError() | apsw.CorruptError():
            return StorageUnreadable("The project's file is damaged or was encrypted under another key.")
        case apsw.FullError():
            return DiskFull("Free some space, then try again.")
        case apsw.IOError() | apsw.ReadOnlyError() | apsw.ProtocolError():
            return StorageUnreadable("The disk did not read or write the project's file; nothing is confirmed.")
        case apsw.InterruptError():
            return StorageBusy("The work took too long and was stopped; try again.", retry_after_seconds=1)
        case apsw.BusyError() | apsw.LockedError() | apsw.CantOpenError() | apsw.NoMemError():
            return StorageBusy("Try again in a second.", retry_after_seconds=1)
        case _:
            return error
