"""The open file of one project: a reader for the event loop, and scanners and a writer for threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import apsw

from bunbase.bundoc.changes import CommittedBatch
from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.engine import Chunk
from bunbase.bundoc.query.budgets import Limits
from bunbase.bundoc.query.plan import PRIMARY
from bunbase.bundoc.query.rows import Row
from bunbase.bundoc.query.search import Found, Search, nothing_found
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.change_log import changes_since, position
from bunbase.bundoc.sqlite_engine.formats import bring_up, is_older
from bunbase.bundoc.sqlite_engine.light import is_light
from bunbase.bundoc.sqlite_engine.moment import SqliteMoment
from bunbase.bundoc.sqlite_engine.searching import Searching
from bunbase.bundoc.sqlite_engine.sql_functions import IN_A_SCAN, prepare
from bunbase.bundoc.sqlite_engine.tables import FORMAT, Table, format_of, tables_of
from bunbase.bundoc.sqlite_engine.watch import LOOP_DOCUMENTS, LoopWatch, Watch, learn_room
from bunbase.bundoc.sqlite_engine.writer import Writer
from bunbase.contracts.bundoc.documents import Changes
from bunbase.contracts.bundoc.problems import DataUnreadable, QueryNeedsIndex
from bunbase.pkg.clock import Clock
from bunbase.pkg.logger import logger
from bunbase.pkg.sealed_sqlite.connection import DATABASE, TimeBound, connect, holds_nothing, set_cache
from bunbase.pkg.sealed_sqlite.files import is_missing
from bunbase.pkg.sealed_sqlite.scanners import Scanners, note_scan

log = logger("bundoc")

T = TypeVar("T")

# The event loop reads at most this much. A thread reads a longer list, which would delay all other requests.
INLINE_ITEMS: Final = 50
INLINE_BYTES: Final = 256 << 10
INLINE_LIMITS: Final = Limits(
    counted=2000,  # 2,000 keys take 0.1 ms
    examined=LOOP_DOCUMENTS,  # 200 small documents take less than a millisecond
    page_bytes=INLINE_BYTES,
)
INLINE_SECONDS: Final = 0.003


class ProjectFile:
    """The connections to one project's file, and the state of the open file.

    `open_project_file` makes a ProjectFile in a thread. The event loop uses it, and a thread closes it.
    `users`: the number of running calls. `unused`: an event that is set while `users` is 0. `closing`: true if no new
    call may begin.
    `key_proven_at`: the time at which BunKMS last confirmed the key, on the clock of `OpenFiles`.
    """

    def __init__(self, path: Path, key: bytes, settings: BundocSettings) -> None:
        self.path = path
        self.key = key
        self.settings = settings
        self.cache_mib = 0
        self.reader = connect(path, key)
        self._prepare_reader()
        self.scanners = Scanners(self._scanner)
        self.scan_turns = asyncio.Semaphore(settings.project_scans)
        self.writer: Writer | None = None
        self.tables: dict[str, Table] = {}
        self.users = 0
        self.unused = asyncio.Event()
        self.unused.set()
        self.closing = False
        self.used_at = 0.0
        self.wrapped_key = ""
        self.key_proven_at = 0.0

    def _prepare_reader(self) -> None:
        self.reader_time = TimeBound(self.reader, self.settings.read_seconds)
        self.reader_watch = LoopWatch(self.reader_time)
        prepare(self.reader, self.reader_watch)
        learn_room(self.reader, self.reader_watch)

    def enter(self) -> None:
        self.users += 1
        self.unused.clear()

    def leave(self) -> None:
        self.users -= 1
        if not self.users:
            self.unused.set()

    def get(self, collection: str, id: str) -> StoredDocument | None:
        """Read one document in the event loop. In a thread, such a short read would take twice as long."""
        table = self.tables.get(collection)
        if table is None:
            return None
        self.reader_time.start()
        return table.get(self.reader, id)

    def changes(self, since: int, limit: int) -> Changes:
        """Read changes in the event loop; each change takes a microsecond. Raises: ResyncRequired."""
        self.reader_time.start()
        return changes_since(self.reader, since, limit)

    def position(self) -> tuple[str, int]:
        """Return the epoch, and the number of the newest change that readers see."""
        self.reader_time.start()
        return position(self.reader)

    def page_inline(self, collection: str, after: str, limit: int) -> Chunk | None:
        """Return the page if it is small enough for the event loop, otherwise None."""
        table = self.tables.get(collection)
        if table is None:
            return Chunk((), more=False)
        if limit > INLINE_ITEMS:
            return None
        self.reader_time.start()
        chunk = table.page(self.reader, after, limit, INLINE_BYTES)
        return None if chunk.more and len(chunk.items) < limit else chunk

    def search_inline(self, collection: str, search: Search) -> Found | None:
        """Return the page if an index or the order of ids finds it in few steps, otherwise None."""
        if search.limit > INLINE_ITEMS or search.residual or search.shown or not is_light(search):
            return None
        if search.explain:
            return None  # Advice plans the search many times, which takes too long here.
        self.reader_watch.start(INLINE_SECONDS)
        self.reader.execute("BEGIN")
        try:
            return self._searching(
                self.reader,
                collection,
                search,
                lambda one: one.found_inline(INLINE_LIMITS),
                nothing_found,
                self.reader_watch,
            )
        except (QueryNeedsIndex, apsw.InterruptError):
            return None  # A thread has more time.
        finally:
            self.reader_time.start()
            if self.reader.in_transaction:
                self.reader.execute("ROLLBACK")  # Nothing is lost, because the transaction only read.
            self._prove_reader()

    def _prove_reader(self) -> None:
        """Open the reader again if it holds a snapshot, because all later reads would see this old state."""
        if holds_nothing(self.reader):
            return
        log.error("an inline search left a cursor or a transaction open; the reader is opened again")
        self.reader.close()
        self.reader = connect(self.path, self.key)
        self._prepare_reader()
        if self.cache_mib:
            set_cache(self.reader, self.cache_mib)

    def page(self, collection: str, after: str, limit: int) -> Chunk:
        """Read a page of a list in a thread."""
        table = self.tables.get(collection)
        if table is None:  # The collection was dropped while this call waited.
            return Chunk((), more=False)
        return self.scanned(lambda scanner: table.page(scanner, after, limit))

    def snapshot(self, work: Callable[[Lookup], T]) -> T:
        """Call `work` in a thread with a function that looks up documents in one snapshot."""

        def at_one_moment(scanner: apsw.Connection) -> T:
            def lookup(collection: str, id: str) -> StoredDocument | None:
                table = self.tables.get(collection)
                return None if table is None else table.get(scanner, id)

            return work(lookup)

        return self.scanned(at_one_moment)

    def moment(self, work: Callable[[SqliteMoment], T]) -> T:
        """Call `work` in a thread with one snapshot of the whole project."""
        return self.scanned(lambda scanner: work(SqliteMoment(scanner, self.tables)))

    def search(self, collection: str, search: Search) -> Found:
        """Search in a thread. Raises: QueryNeedsIndex."""
        return self.scanned(
            lambda scanner: self._searching(scanner, collection, search, Searching.found, nothing_found)
        )

    def explain(self, collection: str, search: Search) -> Found:
        """Return the plan of an aggregate in a thread."""
        return self.scanned(
            lambda scanner: self._searching(scanner, collection, search, Searching.explained, nothing_found)
        )

    def fold(self, collection: str, search: Search, fold: Callable[[Iterator[Row]], T]) -> T:
        """Call `fold` in a thread with the rows of all documents that match the filter. Raises: QueryNeedsIndex."""
        return self.scanned(
            lambda scanner: self._searching(
                scanner, collection, search, lambda one: fold(one.rows()), lambda _: fold(iter(()))
            )
        )

    def scanned(self, work: Callable[[apsw.Connection], T]) -> T:
        """Do `work` in one read transaction of the current scan. Call this in a thread."""
        return self.scanners.read(work)

    def _searching(
        self,
        scanner: apsw.Connection,
        collection: str,
        search: Search,
        work: Callable[[Searching], T],
        nothing: Callable[[Search], T],
        watch: Watch = IN_A_SCAN,
    ) -> T:
        tables = dict(self.tables)  # The copy lets the whole search see the same collections.
        table = tables.get(collection)
        if table is None:
            return nothing(search)

        def lookup(collection: str, id: str) -> StoredDocument | None:
            other = tables.get(collection)
            return None if other is None else other.get(scanner, id)

        settled = search.settled(lookup)
        if settled.nothing:
            return nothing(settled)
        searching = Searching(scanner, table, settled, lookup, watch)
        try:
            return work(searching)
        finally:
            searching.close()
            note_scan(searching.plan.index.name if searching.plan.index else PRIMARY, searching.budget.examined)

    def write_with(
        self,
        pool: ThreadPoolExecutor,
        clock: Clock,
        on_commit: Callable[[CommittedBatch | None], None],
        followed: Callable[[], bool],
    ) -> Writer:
        """Return the writer. Call this in the event loop, where `on_commit` is called after each commit."""
        if self.writer is None:
            self.writer = Writer(self._connect, self.tables, pool, self.settings, clock, on_commit, followed)
        return self.writer

    def resize_cache(self, mib: int) -> None:
        """Set the page cache of the reader, which serves nearly all reads."""
        if mib != self.cache_mib:
            self.cache_mib = mib
            set_cache(self.reader, mib)

    def close(self) -> None:
        """Finish the queued writes, write SQLite's log into the file, close all connections, and forget the key."""
        try:
            if self.writer is not None:
                self.writer.close()
        finally:
            self.scanners.close()
            self.reader.close()
            self.key = b""

    def _scanner(self) -> apsw.Connection:
        connection = self._connect()
        prepare(connection)
        return connection

    def _connect(self) -> apsw.Connection:
        """Open a connection for the writer or a scanner.

        The connection keeps SQLite's default of 2 MB of page cache.
        """
        return connect(self.path, self.key)


def open_project_file(directory: Path, key: bytes, settings: BundocSettings) -> ProjectFile:
    """Open a complete file, and bring a file of an older format to today's format.

    Raises: DataUnreadable if the file is missing, empty or of a newer format; apsw.Error for every other fault.
    """
    path = directory / DATABASE
    if is_missing(path):
        raise DataUnreadable("The project's file is missing or empty.")
    file = ProjectFile(path, key, settings)
    try:
        if is_older(file.reader):
            bring_up(file.reader)
        found = format_of(file.reader)
        if found != FORMAT:
            raise DataUnreadable(f"The project's file has format {found}; this version of BunBase reads {FORMAT}.")
        file.tables.update(tables_of(file.reader))
    except BaseException:
        file.close()
        raise
    return file
