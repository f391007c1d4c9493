"""Group commit: one writer per project drains its queue, one transaction and one fsync a drain, answers after that.

A drain runs in a thread of a pool that all projects share, and goes to the back of the pool's queue when there is
more to do: a busy project cannot keep the others from the disk.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import apsw

from bunbase.bundoc import writes
from bunbase.bundoc.documents import Stored
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.tables import Table, add_table
from bunbase.bundoc.writes import Write
from bunbase.contracts.bundoc import BundocBusy
from bunbase.pkg.clock import Clock, rfc3339
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.logger import logger

log = logger("bundoc")

CHECKPOINT_PAGES: Final = 1000  # 4 MB of log: a checkpoint of that takes about 20 ms
DRAIN_SECONDS: Final = 30.0
RETRY_AFTER_SECONDS: Final = 1

# what goes wrong with the file, not with one write: nothing of the batch may count as done
FATAL: Final = (
    apsw.FullError,
    apsw.IOError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    MemoryError,
)

Result = Any  # what a write or task gives, or the Exception it ended in


class Task(Protocol):
    """Work on collections and indexes: takes its turn among the writes, in a savepoint like theirs."""

    def run(self, transaction: Transaction) -> Any: ...


class Waiting:
    """A write in the queue, and who waits for it."""

    __slots__ = ("answer", "collection", "size", "write")

    def __init__(self, collection: str, write: Write | Task, answer: asyncio.Future[Any]) -> None:
        self.collection = collection
        self.write = write
        self.answer = answer
        self.size = writes.size(write) if isinstance(write, Write) else 0


class Writer:
    """`tables` is shared with the readers: a collection appears there once it is on disk."""

    def __init__(
        self,
        connect: Callable[[], apsw.Connection],
        tables: dict[str, Table],
        pool: ThreadPoolExecutor,
        settings: BundocSettings,
        clock: Clock,
    ) -> None:
        self.connect = connect
        self.tables = tables
        self.pool = pool
        self.settings = settings
        self.clock = clock
        self.loop = asyncio.get_running_loop()
        self.connection: apsw.Connection | None = None
        self.log_pages = 0
        self.queue: deque[Waiting] = deque()
        self.queued_bytes = 0
        self.draining = False
        self.lock = threading.Condition()

    def submit(self, collection: str, write: Write | Task) -> asyncio.Future[Any]:
        """Queue a write; its future is done when it is on disk. Raises: BundocBusy."""
        waiting = Waiting(collection, write, self.loop.create_future())
        with self.lock:
            full = self.queued_bytes + waiting.size > self.settings.queued_mib << 20
            if len(self.queue) >= self.settings.queued_writes or (full and self.queue):
                raise BundocBusy("Try again in a second.", retry_after_seconds=RETRY_AFTER_SECONDS)
            self.queue.append(waiting)
            self.queued_bytes += waiting.size
            if not self.draining:
                self.draining = True
                self.pool.submit(self._drain)
        return waiting.answer

    def close(self) -> None:
        """Finish what is queued, bring the log into the file, close. Call it in a thread outside the pool."""
        with self.lock:
            if not self.lock.wait_for(lambda: not self.draining, DRAIN_SECONDS):
                log.error("a project's writes did not finish in time", seconds=DRAIN_SECONDS)
                return
        if self.connection is not None:
            self._checkpoint(apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self.connection.close()

    def _drain(self) -> None:
        try:
            batch = self._take()
            results = self._committed(batch)
            self.loop.call_soon_threadsafe(_answer, list(zip(batch, results, strict=True)))
            if self.log_pages >= CHECKPOINT_PAGES:
                self._checkpoint(apsw.SQLITE_CHECKPOINT_PASSIVE)
        finally:
            self._go_on()

    def _go_on(self) -> None:
        with self.lock:
            if self.queue:
                self.pool.submit(self._drain)
            else:
                self.draining = False
                self.lock.notify_all()

    def _take(self) -> list[Waiting]:
        with self.lock:
            batch = [self.queue.popleft() for _ in range(min(len(self.queue), self.settings.batch_writes))]
            self.queued_bytes -= sum(waiting.size for waiting in batch)
        return [waiting for waiting in batch if not waiting.answer.cancelled()]

    def _committed(self, batch: list[Waiting]) -> list[Result]:
        """Do the batch in one transaction. If that fails, it fails for all: none of it is on disk."""
        try:
            connection = self._connected()
            transaction = Transaction(connection, self.tables, self.settings.max_collections, rfc3339(self.clock.now()))
            connection.execute("BEGIN IMMEDIATE")
            results = [transaction.attempt(waiting) for waiting in batch]
            connection.execute("COMMIT")
        except Exception as error:
            self._roll_back()
            return [error] * len(batch)
        self._show(transaction)
        return results

    def _show(self, transaction: Transaction) -> None:
        """Let readers see what is on disk now."""
        for collection, table in transaction.changed.items():
            if table is None:
                self.tables.pop(collection, None)
            else:
                self.tables[collection] = table

    def _connected(self) -> apsw.Connection:
        if self.connection is None:
            self.connection = self.connect()
            self.connection.set_wal_hook(self._committed_pages)
        return self.connection

    def _committed_pages(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self.log_pages = pages
        return apsw.SQLITE_OK

    def _roll_back(self) -> None:
        if self.connection is not None and self.connection.in_transaction:
            try:
                self.connection.execute("ROLLBACK")
            except apsw.Error as error:
                log.warning("a rollback failed", error=repr(error))

    def _checkpoint(self, mode: int) -> None:
        assert self.connection is not None
        try:
            self.connection.wal_checkpoint(mode=mode)
        except apsw.Error as error:  # the log keeps what is not yet in the file
            log.warning("a checkpoint failed", error=repr(error))


class Transaction:
    """The writes of one batch, each in a savepoint of its own.

    `changed`: collections that did not exist before, or have other indexes now; None for those dropped.
    """

    def __init__(self, connection: apsw.Connection, tables: dict[str, Table], max_tables: int, now: str) -> None:
        self.connection = connection
        self.tables = tables
        self.max_tables = max_tables
        self.now = now
        self.changed: dict[str, Table | None] = {}

    def attempt(self, waiting: Waiting) -> Result:
        """Do one write; what is wrong with it alone is its result, and it leaves no trace."""
        known = dict(self.changed)
        self.connection.execute("SAVEPOINT one")
        try:
            write = waiting.write
            result = self._do(waiting.collection, write) if isinstance(write, Write) else write.run(self)
        except FATAL:
            raise
        except Exception as error:
            self.connection.execute("ROLLBACK TO one")
            self.connection.execute("RELEASE one")
            self.changed = known
            return error
        self.connection.execute("RELEASE one")
        return result

    def _do(self, collection: str, write: Write) -> Stored | None:
        table = self.table(collection)
        before = table.get(self.connection, write.id) if table is not None else None
        after = writes.outcome(write, before, self.now)
        if table is None:
            table = self.begin(collection)
        if after is None:
            table.delete(self.connection, write.id)
        elif before is None:
            table.insert(self.connection, after)
        else:
            table.update(self.connection, after)
        return after

    def table(self, collection: str) -> Table | None:
        return self.changed[collection] if collection in self.changed else self.tables.get(collection)

    def begin(self, collection: str) -> Table:
        if len(self.tables) + len(self.changed) >= self.max_tables:
            message = f"This project has {self.max_tables} collections, the most there may be."
            raise InvalidInput(message, errors=[{"path": "/collection", "message": message}])
        table = self.changed[collection] = add_table(self.connection, collection, self.now)
        return table


def _answer(results: list[tuple[Waiting, Result]]) -> None:
    for waiting, result in results:
        if waiting.answer.done():
            continue
        if isinstance(result, Exception):
            waiting.answer.set_exception(result)
        else:
            waiting.answer.set_result(result)
