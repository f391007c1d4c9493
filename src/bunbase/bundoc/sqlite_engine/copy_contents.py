"""Work on the documents in a copy of a project: convert them to today's format, count them, and change their numbers.

A backup is such a copy. Everything here runs in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from bunbase.bundoc.backups.engine import Contents, Progress
from bunbase.bundoc.sqlite_engine import before_images
from bunbase.bundoc.sqlite_engine.altering import SIZE
from bunbase.bundoc.sqlite_engine.change_log import BEGIN_EPOCH, ends
from bunbase.bundoc.sqlite_engine.data_keys import key_version
from bunbase.bundoc.sqlite_engine.formats import bring_up
from bunbase.bundoc.sqlite_engine.kept_answers import FORGET
from bunbase.bundoc.sqlite_engine.mending import rekey
from bunbase.bundoc.sqlite_engine.revisions import raise_above, spent
from bunbase.bundoc.sqlite_engine.tables import COLLECTIONS, FORMAT, format_of, tables_of
from bunbase.contracts.bundoc.backups import BackedUpCollection, BackupDamaged, BackupTooNew
from bunbase.pkg.sealed_sqlite.connection import DATABASE, connect
from bunbase.pkg.sealed_sqlite.copying import copy_pages, open_copy
from bunbase.pkg.sealed_sqlite.files import sync_file

LOOK_STEPS: Final = 100_000
UNKNOWN_LEAP: Final = 1 << 32  # This is higher than all numbers that an unreadable file may have issued.

SHIFT: Final = "UPDATE docs_N SET rev = rev + ?"

Measures = tuple[int, int, tuple[BackedUpCollection, ...]]  # The format, the seq and the collections.


class IssuedNumbers(msgspec.Struct, frozen=True):
    """The numbers that a file had issued before it was replaced.

    `last`: the number of its newest change. `revs`: a number that is at least its highest revision. `empty`: true if
    the file has no collections.
    """

    last: int = 0
    revs: int = 0
    empty: bool = True


def renumber(path: Path, key: bytes, issued: IssuedNumbers | None, own: bool) -> None:
    """Raise the numbers of a copy above all numbers that clients have seen, before the copy replaces the file.

    The change log of the copy begins above the newest change that the file issued. So a client that sends an older
    `since` gets ResyncRequired. Revisions begin above those that the file issued, so that no revision is used twice for
    an id (docs/decisions/0033). The history gets a new epoch, so no client waits for a state that never comes. A copy
    of another project loses the stored answers to requests with an idempotency key.

    `issued`: the numbers of the replaced file; None if that file cannot be read. `own`: true if the copy comes from the
    same project; then its documents keep their revisions.
    """
    connection = connect(path, key)
    try:
        with connection:
            last, revs = ends(connection)[1], spent(connection)
            before = issued or IssuedNumbers(last + UNKNOWN_LEAP, revs + UNKNOWN_LEAP)
            if not own and before.revs:
                _shift_revisions(connection, before.revs)
                raise_above(connection, before.revs + revs)
            if own:  # A file with lower numbers than its copy was created again, so its earlier numbers are unknown.
                raise_above(connection, before.revs if before.revs >= revs else revs + UNKNOWN_LEAP)
            connection.execute("DELETE FROM changes")
            before_images.forget(connection)
            connection.execute("UPDATE log SET floor = ?", (max(last, before.last) + 1,))
            connection.execute(BEGIN_EPOCH)
            if not own:
                connection.execute(FORGET)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        connection.close()
    sync_file(path)


def recreate(source: Path, source_key: bytes, target: Path, key: bytes, progress: Progress) -> tuple[Measures, int]:
    """Make a database in today's format from a copy, under another key.

    Return the measures of the new database and the copy's old format.

    Raises: BackupDamaged, BackupTooNew.
    """
    with reading(source, source_key, progress) as connection:
        format = _check_format(connection)
        copy_pages(connection, target, key, progress.tell)
    made = connect(target, key)
    try:
        bring_up(made)
        made.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        return _measure(made), format
    finally:
        made.close()


def examine_copy(path: Path, key: bytes, progress: Progress) -> Measures:
    """Read every page and every row of a copy. Raises: BackupDamaged, BackupTooNew."""
    with reading(path, key, progress) as connection:
        _check_format(connection)
        found = connection.execute("PRAGMA integrity_check(1)").get
        if found != "ok":
            raise damaged(str(found))
        return _measure(connection)


def measure_copy(path: Path, key: bytes, progress: Progress) -> Measures:
    """Return the contents of a new copy, without a check of its pages."""
    with reading(path, key, progress) as connection:
        return _measure(connection)


@contextmanager
def reading(path: Path, key: bytes, progress: Progress) -> Iterator[apsw.Connection]:
    """Open a copy for reading. Raises: BackupDamaged, and the errors of `Progress.tell`."""
    connection = open_copy(path, key)
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
    return Contents(format, key_version(wrapped) or 0, seq, changed_at, collections)


def _measure(connection: apsw.Connection) -> Measures:
    listed = []
    rows: list[Any] = connection.execute(COLLECTIONS).fetchall()
    for name, number, _ in sorted(rows):
        documents, size = connection.execute(SIZE.replace("docs_N", f"docs_{number}")).get
        listed.append(BackedUpCollection(name, documents, size))
    return format_of(connection), ends(connection)[1], tuple(listed)


def _shift_revisions(connection: apsw.Connection, by: int) -> None:
    """Increase the revision of every document by this number, and build the indexes on `_rev` again."""
    for table in tables_of(connection).values():
        connection.execute(SHIFT.replace("docs_N", table.name), (by,))
        for index in table.indexes:
            if b'_rev"' in msgspec.json.encode(index.definition):
                rekey(connection, table, index)


def _check_format(connection: apsw.Connection) -> int:
    found = format_of(connection)
    if found > FORMAT:
        raise BackupTooNew(f"The backup has format {found}, but this BunBase reads up to {FORMAT}: update BunBase.")
    return found
