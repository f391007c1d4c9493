"""Copy a project's database to a file with its next data key, while reads and writes continue.

SQLite's online backup runs on the connection that writes. If a page changes after it was copied, the same commit also
copies it again, so even many writes do not delay the copy. The last pages are copied while the file is not in use.

A backup on a separate connection was rejected, because it would start again after every commit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import apsw

from bunbase.pkg.sealed_sqlite.connection import DATABASE, key_connection
from bunbase.pkg.sealed_sqlite.faults import FileUnreadable
from bunbase.pkg.sealed_sqlite.files import LOG, size_or_0, sync_file
from bunbase.pkg.secret_files import OWNER_ONLY, sync_directory

DRAFT: Final = f"{DATABASE}.next"
PAGES_AT_ONCE: Final = 256  # This is 1 MB. Writes wait for about 4 ms.
PAGES_AT_LAST: Final = 1024  # This is 4 MB. All requests to the project wait while these pages are copied.


class Rekeying:
    """One copy with the next key. `begin`, `step` and `finish` must run in the thread of their connection."""

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
        # A crash may destroy the copy, because the old file is still used then.
        self.target.pragma("journal_mode", "off")
        self.target.pragma("synchronous", "off")
        self.backup = self.target.backup("main", connection, "main")
        self.backup.step(0)

    def step(self, _connection: apsw.Connection) -> bool:
        """Copy some pages. Return True if only the last PAGES_AT_LAST pages are missing.

        The last pages are not copied here, because a finished backup does not copy later changes.
        """
        assert self.backup is not None
        if self.backup.remaining <= PAGES_AT_LAST:
            return True
        self.backup.step(PAGES_AT_ONCE)
        self.progress = 1 - self.backup.remaining / max(1, self.backup.page_count)
        return self.backup.remaining <= PAGES_AT_LAST

    def sync(self) -> None:
        """Sync the copied pages to disk, so that the last sync is short."""
        sync_file(self.path)

    def finish(self, _connection: apsw.Connection) -> None:
        """Copy the last pages, and sync the complete copy to disk."""
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
        """Replace the project's database by the copy, in one rename. The database must be closed.

        Raises: FileUnreadable if the log of the old database still contains pages.
        """
        log = self.path.with_name(LOG)
        if size_or_0(log):
            raise FileUnreadable("The log of the old database still contains pages.")
        self.path.replace(self.path.with_name(DATABASE))
        sync_directory(self.path.parent)

    def abandon(self) -> None:
        """Delete the copy. The call has no effect after `take_place`. Idempotent."""
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
    """True if the file is encrypted with this key."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        key_connection(connection, key)
    except apsw.NotADBError:
        return False
    finally:
        connection.close()
    return True
