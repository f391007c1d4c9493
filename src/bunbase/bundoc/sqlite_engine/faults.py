"""Translate errors of SQLite and of the operating system to Problems."""

from __future__ import annotations

import errno
from typing import Final

import apsw

from bunbase.contracts.bundoc.problems import BundocBusy, DataUnreadable, DiskFull, InvalidQuery, QueryTooSlow
from bunbase.pkg.errors import DeadlineExceeded

# These errors mean that a statement exceeds SQLite's limits. Only the filter of a caller can do this.
TOO_MUCH: Final = ("maximum depth", "parser stack overflow", "too many SQL variables")

NO_ROOM_TO_OPEN: Final = apsw.SQLITE_IOERR_SHMSIZE  # On a full disk, the shared-memory index fails first.

# A collection may be dropped between the moments when a reader looks it up and reads it.
DROPPED: Final = "no such table: docs_"


def problem_of_system(error: OSError) -> Exception:
    """Return the Problem for an error of the operating system, or the error itself if it is a bug of BunBase."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return DiskFull("Free some space, then try again.")
        case errno.EMFILE | errno.ENFILE | errno.ENOMEM:
            return BundocBusy("Too many files are open; try again.", retry_after_seconds=1)
        case errno.EIO | errno.EROFS:
            return DataUnreadable("The disk did not read or write the project's file; nothing is confirmed.")
        case _:
            return error


def read_too_slow() -> QueryTooSlow:
    """Return the Problem for a read that has used `bundoc.read_seconds`."""
    return QueryTooSlow(
        "Reading took longer than bundoc.read_seconds and was stopped: narrow the filter, or add an index on its "
        "fields and on those of the order."
    )


def read_too_late() -> DeadlineExceeded:
    """Return the Problem for a read that the deadline of its request has stopped."""
    return DeadlineExceeded("The deadline of the request came before the end of the read; read less in one request.")


def problem_of(error: apsw.Error) -> Exception:
    """Return the Problem for an error of SQLite, or the error itself if it is a bug of BunBase."""
    match error:
        case apsw.NotADBError() | apsw.CorruptError():
            return DataUnreadable("The project's file is damaged or was encrypted under another key.")
        case apsw.IOError() if getattr(error, "extendedresult", 0) == NO_ROOM_TO_OPEN:
            return DiskFull("Free some space, then try again.")
        case apsw.IOError() | apsw.ReadOnlyError() | apsw.ProtocolError():
            return DataUnreadable("The disk did not read or write the project's file; nothing is confirmed.")
        case apsw.FullError():
            return DiskFull("Free some space, then try again.")
        case apsw.InterruptError():
            return read_too_slow()
        case apsw.BusyError() | apsw.LockedError() | apsw.CantOpenError() | apsw.NoMemError():
            return BundocBusy("Try again in a second.", retry_after_seconds=1)
        case apsw.SQLError() if any(limit in str(error) for limit in TOO_MUCH):
            return InvalidQuery("This filter has too many levels or values; use a simpler filter.", path="/where")
        case apsw.SQLError() if DROPPED in str(error):
            return BundocBusy("The collection was dropped at this moment; try again.", retry_after_seconds=1)
        case _:
            return error
