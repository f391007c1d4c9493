"""Copies of a project's file for backups, and the drafts of restores. Everything here runs in a thread.

A draft is a folder `.drafts/<restore>` beside the folders of projects, with these files:

source.db      the list of objects of the copy, under the key of the project that it comes from
data.db        the same list, under the key of the project that is being restored
key.json       the key of `data.db`, only if the project had lost its own key
prepared.json  the restore has been prepared; without this file, the draft is deleted at the next start
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw
import msgspec

from bunbase.contracts.storage_copies import CopyDamaged, CopyTooNew, PreparedRestore
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger
from bunbase.pkg.sealed_sqlite.connection import DATABASE, connect
from bunbase.pkg.sealed_sqlite.copying import copy_pages, open_copy
from bunbase.pkg.sealed_sqlite.faults import is_lasting
from bunbase.pkg.sealed_sqlite.files import LOG, SHARED_INDEX, is_missing, sync_file
from bunbase.pkg.sealed_sqlite.key_file import complete_key_file, read_key_file
from bunbase.pkg.secret_files import replace_secret_file, sync_directory
from bunbase.storage.store.blobs import named_blobs
from bunbase.storage.store.tables import FORMAT, create_tables, upgrade_tables
from bunbase.storage.store.variants import forget_variants

log = logger("storage")

DRAFTS: Final = ".drafts"  # no project can have this id
SOURCE: Final = "source.db"
PREPARED: Final = "prepared.json"
NUMBERED: Final = ("buckets", "objects")  # the tables whose numbers are never used twice
UNKNOWN_LEAP: Final = 1 << 32  # more numbers than an unreadable file may have used


OnDisk = Callable[[int], int]


class OwnKey(msgspec.Struct, frozen=True):
    """The key of a restored list. `settled`: true if the project's key file has it already."""

    key: bytes
    wrapped: str
    settled: bool


def copy_totals(connection: apsw.Connection, on_disk: OnDisk) -> tuple[int, int, int, int]:
    """Return the number and the size of the objects in a copy of any format, the number of its blobs, and their size on
    the disk. `on_disk`: returns the size of a blob on the disk, for the size of its content.
    """
    blobs = size = 0
    after = ""
    while named := named_blobs(connection, after):
        blobs += len(named)
        size += sum(on_disk(content) for _, content in named)
        after = named[-1][0]
    objects, content = connection.execute("SELECT objects, bytes FROM totals").get
    return objects, content, blobs, size


def roots_of(connection: apsw.Connection) -> dict[int, bytes]:
    return {id: bytes(root) for id, root in connection.execute("SELECT id, key FROM roots")}


def opened_copy(path: Path, key: bytes) -> apsw.Connection:
    """Return a connection to a copy whose pages are all readable. Raises: CopyDamaged, CopyTooNew."""
    with _damages():
        connection = open_copy(path, key)
        try:
            version = connection.pragma("user_version")
            if version > FORMAT:
                raise CopyTooNew("A newer BunBase wrote these files: update this one first.")
            if version < 1 or connection.execute("PRAGMA integrity_check(1)").get != "ok":
                raise CopyDamaged("The list of objects is damaged. Use another backup.")
        except BaseException:
            connection.close()
            raise
        return connection


def draft_list(source: apsw.Connection | None, path: Path, key: bytes, roots: dict[int, bytes] | None) -> None:
    """Write the list of a restore under another key; an empty list if there is no source.

    `roots`: the root keys of the project, if the list comes from another project. Blobs of the list get these keys.
    """
    path.unlink(missing_ok=True)
    if source is not None:
        with _damages():
            copy_pages(source, path, key, lambda _done, _total: None)
    connection = connect(path, key, create=True)
    try:
        if source is None:
            create_tables(connection)
        upgrade_tables(connection)
        with connection:
            if roots is not None:
                connection.execute("DELETE FROM roots")
                connection.executemany("INSERT INTO roots (id, key) VALUES (?, ?)", sorted(roots.items()))
            connection.execute("DELETE FROM pending_deletes")  # the sweeper finds these blobs as orphans
            connection.execute("UPDATE totals SET waiting_bytes = 0")
            forget_variants(connection)  # no backup has their blobs
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        connection.close()
    sync_file(path)


def raise_numbers(path: Path, key: bytes, used: dict[str, int] | None) -> None:
    """Raise the numbers of buckets and objects above those that the replaced file has used, so that a signed link for
    a bucket is never valid for another one. `used`: None if that file cannot be read.
    """
    connection = connect(path, key)
    try:
        with connection:
            for table in NUMBERED:
                highest = connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").get
                known = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).get or highest
                number = known + UNKNOWN_LEAP if used is None else max(known, used[table])
                connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
                connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        connection.close()
    sync_file(path)


def settle_log(directory: Path, key: bytes) -> dict[str, int] | None:
    """Write SQLite's log, if a crash left one, into the closed file, and return the numbers that the file has used.

    A file that cannot be read is put aside under another name; then return None.
    """
    path = directory / DATABASE
    if is_missing(path):
        return None
    try:
        connection = connect(path, key)
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            found = dict(connection.execute("SELECT name, seq FROM sqlite_sequence"))
            return {table: found.get(table, 0) for table in NUMBERED}
        finally:
            connection.close()
    except apsw.Error as error:
        if not is_lasting(error):
            raise
        put_aside(directory)
        return None


def put_aside(directory: Path) -> None:
    """Keep a damaged file under another name, so that an operator can examine it."""
    at = new_id()
    for name in (DATABASE, LOG):
        if (directory / name).exists():
            (directory / name).rename(directory / f"damaged-{at}-{name}")
    log.warning("a restore replaces a list of objects that cannot be read", project=directory.name)


def prepare(draft: Path, project: str) -> None:
    """Make a draft survive a crash."""
    prepared = PreparedRestore(project, draft.name)
    replace_secret_file(draft / PREPARED, msgspec.json.encode(prepared).decode() + "\n")
    sync_directory(draft.parent)


def take_place(draft: Path, directory: Path) -> None:
    """Replace the file of a project by a draft. The file is closed, and its log is empty. Idempotent.

    The file changes by one rename. A project that had lost its key gets its new key file after this. If a crash comes
    in between, the draft is still there, and this is done again before the project opens.
    """
    if not directory.exists():
        directory.mkdir(mode=0o700)
        sync_directory(directory.parent)
    made = draft / DATABASE
    if made.exists():
        for name in (LOG, SHARED_INDEX):
            (directory / name).unlink(missing_ok=True)
        made.rename(directory / DATABASE)
        sync_directory(directory)
    key_file = read_key_file(draft)
    if key_file is not None:
        complete_key_file(directory, key_file.wrapped)


def delete_draft(draft: Path) -> None:
    """Delete a draft. Its mark is deleted last, so that a crash in between changes nothing. Idempotent."""
    if not draft.exists():
        return
    for path in draft.iterdir():
        if path.name != PREPARED:
            path.unlink(missing_ok=True)
    shutil.rmtree(draft)
    sync_directory(draft.parent)


def prepared_drafts(directory: Path) -> list[PreparedRestore]:
    """Return the prepared restores, and delete all other drafts, which a crash left."""
    folder = directory / DRAFTS
    folder.mkdir(mode=0o700, exist_ok=True)
    found = []
    for draft in sorted(folder.iterdir()):
        try:
            found.append(msgspec.json.decode((draft / PREPARED).read_bytes(), type=PreparedRestore))
        except FileNotFoundError:
            delete_draft(draft)
    return found


@contextmanager
def _damages() -> Iterator[None]:
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError, apsw.IOError, apsw.CantOpenError) as error:
        raise CopyDamaged(
            f"The list of objects cannot be read ({type(error).__name__}). Use another backup."
        ) from error
