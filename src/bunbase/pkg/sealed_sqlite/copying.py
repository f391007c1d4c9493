"""Copy a project's database, page by page, to a file with another key. All functions here must run in a thread.

SQLite's backup API copies between two encrypted connections, and encrypts each page again with the key of the target.
The source has one read transaction. So the copy shows the database at one moment, and the backup does not start again
when another connection writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw

from bunbase.pkg.sealed_sqlite.connection import connect
from bunbase.pkg.sealed_sqlite.files import sync_file
from bunbase.pkg.secret_files import OWNER_ONLY, sync_directory

PAGES: Final = 256  # `on_progress` is called after this many pages (1 MiB), which take about 5 ms.
PIECE: Final = 1 << 20

# The arguments are the copied bytes and the total bytes. The function may raise an error to stop the copy.
OnProgress = Callable[[int, int], None]


def copy_snapshot(path: Path, key: bytes, target: Path, target_key: bytes, on_progress: OnProgress) -> None:
    """Copy the current state of a database while it is read and written."""
    source = connect(path, key)
    try:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # The first read fixes the snapshot.
        copy_pages(source, target, target_key, on_progress)
    finally:
        source.close()


def copy_pages(source: apsw.Connection, path: Path, key: bytes, on_progress: OnProgress) -> None:
    """Write a copy and sync it to disk. After an error, the caller must delete the unfinished file."""
    page = int(source.execute("PRAGMA page_size").get)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
    target = _open(str(path), key, apsw.SQLITE_OPEN_READWRITE)
    try:
        target.pragma("journal_mode", "off")
        target.pragma("synchronous", "off")
        with target.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(PAGES)
                on_progress((backup.page_count - backup.remaining) * page, backup.page_count * page)
    finally:
        target.close()
    sync_file(path)
    sync_directory(path.parent)


def copy_closed(path: Path, target: Path, on_progress: OnProgress) -> None:
    """Copy a closed database byte for byte, so that the copy has the same key."""
    total = path.stat().st_size
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with path.open("rb") as source, open(descriptor, "wb") as copy:
        while piece := source.read(PIECE):
            copy.write(piece)
            on_progress(copy.tell(), total)
        copy.flush()
        os.fsync(copy.fileno())
    sync_directory(target.parent)


def open_copy(path: Path, key: bytes) -> apsw.Connection:
    """Return a read-only connection to a finished copy. SQLite creates no other files for it."""
    address = f"{path.absolute().as_uri()}?immutable=1"
    return _open(address, key, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def _open(path: str, key: bytes, flags: int) -> apsw.Connection:
    """Return a connection without a check of the key, because an empty file has no page for this check."""
    connection = apsw.Connection(path, flags=flags)
    try:
        connection.pragma("cipher", "chacha20")
        connection.pragma("key", f"raw:{key.hex()}")
        connection.pragma("temp_store", "memory")  # A check must not write plaintext to the disk.
    except BaseException:
        connection.close()
        raise
    return connection
