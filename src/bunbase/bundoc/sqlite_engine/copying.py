"""Copy a project's database, page by page, from key to key. All of this runs in a thread.

SQLite's backup API works between two encrypted connections and encrypts each page anew under the other one's key. The
source holds one read transaction: the copy is the project at one moment, and no write ever makes it begin again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from bunbase.bundoc.backups.engine import Contents, Progress
from bunbase.bundoc.sqlite_engine.altering import SIZE
from bunbase.bundoc.sqlite_engine.change_log import ends
from bunbase.bundoc.sqlite_engine.connection import DATABASE, connect
from bunbase.bundoc.sqlite_engine.formats import bring_up
from bunbase.bundoc.sqlite_engine.mending import rekey
from bunbase.bundoc.sqlite_engine.revisions import raise_above, spent
from bunbase.bundoc.sqlite_engine.tables import COLLECTIONS, FORMAT, format_of, tables_of
from bunbase.contracts.backups import BackedUpCollection, BackupDamaged, BackupTooNew
from bunbase.pkg.secret_files import OWNER_ONLY, sync_directory

PAGES: Final = 256  # copied between looks at whether to go on: 1 MiB, some 5 ms
PIECE: Final = 1 << 20
LOOK_STEPS: Final = 100_000
UNKNOWN_LEAP: Final = 1 << 32  # beyond any number that a file which cannot be read may have given out

SHIFT: Final = "UPDATE docs_N SET rev = rev + ?"

Measures = tuple[int, int, tuple[BackedUpCollection, ...]]  # format, seq, collections


def copy_snapshot(path: Path, key: bytes, target: Path, target_key: bytes, progress: Progress) -> None:
    """Copy a database in use, as it is now."""
    source = connect(path, key)
    try:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # from here on nothing changes for it
        copy_pages(source, target, target_key, progress)
    finally:
        source.close()


def copy_pages(source: apsw.Connection, path: Path, key: bytes, progress: Progress) -> None:
    """Write the copy, on disk when this returns. A failure leaves an unfinished file, to be thrown away."""
    page = int(source.execute("PRAGMA page_size").get)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
    target = _keyed(str(path), key, apsw.SQLITE_OPEN_READWRITE)
    try:
        target.pragma("journal_mode", "off")
        target.pragma("synchronous", "off")
        with target.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(PAGES)
                progress.tell((backup.page_count - backup.remaining) * page, backup.page_count * page)
    finally:
        target.close()
    sync_file(path)
    sync_directory(path.parent)


def copy_closed(path: Path, target: Path, progress: Progress) -> None:
    """Copy a database that nobody has open, byte for byte under the same key."""
    total = path.stat().st_size
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with path.open("rb") as source, open(descriptor, "wb") as copy:
        while piece := source.read(PIECE):
            copy.write(piece)
            progress.tell(copy.tell(), total)
        copy.flush()
        os.fsync(copy.fileno())
    sync_directory(target.parent)


class Given(msgspec.Struct, frozen=True):
    """The numbers a file gave out before it was replaced: its newest change, and a number that none of its revisions is
    greater than. `empty`: it has no collections.
    """

    last: int = 0
    revs: int = 0
    empty: bool = True


def renumber(path: Path, key: bytes, given: Given | None, own: bool) -> None:
    """Let a copy go on behind all that anybody was told of: its change log, so that whoever asks for what came after an
    older change must read the collections again; and its revisions, so that none is given twice for an id. None:
    nobody knows what that was.

    `own`: the copy is of the project itself, so that its documents may keep the revisions that they had in it.
    """
    connection = connect(path, key)
    try:
        with connection:
            last, revs = ends(connection)[1], spent(connection)
            before = given or Given(last + UNKNOWN_LEAP, revs + UNKNOWN_LEAP)
            if not own and before.revs:
                _shift(connection, before.revs)
                raise_above(connection, before.revs + revs)
            if own:  # a file that has given less than its own copy was lost in between
                raise_above(connection, before.revs if before.revs >= revs else revs + UNKNOWN_LEAP)
            connection.execute("DELETE FROM changes")
            connection.execute("UPDATE log SET floor = ?", (max(last, before.last) + 1,))
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        connection.close()
    sync_file(path)


def recreate(source: Path, source_key: bytes, target: Path, key: bytes, progress: Progress) -> tuple[Measures, int]:
    """Make a database of today's format out of a copy, under another key; return also which format it had.

    Raises: BackupDamaged, BackupTooNew.
    """
    with reading(source, source_key, progress) as connection:
        format = _check_format(connection)
        copy_pages(connection, target, key, progress)
    made = connect(target, key)
    try:
        bring_up(made)
        made.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        return measures(made), format
    finally:
        made.close()


def examined(path: Path, key: bytes, progress: Progress) -> Measures:
    """Read every page and every row of a copy. Raises: BackupDamaged, BackupTooNew."""
    with reading(path, key, progress) as connection:
        _check_format(connection)
        found = connection.execute("PRAGMA integrity_check(1)").get
        if found != "ok":
            raise damaged(str(found))
        return measures(connection)


def measured_copy(path: Path, key: bytes, progress: Progress) -> Measures:
    """Say what a copy holds that was just made: it can be read."""
    with reading(path, key, progress) as connection:
        return measures(connection)


def measures(connection: apsw.Connection) -> Measures:
    listed = []
    rows: list[Any] = connection.execute(COLLECTIONS).fetchall()
    for name, number, _ in sorted(rows):
        documents, size = connection.execute(SIZE.replace("docs_N", f"docs_{number}")).get
        listed.append(BackedUpCollection(name, documents, size))
    return format_of(connection), ends(connection)[1], tuple(listed)


@contextmanager
def reading(path: Path, key: bytes, progress: Progress) -> Iterator[apsw.Connection]:
    """Open a copy that nobody writes to, and leave nothing beside it. Raises: BackupDamaged, and as `Progress.tell`."""
    connection = _keyed(
        f"{path.absolute().as_uri()}?immutable=1", key, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    try:
        connection.set_progress_handler(progress.stopped.is_set, LOOK_STEPS)
        yield connection
    except (apsw.NotADBError, apsw.CorruptError, apsw.IOError) as error:
        raise damaged(f"a page cannot be read under the project's key ({type(error).__name__})") from error
    except apsw.InterruptError:
        progress.go_on()
        raise
    finally:
        connection.close()


def damaged(why: str) -> BackupDamaged:
    return BackupDamaged(f"{DATABASE} of this backup is damaged: {why}. Use another backup.", file=DATABASE)


def contents(found: Measures, wrapped: str, changed_at: int) -> Contents:
    format, seq, collections = found
    return Contents(format, key_version(wrapped), seq, changed_at, collections)


def key_version(wrapped: str) -> int:
    """Give N of `bunkms:vN:…`, 0 where it does not say."""
    version = wrapped.split(":")[1:2]
    return int(version[0][1:]) if version and version[0][1:].isdecimal() else 0


def sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _shift(connection: apsw.Connection, by: int) -> None:
    """Raise the revisions of all documents."""
    for table in tables_of(connection).values():
        connection.execute(SHIFT.replace("docs_N", table.name), (by,))
        for index in table.indexes:
            if b'_rev"' in msgspec.json.encode(index.definition):
                rekey(connection, table, index)


def _check_format(connection: apsw.Connection) -> int:
    found = format_of(connection)
    if found > FORMAT:
        raise BackupTooNew(f"The backup has format {found}; this BunBase reads up to {FORMAT}: install a newer one.")
    return found


def _keyed(path: str, key: bytes, flags: int) -> apsw.Connection:
    connection = apsw.Connection(path, flags=flags)
    try:
        connection.pragma("cipher", "chacha20")
        connection.pragma("key", f"raw:{key.hex()}")
        connection.pragma("temp_store", "memory")  # a check must not spill plaintext to disk
    except BaseException:
        connection.close()
        raise
    return connection
