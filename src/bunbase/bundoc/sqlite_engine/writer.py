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
from datetime import timedelta
from typing import Any, Final, Protocol, TypeVar, cast

import apsw

from bunbase.bundoc import writes
from bunbase.bundoc.definition import NO_TERMS
from bunbase.bundoc.documents import Stored
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine import change_log
from bunbase.bundoc.sqlite_engine.index_tables import IndexTable
from bunbase.bundoc.sqlite_engine.referring import Written, check_fits, delete
from bunbase.bundoc.sqlite_engine.revisions import Revisions
from bunbase.bundoc.sqlite_engine.tables import Table, add_table
from bunbase.bundoc.writes import Committed, Met, Step
from bunbase.contracts.bundoc import BundocBusy, InvalidDocument
from bunbase.pkg import metrics
from bunbase.pkg.clock import Clock, rfc3339
from bunbase.pkg.errors import InvalidInput, Problem
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

T = TypeVar("T")

Work = Callable[["Transaction"], Any]  # what one savepoint holds


def kept_from(settings: BundocSettings, clock: Clock) -> str:
    """Changes before this are not kept."""
    return rfc3339(clock.now() - timedelta(days=settings.change_days))


class Task(Protocol):
    """Work on collections and indexes: takes its turn among the writes, in a savepoint like theirs."""

    def run(self, transaction: Transaction) -> Any: ...


class Waiting:
    """A piece of work in the queue, and who waits for it."""

    __slots__ = ("answer", "size", "work")

    def __init__(self, work: Work, size: int, answer: asyncio.Future[Any]) -> None:
        self.work = work
        self.size = size
        self.answer = answer


class Writer:
    """`tables` is shared with the readers: a collection appears there once it is on disk."""

    def __init__(
        self,
        connect: Callable[[], apsw.Connection],
        tables: dict[str, Table],
        pool: ThreadPoolExecutor,
        settings: BundocSettings,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self.connect = connect
        self.tables = tables
        self.pool = pool
        self.settings = settings
        self.clock = clock
        self.changed = changed
        self.loop = asyncio.get_running_loop()
        self.connection: apsw.Connection | None = None
        self.revisions: Revisions | None = None
        self.log_pages = 0
        self.queue: deque[Waiting] = deque()
        self.queued_bytes = 0
        self.asides: deque[tuple[Callable[[apsw.Connection], Any], asyncio.Future[Any]]] = deque()
        self.draining = False
        self.lock = threading.Condition()

    def commit(self, steps: tuple[Step, ...], depth: int = 0) -> asyncio.Future[Committed]:
        """Do all steps or none; done when they are on disk. Raises: BundocBusy, and what is wrong with a step."""
        size = sum([writes.size(step.write) for step in steps])
        return self.submit(lambda transaction: transaction.do(steps, depth), size)

    async def prune(self) -> int:
        """Delete some changes that are kept no longer; give how many. Raises: BundocBusy."""
        most, not_before = self.settings.changes, kept_from(self.settings, self.clock)
        return cast(int, await self.submit(lambda work: change_log.prune(work.connection, most, not_before), 0))

    def submit(self, work: Work, size: int) -> asyncio.Future[Any]:
        """Queue a piece of work; its future is done when it is on disk. Raises: BundocBusy."""
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
        """Do `work` on this connection between two batches, outside of any transaction."""
        answer: asyncio.Future[T] = self.loop.create_future()
        with self.lock:
            self.asides.append((work, answer))
            self._wake()
        return answer

    def close(self) -> None:
        """Finish what is queued, bring the log into the file, close. Call it in a thread outside the pool."""
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
            if batch := self._take():
                results = self._committed(batch)
                self.loop.call_soon_threadsafe(self._answer, list(zip(batch, results, strict=True)))
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
            self.loop.call_soon_threadsafe(_fail, answer, error)
        else:
            self.loop.call_soon_threadsafe(_give, answer, result)

    def _go_on(self) -> None:
        with self.lock:
            if self.queue or self.asides:
                self.pool.submit(self._drain)
            else:
                self.draining = False
                self.lock.notify_all()

    def _take(self) -> list[Waiting]:
        with self.lock:
            batch = [self.queue.popleft() for _ in range(min(len(self.queue), self.settings.batch_writes))]
            self.queued_bytes -= sum(waiting.size for waiting in batch)
        return [waiting for waiting in batch if not waiting.answer.cancelled()]

    def _committed(self, batch: list[Waiting]) -> list[Any]:
        """Do the batch in one transaction. If that fails, it fails for all: none of it is on disk."""
        try:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            assert self.revisions is not None  # as is the connection
            now, most = rfc3339(self.clock.now()), self.settings.max_collections
            transaction = Transaction(connection, self.tables, self.revisions, most, now)
            results = [transaction.attempt(waiting.work) for waiting in batch]
            self.revisions.fold(connection)
            change_log.append(connection, transaction.entries)
            with metrics.bundoc_commit_seconds.time():
                connection.execute("COMMIT")
        except Exception as error:
            self._roll_back()
            return [error] * len(batch)
        self._show(transaction)
        metrics.bundoc_commit_writes.observe(len(batch))
        metrics.bundoc_commit_bytes.observe(sum(waiting.size for waiting in batch))
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
            self.revisions = Revisions(self.connection)
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

    def _answer(self, results: list[tuple[Waiting, Any]]) -> None:
        for waiting, result in results:
            if waiting.answer.done():
                continue
            if isinstance(result, Exception):
                waiting.answer.set_exception(result)
            else:
                waiting.answer.set_result(result)
        self.changed()


def _give(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


class Transaction:
    """The work of one batch, each piece in a savepoint of its own.

    `changed`: collections that did not exist before, or have other indexes now; None for those dropped. `seq`: the
    newest change; `entries`: what the log gets at the end. `depth`: of the write that is being done, and of all that
    follows from it, such as the end of a document that stands in its way.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        tables: dict[str, Table],
        revisions: Revisions,
        max_tables: int,
        now: str,
    ) -> None:
        self.connection = connection
        self.tables = tables
        self.revisions = revisions
        self.max_tables = max_tables
        self.now = now
        self.changed: dict[str, Table | None] = {}
        self.seq = change_log.ends(connection)[1]
        self.depth = 0
        self.entries: list[change_log.Row] = []

    def attempt(self, work: Work) -> Any:
        """Do one piece of work; what is wrong with it alone is its result, and it leaves no trace."""
        known, seq = dict(self.changed), self.seq
        self.connection.execute("SAVEPOINT one")
        try:
            result = work(self)
        except FATAL:
            raise
        except Exception as error:
            self.connection.execute("ROLLBACK TO one")
            self.connection.execute("RELEASE one")
            del self.entries[len(self.entries) - (self.seq - seq) :]
            self.seq, self.changed = seq, known
            return error
        self.connection.execute("RELEASE one")
        return result

    def do(self, steps: tuple[Step, ...], depth: int = 0) -> Committed:
        """Raises: what is wrong with the first bad step, its number as `write`."""
        results: list[Stored | None] = []
        created: list[bool] = []
        self.depth = depth
        try:
            for step in steps:
                known = len(self.entries)
                results.append(self._do(step))
                created.append(len(self.entries) > known and self.entries[-1][1] == "create")
        except Problem as problem:
            problem.extra["write"] = len(results)
            raise
        finally:
            self.depth = 0
        return Committed(self.seq, tuple(results), tuple(created))

    def _do(self, step: Step) -> Stored | None:
        collection, write = step.collection, step.write
        table = self.table(collection)
        before = self._living(collection, table, write.id) if table is not None else None
        met = Met(before, self.now, self._last(collection, table, before, write.id))
        if step.guard is None:
            after = writes.outcome(write, met)
        else:
            terms = table.terms if table is not None else NO_TERMS
            after = step.guard.outcome(collection, terms, write, met, self.lookup)
        if after is before:
            return after
        if after is not None and table is not None:
            if table.expires and self._clear_way(collection, table, after):
                return self._do(step)  # what has ended may have taken this document along, or changed it
            try:
                if table.terms.schema is not None or table.references:  # few have one: the rest is spared 0.3 µs
                    check_fits(self, Written(collection, table, before, after, step.guard))
            except InvalidDocument as problem:
                if step.guard is None:
                    raise
                step.guard.refused(problem, collection, table.terms, write, before, self.now, self.lookup)
        if table is None:
            table = self.begin(collection)
        if after is None:
            assert before is not None  # there is nothing else to delete
            delete(self, collection, before)
            return None
        if before is None:
            table.insert(self.connection, after)
            if after.rev > 1:
                self.revisions.revive(self.connection, table.number, after.id)
        else:
            table.update(self.connection, after)
        self.log(collection, before, after)
        return after

    def lookup(self, collection: str, id: str) -> Stored | None:
        table = self.table(collection)
        return None if table is None else table.get(self.connection, id)

    def remove(self, collection: str, table: Table, document: Stored) -> None:
        """Delete the document, and remember which revision it had."""
        table.delete(self.connection, document.id)
        self.revisions.end(self.connection, table.number, document.id, document.rev)
        self.log(collection, document, None)

    def expire(self, collection: str, table: Table) -> bool:
        """Delete some documents whose time has passed; say whether there were any that could be."""
        ended = table.expired(self.connection)
        try:
            for document in ended:
                self._end(collection, table, document)
        except BundocBusy:
            return False  # the next time is soon
        return bool(ended)

    def _living(self, collection: str, table: Table, id: str) -> Stored | None:
        """Give the document; nothing whose time has passed holds its id afterwards."""
        found = table.get(self.connection, id)
        if found is None and table.expires and (ended := table.stored(self.connection, id)) is not None:
            self._end(collection, table, ended)
        return found

    def _last(self, collection: str, table: Table | None, before: Stored | None, id: str) -> int:
        """Return what the next revision of the id must be above, besides that of the document itself."""
        if before is not None:
            return self.revisions.floor
        return self.revisions.last(self.connection, collection, table.number if table else None, id)

    def _clear_way(self, collection: str, table: Table, after: Stored) -> bool:
        """Delete what has ended and holds what a unique index keeps apart; say whether there was any."""
        unique = [index for index in table.indexes if isinstance(index, IndexTable) and index.definition.unique]
        holders = {id for index in unique for id in index.in_the_way(self.connection, after)}
        ended = [table.stored(self.connection, id) for id in holders if table.get(self.connection, id) is None]
        for document in ended:
            assert document is not None  # an index has it
            self._end(collection, table, document)
        return bool(ended)

    def _end(self, collection: str, table: Table, document: Stored) -> None:
        """Delete a document, with what follows from that; time passes even if nothing can.

        Raises: BundocBusy while it cannot be known what follows.
        """
        result = self.attempt(lambda transaction: delete(transaction, collection, document, always=True))
        if isinstance(result, Problem) and not isinstance(result, BundocBusy):
            log.warning("documents that refer to an ended one were left", collection=collection, reason=result.detail)
            self.remove(collection, table, document)
        elif isinstance(result, Exception):
            raise result

    def log(self, collection: str, before: Stored | None, after: Stored | None) -> None:
        self.seq += 1
        op = "delete" if after is None else "create" if before is None else "update"
        left = after or before
        assert left is not None
        self.entries.append((self.seq, op, collection, left.id, left.rev, self.now, self.depth))

    def table(self, collection: str) -> Table | None:
        return self.changed[collection] if collection in self.changed else self.tables.get(collection)

    def begin(self, collection: str) -> Table:
        if len(self.tables.keys() | self.changed.keys()) >= self.max_tables:
            message = f"This project has {self.max_tables} collections, the most there may be."
            raise InvalidInput(message, errors=[{"path": "/collection", "message": message}])
        table = self.changed[collection] = add_table(self.connection, collection, self.now)
        return table
