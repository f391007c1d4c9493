"""Copy a project's database under its next data key, while reads and writes go on.

SQLite's online backup runs on the connection that writes. A page that changes after it was copied is copied again by
the commit that changes it, so the copy never falls behind, however many writes come. (A backup on a connection of its
own would begin anew with every commit.) The last pages are copied when nobody uses the file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import apsw

from bunbase.pkg.sealed_sqlite.connection import DATABASE, key_connection
from bunbase.pkg.sealed_sqlite.faults import FileUnreadable
from bunbase.pkg.sealed_sqlite.files import LOG, sync_file
from bunbase.pkg.secret_files import OWNER_ONLY, sync_directory

DRAFT: Final = f"{DATABASE}.next"
PAGES_AT_ONCE: Final = 256  # 1 MB, about 4 ms between two batches of writes
PAGES_AT_LAST: Final = 1024  # 4 MB, copied while the project waits


class Rekeying:
    """One copy under the next key. `begin`, `step` and `finish` run in the thread of the connection they are given."""

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
        self.target.pragma("journal_mode", "off")  # a crash may destroy the copy: the old file is still in its place
        self.target.pragma("synchronous", "off")
        self.backup = self.target.backup("main", connection, "main")
        self.backup.step(0)

    def step(self, _connection: apsw.Connection) -> bool:
        """Copy some pages; return True when only the last ones are missing.

        The last pages are never copied here: a finished backup does not follow later changes.
        """
        assert self.backup is not None
        if self.backup.remaining <= PAGES_AT_LAST:
            return True
        self.backup.step(PAGES_AT_ONCE)
        self.progress = 1 - self.backup.remaining / max(1, self.backup.page_count)
        return self.backup.remaining <= PAGES_AT_LAST

    def sync(self) -> None:
        """Bring the pages copied so far to the disk, so that the last sync has little to do."""
        sync_file(self.path)

    def finish(self, _connection: apsw.Connection) -> None:
        """Copy the last pages. The copy is complete and on disk when this returns."""
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
        """Rename the copy to the project's database, which must be closed.

        Raises: FileUnreadable when the log of the old file still holds pages.
        """
        log = self.path.with_name(LOG)
        if log.exists() and log.stat().st_size:
            raise FileUnreadable("The log could not be brought into the old file.")
        self.path.replace(self.path.with_name(DATABASE))
        sync_directory(self.path.parent)

    def abandon(self) -> None:
        """Delete the copy. Idempotent, and without effect after `take_place`."""
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
    """True if the file is encrypted under this key."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        key_connection(connection, key)
    except apsw.NotADBError:
        return False
    finally:
        connection.close()
    return True
