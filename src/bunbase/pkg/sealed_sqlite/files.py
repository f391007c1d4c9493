"""Create, measure and delete the files of one project."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw

from bunbase.pkg.sealed_sqlite.connection import DATABASE, connect
from bunbase.pkg.sealed_sqlite.key_file import NAME as KEY_FILE
from bunbase.pkg.secret_files import OWNER_ONLY, sync_directory

LOG: Final = f"{DATABASE}-wal"
SHARED_INDEX: Final = f"{DATABASE}-shm"
SMALLEST_BYTES: Final = 4096  # A database has at least one page.


def create_database(directory: Path, key: bytes, create_tables: Callable[[apsw.Connection], None]) -> None:
    """Create an empty database, and sync it to disk. Delete the files of an unfinished attempt first."""
    delete_database(directory)
    path = directory / DATABASE
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, OWNER_ONLY))  # SQLite gives its log the same mode.
    connection = connect(path, key, create=True)
    try:
        create_tables(connection)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        connection.close()
    sync_directory(directory)


def is_missing(path: Path) -> bool:
    """True if there is no database file, or if it is shorter than one page."""
    return size_or_0(path) < SMALLEST_BYTES


def modified_at(directory: Path) -> int | None:
    """Return the time of the last write to the database, in nanoseconds since 1970; None if there is no database."""
    try:
        latest = (directory / DATABASE).stat().st_mtime_ns
    except FileNotFoundError:
        return None
    try:
        log = (directory / LOG).stat()
    except FileNotFoundError:
        return latest
    return max(latest, log.st_mtime_ns) if log.st_size else latest


def size_of(directory: Path) -> int:
    """Return the bytes of the database and its log. SQLite may delete the log at any time."""
    return sum(size_or_0(directory / name) for name in (DATABASE, LOG))


def delete_database(directory: Path) -> None:
    for name in (DATABASE, LOG, SHARED_INDEX):
        (directory / name).unlink(missing_ok=True)


def delete_directory(directory: Path) -> None:
    """Delete all files of the project.

    The key file is deleted after the database. If the server crashes in between, a later request still finds the key
    file and asks BunKMS to unwrap the key. BunKMS refuses, because the project's key is destroyed. Without the key
    file, the request would create a new empty project.
    """
    if not directory.exists():
        return
    delete_database(directory)
    (directory / KEY_FILE).unlink(missing_ok=True)
    for left_over in directory.iterdir():
        left_over.unlink()
    directory.rmdir()
    sync_directory(directory.parent)


def sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size_or_0(path: Path) -> int:
    """Return the bytes of a file; 0 if there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
