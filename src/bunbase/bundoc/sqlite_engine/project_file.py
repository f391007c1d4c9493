"""One project's open file: a reader for the event loop, scanners and a writer for threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import apsw

from bunbase.bundoc.documents import Stored
from bunbase.bundoc.engine import Chunk
from bunbase.bundoc.query.plan import PRIMARY
from bunbase.bundoc.query.search import Found, Search, nothing_found
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.change_log import changes_since
from bunbase.bundoc.sqlite_engine.connection import DATABASE, TimeBound, connect, holds_nothing, set_cache
from bunbase.bundoc.sqlite_engine.formats import bring_up, is_older
from bunbase.bundoc.sqlite_engine.key_file import NAME as KEY_FILE
from bunbase.bundoc.sqlite_engine.light import is_light
from bunbase.bundoc.sqlite_engine.scanners import Scanners, note
from bunbase.bundoc.sqlite_engine.searching import IN_A_SCAN, Limits, Searching, prepare
from bunbase.bundoc.sqlite_engine.tables import (
    FORMAT,
    Table,
    create_format,
    format_of,
    tables_of,
)
from bunbase.bundoc.sqlite_engine.watch import LOOP_DOCUMENTS, LoopWatch, Watch, learn_room
from bunbase.bundoc.sqlite_engine.writer import Writer
from bunbase.bundoc.writes import Lookup
from bunbase.contracts.bundoc import Changes, DataUnreadable, QueryNeedsIndex
from bunbase.pkg.clock import Clock
from bunbase.pkg.logger import logger
from bunbase.pkg.secret_files import sync_directory

log = logger("bundoc")

T = TypeVar("T")

FILES: Final = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm")
SMALLEST_BYTES: Final = 4096  # one page

# what the event loop reads itself; a longer list would be felt by every other request, so a thread reads it
INLINE_ITEMS: Final = 50
INLINE_BYTES: Final = 256 << 10
INLINE_LIMITS: Final = Limits(
    counted=2000,  # keys: 0.1 ms
    examined=LOOP_DOCUMENTS,  # less than a millisecond, if they are small
    page_bytes=INLINE_BYTES,
)
INLINE_SECONDS: Final = 0.003


class ProjectFile:
    """Made in a thread by `open_project_file`, used in the event loop, closed in a thread.

    `users`: calls in progress, `unused` set while there are none; `closing`: no new ones may begin.
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

    def get(self, collection: str, id: str) -> Stored | None:
        """Read in the event loop: handing a point read to a thread would halve its speed."""
        table = self.tables.get(collection)
        if table is None:
            return None
        self.reader_time.start()
        return table.get(self.reader, id)

    def changes(self, since: int, limit: int) -> Changes:
        """Read in the event loop: a change takes a microsecond. Raises: ResyncRequired."""
        self.reader_time.start()
        return changes_since(self.reader, since, limit)

    def page_inline(self, collection: str, after: str, limit: int) -> Chunk | None:
        """Give the page if it is small enough to be read in the event loop, else None."""
        table = self.tables.get(collection)
        if table is None:
            return Chunk((), more=False)
        if limit > INLINE_ITEMS:
            return None
        self.reader_time.start()
        chunk = table.page(self.reader, after, limit, INLINE_BYTES)
        return None if chunk.more and len(chunk.items) < limit else chunk

    def search_inline(self, collection: str, search: Search) -> Found | None:
        """Give the page if an index or the order of ids leads to it in few steps, else None."""
        if search.limit > INLINE_ITEMS or search.residual or search.shown or not is_light(search):
            return None
        self.reader_watch.start(INLINE_SECONDS)
        self.reader.execute("BEGIN")
        try:
            return self._searching(
                self.reader,
                collection,
                search,
                lambda one: one.found_inline(INLINE_LIMITS),
                lambda: nothing_found(search),
                self.reader_watch,
            )
        except (QueryNeedsIndex, apsw.InterruptError):
            return None  # a thread has more time
        finally:
            self.reader_time.start()
            if self.reader.in_transaction:
                self.reader.execute("ROLLBACK")  # it only read
            self._prove_reader()

    def _prove_reader(self) -> None:
        """Open the reader again if it holds a snapshot, which all that the loop reads of this project would be of."""
        if holds_nothing(self.reader):
            return
        log.error("an inline search left something open: the reader is opened again")
        self.reader.close()
        self.reader = connect(self.path, self.key)
        self._prepare_reader()
        if self.cache_mib:
            set_cache(self.reader, self.cache_mib)

    def page(self, collection: str, after: str, limit: int) -> Chunk:
        """Read in a thread."""
        table = self.tables.get(collection)
        if table is None:  # dropped while this waited for its turn
            return Chunk((), more=False)
        return self.scanned(lambda scanner: table.page(scanner, after, limit))

    def snapshot(self, work: Callable[[Lookup], T]) -> T:
        """Look up documents in a thread."""

        def at_one_moment(scanner: apsw.Connection) -> T:
            def lookup(collection: str, id: str) -> Stored | None:
                table = self.tables.get(collection)
                return None if table is None else table.get(scanner, id)

            return work(lookup)

        return self.scanned(at_one_moment)

    def search(self, collection: str, search: Search) -> Found:
        """Search in a thread. Raises: QueryNeedsIndex."""
        return self.scanned(
            lambda scanner: self._searching(scanner, collection, search, Searching.found, lambda: nothing_found(search))
        )

    def fold(self, collection: str, search: Search, fold: Callable[[Iterator[Stored]], T]) -> T:
        """Give every document that fulfils the filter to `fold`, in a thread. Raises: QueryNeedsIndex."""
        return self.scanned(
            lambda scanner: self._searching(
                scanner, collection, search, lambda one: fold(one.all()), lambda: fold(iter(()))
            )
        )

    def scanned(self, work: Callable[[apsw.Connection], T]) -> T:
        """Do `work` in one read transaction of the current scan, in a thread."""
        return self.scanners.run(work)

    def _searching(
        self,
        scanner: apsw.Connection,
        collection: str,
        search: Search,
        work: Callable[[Searching], T],
        nothing: Callable[[], T],
        watch: Watch = IN_A_SCAN,
    ) -> T:
        tables = dict(self.tables)  # of this moment, as the transaction is that the first read begins
        table = tables.get(collection)
        if table is None:
            return nothing()

        def lookup(collection: str, id: str) -> Stored | None:
            other = tables.get(collection)
            return None if other is None else other.get(scanner, id)

        searching = Searching(scanner, table, search, lookup, watch)
        try:
            return work(searching)
        finally:
            searching.close()
            note(searching.plan.index.name if searching.plan.index else PRIMARY, searching.budget.examined)

    def write_with(self, pool: ThreadPoolExecutor, clock: Clock, on_commit: Callable[[], None]) -> Writer:
        """Give the writer; call it in the event loop. `on_commit`: called there after each commit."""
        if self.writer is None:
            self.writer = Writer(self._connect, self.tables, pool, self.settings, clock, on_commit)
        return self.writer

    def resize_cache(self, mib: int) -> None:
        """Give the reader, which serves nearly all, its share; the others follow when they are opened."""
        if mib != self.cache_mib:
            self.cache_mib = mib
            set_cache(self.reader, mib)

    def close(self) -> None:
        """Finish the queue, bring the log into the file, forget the key."""
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
        """Writer and scanners keep SQLite's own 2 MB of cache: nearly all reads are the reader's."""
        return connect(self.path, self.key)


def open_project_file(directory: Path, key: bytes, settings: BundocSettings) -> ProjectFile:
    """Raises: DataUnreadable when the file is missing, cut short or of a newer format; apsw.Error otherwise."""
    path = directory / DATABASE
    if not path.exists() or path.stat().st_size < SMALLEST_BYTES:
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


def create_project_file(directory: Path, key: bytes) -> None:
    """Make an empty file, on disk when this returns. What an unfinished attempt left behind is thrown away."""
    delete_database(directory)
    path = directory / DATABASE
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))  # SQLite gives its log the same mode
    connection = connect(path, key, create=True)
    try:
        create_format(connection)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        connection.close()
    sync_directory(directory)


def delete_database(directory: Path) -> None:
    for name in FILES:
        (directory / name).unlink(missing_ok=True)


def delete_project(directory: Path) -> None:
    """Delete everything; the key file last, so that after a crash in between BunKMS is still asked, and refuses."""
    if not directory.exists():
        return
    delete_database(directory)
    (directory / KEY_FILE).unlink(missing_ok=True)
    for left_over in directory.iterdir():
        left_over.unlink()
    directory.rmdir()
    sync_directory(directory.parent)
