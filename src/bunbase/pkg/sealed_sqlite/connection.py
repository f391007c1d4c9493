"""Open a connection to a project's database, with its key and with the settings that every connection needs."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Final

import apsw

DATABASE: Final = "data.db"
BUSY_MS: Final = 1000  # A connection waits this long for another connection of this process that is recovering the log.
STEPS_BETWEEN_LOOKS: Final = 10_000  # A statement runs for about 1 ms between two checks of the time.
MAX_LOG_BYTES: Final = 64 << 20  # A longer log is cut to this length when SQLite starts to overwrite it.

SETUP: Final = {
    "journal_mode": "wal",
    "synchronous": "full",
    "temp_store": "memory",  # a sort must never write plaintext to the disk
    "trusted_schema": "off",
    "cell_size_check": "on",
    "journal_size_limit": MAX_LOG_BYTES,
}


def connect(path: Path, key: bytes, create: bool = False) -> apsw.Connection:
    """Return a new connection to the database file.

    Raises: apsw.NotADBError if the file is not encrypted with this key, apsw.CorruptError if it is damaged.
    """
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    connection = apsw.Connection(str(path), flags=flags, statementcachesize=256)
    try:
        connection.set_busy_timeout(BUSY_MS)
        key_connection(connection, key)
        for pragma, value in SETUP.items():
            connection.pragma(pragma, value)
    except BaseException:
        connection.close()
        raise
    return connection


def key_connection(connection: apsw.Connection, key: bytes) -> None:
    """Set the key, and check it by a read. Raises: apsw.NotADBError if the file is not encrypted with this key."""
    connection.pragma("cipher", "chacha20")
    connection.pragma("key", f"raw:{key.hex()}")  # `raw` means that there is no key derivation, which saves 25 ms.
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # SQLite checks the key at the first read.


def holds_nothing(connection: apsw.Connection) -> bool:
    """True if the connection has no transaction and no snapshot. A statement with unread rows holds a snapshot."""
    return not connection.in_transaction and connection.txn_state() == apsw.SQLITE_TXN_NONE


class TimeBound:
    """Limits the time of a connection's statements. After the time, a statement raises apsw.InterruptError.

    The time begins with each `start`. Before the first `start` there is no limit, because opening a large file of an
    old format, or a file with many collections, may take long.
    """

    def __init__(self, connection: apsw.Connection, seconds: float) -> None:
        self.seconds = seconds
        self.until = math.inf
        connection.set_progress_handler(self.passed, STEPS_BETWEEN_LOOKS)

    def start(self, seconds: float | None = None) -> None:
        self.until = time.monotonic() + (self.seconds if seconds is None else seconds)

    def passed(self) -> bool:
        return time.monotonic() > self.until

    def left(self) -> float:
        return self.until - time.monotonic()


def cache_share(total_mib: int, most_mib: int, files: int) -> int:
    """Return the MiB of page cache for each of `files` files. The result is a power of two, so it rarely changes."""
    share = max(1, total_mib // max(1, files))
    return int(min(most_mib, 1 << (share.bit_length() - 1)))


def set_cache(connection: apsw.Connection, mib: int) -> None:
    connection.pragma("cache_size", -1024 * mib)
