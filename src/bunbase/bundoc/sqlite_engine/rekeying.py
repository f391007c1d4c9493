"""A project's file copied under its next data key, while reads and writes go on.

SQLite's online backup works on the connection that writes: a page that changes after it was copied is copied again
with the commit that changed it, so the copy never falls behind. The last pages wait until nobody uses the file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import apsw

from bunbase.bundoc.sqlite_engine.connection import DATABASE, key_connection
from bunbase.contracts.bundoc import DataUnreadable
from bunbase.pkg.secret_files import OWNER_ONLY, sync_directory

DRAFT: Final = f"{DATABASE}.next"
PAGES_AT_ONCE: Final = 256  # 1 MB: about 4 ms between two batches of writes
PAGES_AT_LAST: Final = 1024  # 4 MB, copied while the project waits


class Copy:
    """`begin`, `step` and `finish` belong to the writer's thread; so does its `connection`."""

    def __init__(self, directory: Path, key: bytes) -> None:
        self.path = directory / DRAFT
        self.key = key
        self.target: apsw.Connection | None = None
        self.backup: apsw.Backup | None = None
        self.progress = 0.0

    def begin(self, connection: apsw.Connection) -> None:
        self.path.unlink(missing_ok=True)
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
        self.target = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
        key_connection(self.target, self.key)
        self.target.pragma("journal_mode", "off")  # until it takes the old file's place, it may as well be lost
        self.target.pragma("synchronous", "off")
        self.backup = self.target.backup("main", connection, "main")
        self.backup.step(0)

    def step(self, _connection: apsw.Connection) -> bool:
        """Copy some pages; give whether all but the last ones are there.

        Never to the end: of what is written after that, the copy would not be told.
        """
        assert self.backup is not None
        if self.backup.remaining <= PAGES_AT_LAST:
            return True
        self.backup.step(PAGES_AT_ONCE)
        self.progress = 1 - self.backup.remaining / max(1, self.backup.page_count)
        return self.backup.remaining <= PAGES_AT_LAST

    def sync(self) -> None:
        """Bring what there is to the disk, so that the last sync has little to do."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def finish(self, _connection: apsw.Connection) -> None:
        """Copy the rest; the copy is whole and on disk when this returns."""
        assert self.backup is not None
        try:
            while not self.backup.done:
                self.backup.step(PAGES_AT_LAST)
            self._close()
            self.sync()
        except BaseException:
            self.abandon()
            raise
        self.progress = 1.0

    def take_place(self) -> None:
        """Become the project's file, which must be closed. Raises: DataUnreadable when its log is still there."""
        log = self.path.with_name(f"{DATABASE}-wal")
        if log.exists() and log.stat().st_size:
            raise DataUnreadable("The log could not be brought into the old file.")
        self.path.replace(self.path.with_name(DATABASE))
        sync_directory(self.path.parent)

    def abandon(self) -> None:
        """Again is harmless, and after it took the place too."""
        self._close()
        self.path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self.backup is not None:
            self.backup.close(force=True)
        if self.target is not None:
            self.target.close()
        self.backup = self.target = None
        self.key = b""


def opens(path: Path, key: bytes) -> bool:
    """Say whether the file is encrypted under this key."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        key_connection(connection, key)
    except apsw.NotADBError:
        return False
    finally:
        connection.close()
    return True
