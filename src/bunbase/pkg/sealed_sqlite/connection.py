"""Open a connection to a project's database: under its key, with the settings that every connection needs."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Final

import apsw

DATABASE: Final = "data.db"
BUSY_MS: Final = 1000  # only for the moment when another of our own connections recovers the log
STEPS_BETWEEN_LOOKS: Final = 10_000  # a statement runs for about 1 ms between two looks at the clock
MAX_LOG_BYTES: Final = 64 << 20  # a log that grew longer is cut to this when it starts again from its beginning

SETUP: Final = {
    "journal_mode": "wal",
    "synchronous": "full",
    "temp_store": "memory",  # a sort must never write plaintext to the disk
    "trusted_schema": "off",
    "cell_size_check": "on",
    "journal_size_limit": MAX_LOG_BYTES,
}


def connect(path: Path, key: bytes, create: bool = False) -> apsw.Connection:
    """Open the file.

    Raises: apsw.NotADBError when the file is not encrypted under this key, apsw.CorruptError when it is damaged.
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
    """Set the key and prove it. Raises: apsw.NotADBError when the file is not encrypted under this key."""
    connection.pragma("cipher", "chacha20")
    connection.pragma("key", f"raw:{key.hex()}")  # raw: no key derivation, which saves 25 ms
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # only a read proves the key


def holds_nothing(connection: apsw.Connection) -> bool:
    """True if the connection has no transaction and no snapshot. A statement that has rows left holds a snapshot."""
    return not connection.in_transaction and connection.txn_state() == apsw.SQLITE_TXN_NONE


class TimeBound:
    """Stop the statements of a connection some time after the last `start`; they raise apsw.InterruptError.

    Before the first `start` nothing is stopped: otherwise a large file of an old format, or a file with many
    collections, could never be opened.
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
    """Return the MiB of page cache for each of `files`: a power of two, so that the share rarely changes."""
    share = max(1, total_mib // max(1, files))
    return int(min(most_mib, 1 << (share.bit_length() - 1)))


def set_cache(connection: apsw.Connection, mib: int) -> None:
    connection.pragma("cache_size", -1024 * mib)
