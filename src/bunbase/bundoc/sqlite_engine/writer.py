"""The writer of a project, with group commit: writes wait in its queue, and a whole batch shares one fsync.

The life of a write:

1. `commit` puts the write into the queue, in the event loop, and returns a future. If the queue is full, it raises
   BundocBusy.
2. The first write in an idle queue submits `_drain` to a pool of threads that all projects share.
3. `_drain` takes up to `batch_writes` pieces of work, runs each in its own savepoint (`transaction.py`, `steps.py`),
   appends their entries to the change log, and commits. The commit is the only fsync.
4. Only after the commit, readers get the new tables, and the event loop sets the results of the futures. So an answer
   means that the write survives a power cut.
5. If more work waits, `_drain` submits itself again, behind the drains of other projects. So a busy project cannot
   block other projects.

If a write fails, only its savepoint is rolled back. If the file itself fails (`FATAL`) or the commit fails, the whole
batch is rolled back, and all of its writes fail with this error.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final, TypeVar, cast

import apsw

from bunbase.bundoc import writes
from bunbase.bundoc.changes import CommittedBatch
from bunbase.bundoc.definition import Definition
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine import before_images, change_log, kept_answers
from bunbase.bundoc.sqlite_engine.revisions import Revisions
from bunbase.bundoc.sqlite_engine.steps import do_once, do_steps
from bunbase.bundoc.sqlite_engine.tables import Table
from bunbase.bundoc.sqlite_engine.transaction import Transaction, Work
from bunbase.bundoc.writes import CommitStep, Committed
from bunbase.contracts.bundoc.problems import BundocBusy
from bunbase.pkg import metrics
from bunbase.pkg.clock import Clock, rfc3339
from bunbase.pkg.idempotency import Attempt
from bunbase.pkg.logger import logger

log = logger("bundoc")

# The log grows to this many pages (16 MB) before a checkpoint, which takes about 80 ms. Bulk writes change the same
# pages of indexes often, and a checkpoint writes each page once. With 4 MB, checkpoints took a fifth of the time of
# writing 60,000 documents.
CHECKPOINT_PAGES: Final = 4000
DRAIN_SECONDS: Final = 30.0
RETRY_AFTER_SECONDS: Final = 1
# A batch does this much work, in microseconds as estimated by `CommitWork`. The rest of the batch waits.
BATCH_WORK: Final = 1_000_000

T = TypeVar("T")


def kept_from(settings: BundocSettings, clock: Clock) -> str:
    """Return the time before which BunBase deletes changes."""
    return rfc3339(clock.now() - timedelta(days=settings.change_days))


class Waiting:
    """A piece of work in the queue, and the future on which its caller waits."""

    __slots__ = ("answer", "size", "work")

    def __init__(self, work: Work, size: int, answer: asyncio.Future[Any]) -> None:
        self.work = work
        self.size = size
        self.answer = answer


class Writer:
    """The writer of one project.

    `tables`: the collections, shared with the readers; a new collection appears in `tables` when it is on disk.
    `on_commit`: a function that is called in the event loop after each batch, with None if the batch failed.
    `followed`: a function that returns True if a follower needs the changes of the next batch with their documents.
    """

    def __init__(
        self,
        connect: Callable[[], apsw.Connection],
        tables: dict[str, Table],
        pool: ThreadPoolExecutor,
        settings: BundocSettings,
        clock: Clock,
        on_commit: Callable[[CommittedBatch | None], None],
        followed: Callable[[], bool] = lambda: False,
    ) -> None:
        self.connect = connect
        self.tables = tables
        self.pool = pool
        self.settings = settings
        self.clock = clock
        self.on_commit = on_commit
        self.followed = followed
        self.loop = asyncio.get_running_loop()
        self.connection: apsw.Connection | None = None
        self.revisions: Revisions | None = None
        self.log_pages = 0
        self.queue: deque[Waiting] = deque()
        self.queued_bytes = 0
        self.asides: deque[tuple[Callable[[apsw.Connection], Any], asyncio.Future[Any]]] = deque()
        self.draining = False
        self.lock = threading.Condition()

    def commit(
        self, steps: tuple[CommitStep, ...], depth: int = 0, attempt: Attempt | None = None, with_bodies: bool = True
    ) -> asyncio.Future[Committed]:
        """Do all steps or none of them. The future is done when the steps are on disk.

        `attempt` has the same meaning as in Engine.commit.

        Raises: BundocBusy. The future raises the error of the first step that fails.
        """
        size = sum([writes.size(step.write) for step in steps])
        if attempt is None:
            return self.submit(lambda transaction: do_steps(transaction, steps, depth, with_bodies), size)
        return self.submit(lambda transaction: do_once(transaction, steps, depth, attempt, with_bodies), size)

    async def prune(self) -> int:
        """Delete a batch of old changes and a batch of old answers. Return the number of deleted rows. Raises:
        BundocBusy.
        """
        most, not_before = self.settings.changes, kept_from(self.settings, self.clock)

        def work(transaction: Transaction) -> int:
            changes = change_log.prune(transaction.connection, most, not_before)
            return changes + kept_answers.fold(transaction.connection, transaction.now)

        return cast(int, await self.submit(work, 0))

    def submit(self, work: Work, size: int) -> asyncio.Future[Any]:
        """Queue a piece of work of `size` bytes. The future is done when the work is on disk. Raises: BundocBusy."""
        waiting = Waiting(work, size, self.loop.create_future())
        with self.lock:
            full = self.queued_bytes + waiting.size > self.settings.queued_mib << 20
            if len(self.queue) >= self.settings.queued_writes or (full and self.queue):
                raise BundocBusy("Try again in a second.", retry_after_seconds=RETRY_AFTER_SECONDS)
            self.queue.append(waiting)
            self.queued_bytes += waiting.size
            self._wake()
        return waiting.answer

    def aside(self, work: Callable[[apsw.Connection], T]) -> asyncio.Future[T]:
        """Do `work` on the writer's connection between two batches, outside of any transaction.

        The rotation of a key needs this connection. If the connection of SQLite's backup changes a page, the backup
        copies this page again; if another connection changes a page, the backup starts again.
        """
        answer: asyncio.Future[T] = self.loop.create_future()
        with self.lock:
            self.asides.append((work, answer))
            self._wake()
        return answer

    def close(self) -> None:
        """Finish the queue, write SQLite's log into the file, and close the connection.

        Call this in a thread outside of the pool, since it waits for a thread of the pool.
        """
        with self.lock:
            if not self.lock.wait_for(lambda: not self.draining, DRAIN_SECONDS):
                log.error("a project's writes did not finish in time", seconds=DRAIN_SECONDS)
                return
        if self.connection is not None:
            self._checkpoint(apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self.connection.close()

    def _wake(self) -> None:
        if not self.draining:
            self.draining = True
            self.pool.submit(self._drain)

    def _drain(self) -> None:
        try:
            if batch := self._take_batch():
                results, committed = self._commit_batch(batch)
                done = list(zip(batch, results, strict=False))
                self._put_back(batch[len(done) :])
                self.loop.call_soon_threadsafe(self._answer, done, committed)
            self._do_aside()
            if self.log_pages >= CHECKPOINT_PAGES:
                self._checkpoint(apsw.SQLITE_CHECKPOINT_PASSIVE)
        finally:
            self._go_on()

    def _do_aside(self) -> None:
        with self.lock:
            if not self.asides:
                return
            work, answer = self.asides.popleft()
        try:
            result = work(self._connected())
        except Exception as error:
            self.loop.call_soon_threadsafe(_set_exception, answer, error)
        else:
            self.loop.call_soon_threadsafe(_set_result, answer, result)

    def _go_on(self) -> None:
        with self.lock:
            if self.queue or self.asides:
                self.pool.submit(self._drain)
            else:
                self.draining = False
                self.lock.notify_all()

    def _take_batch(self) -> list[Waiting]:
        with self.lock:
            batch = [self.queue.popleft() for _ in range(min(len(self.queue), self.settings.batch_writes))]
            self.queued_bytes -= sum(waiting.size for waiting in batch)
        return [waiting for waiting in batch if not waiting.answer.cancelled()]

    def _put_back(self, batch: list[Waiting]) -> None:
        """Put the rest of a batch before all other writes."""
        with self.lock:
            self.queue.extendleft(reversed(batch))
            self.queued_bytes += sum(waiting.size for waiting in batch)

    def _attempts(self, transaction: Transaction, batch: list[Waiting]) -> list[Any]:
        """Do the batch.

        Stop early after much work, because other projects wait for this thread, and callers wait for answers.
        """
        results: list[Any] = []
        for waiting in batch:
            if transaction.worked > BATCH_WORK:
                break
            results.append(transaction.attempt(waiting.work))
        return results

    def _commit_batch(self, batch: list[Waiting]) -> tuple[list[Any], CommittedBatch | None]:
        """Do the batch in one transaction. Return a result or an error for each piece of work, and all changes.

        If the batch ends early, it has fewer results than pieces of work. If the transaction fails, all pieces of work
        get the same error, because nothing of the batch is on disk.
        """
        try:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            assert self.revisions is not None  # `_connected` has set this.
            now, most = rfc3339(self.clock.now()), self.settings.max_collections
            transaction = Transaction(connection, self.tables, self.revisions, most, now, self.followed())
            since = transaction.seq
            results = self._attempts(transaction, batch)
            self.revisions.fold(connection)
            if transaction.kept:
                kept_answers.fold(connection, now, transaction.kept)
            change_log.append(connection, transaction.entries)
            if transaction.images:
                before_images.count(connection, transaction.images, self.settings.before_image_mib << 20)
            with metrics.bundoc_commit_seconds.time():
                connection.execute("COMMIT")
        except Exception as error:
            self._roll_back()
            return [error] * len(batch), None
        redefined = self._redefined(transaction)
        self._show(transaction)
        metrics.bundoc_commit_writes.observe(len(results))
        metrics.bundoc_commit_bytes.observe(sum(waiting.size for waiting in batch[: len(results)]))
        changes = None if transaction.changes is None else tuple(transaction.changes)
        return results, CommittedBatch(transaction.epoch, since, transaction.seq, changes, redefined)

    def _redefined(self, transaction: Transaction) -> frozenset[str]:
        """Return the collections that are new or dropped, or whose terms have changed.

        A change of indexes alone does not count.
        """
        return frozenset(
            name
            for name, table in transaction.altered.items()
            if table is None or (known := self.tables.get(name)) is None or _definition(known) != _definition(table)
        )

    def _show(self, transaction: Transaction) -> None:
        """Let readers see the changed collections.

        Call this only after the commit. Before the commit, a reader could use a table that is rolled back later.
        """
        for collection, table in transaction.altered.items():
            if table is None:
                self.tables.pop(collection, None)
            else:
                self.tables[collection] = table

    def _connected(self) -> apsw.Connection:
        if self.connection is None:
            self.connection = self.connect()
            self.revisions = Revisions(self.connection)
            self.connection.set_wal_hook(self._on_log_grown)
        return self.connection

    def _on_log_grown(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        """Store the length of SQLite's log.

        This hook replaces SQLite's automatic checkpoint, which would run in the commit and delay all writes of the
        batch. `_drain` makes the checkpoint after the answers.
        """
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
        except apsw.Error as error:  # Nothing is lost, since the log keeps all pages that are not in the file yet.
            log.warning("a checkpoint failed", error=repr(error))

    def _answer(self, results: list[tuple[Waiting, Any]], committed: CommittedBatch | None) -> None:
        for waiting, result in results:
            if isinstance(result, Exception):
                _set_exception(waiting.answer, result)
            else:
                _set_result(waiting.answer, result)
        self.on_commit(committed)


def _definition(table: Table) -> tuple[int, Definition]:
    return table.number, table.terms.definition


def _set_result(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _set_exception(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
