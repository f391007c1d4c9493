"""The transaction that holds one batch of writes.

It finds, removes and logs single documents. The modules above it decide more: `referring` what a deletion does to other
documents, `steps` what a write does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import apsw

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.sqlite_engine import change_log
from bunbase.bundoc.sqlite_engine.revisions import Revisions
from bunbase.bundoc.sqlite_engine.tables import Table, add_table
from bunbase.pkg.errors import InvalidInput

# errors of the file, not of one write: no part of the batch may count as done
FATAL: Final = (
    apsw.FullError,
    apsw.IOError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    MemoryError,
)

Work = Callable[["Transaction"], Any]  # one piece of work: done in a savepoint, so that its errors undo it alone


class Transaction:
    """The work of one batch; each piece of work has a savepoint.

    `changed`: collections that are new or whose indexes changed, with their table; None for a dropped one. `seq`: the
    number of the newest change. `entries`: rows that the change log receives at the end. `depth`: how many triggered
    runs led to the write in progress, and so to every deletion that it causes.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        tables: dict[str, Table],
        revisions: Revisions,
        max_tables: int,
        now: str,
    ) -> None:
        self.connection = connection
        self.tables = tables
        self.revisions = revisions
        self.max_tables = max_tables
        self.now = now
        self.changed: dict[str, Table | None] = {}
        self.seq = change_log.ends(connection)[1]
        self.depth = 0
        self.entries: list[change_log.Row] = []

    def attempt(self, work: Work) -> Any:
        """Do one piece of work and return its result, or the exception that undid this piece alone.

        Raises: an error of FATAL, which concerns the whole batch.
        """
        known, seq = dict(self.changed), self.seq
        self.connection.execute("SAVEPOINT one")
        try:
            result = work(self)
        except FATAL:
            raise
        except Exception as error:
            self.connection.execute("ROLLBACK TO one")
            self.connection.execute("RELEASE one")
            del self.entries[len(self.entries) - (self.seq - seq) :]
            self.seq, self.changed = seq, known
            return error
        self.connection.execute("RELEASE one")
        return result

    def lookup(self, collection: str, id: str) -> StoredDocument | None:
        table = self.table(collection)
        return None if table is None else table.get(self.connection, id)

    def remove(self, collection: str, table: Table, document: StoredDocument) -> None:
        """Delete the document and keep its last revision, so that no revision is used twice (decision 0033)."""
        table.delete(self.connection, document.id)
        self.revisions.end(self.connection, table.number, document.id, document.rev)
        self.log(collection, document, None)

    def last_revision(self, collection: str, table: Table | None, before: StoredDocument | None, id: str) -> int:
        """Return the revision that the next one of this id must exceed, beside that of the document itself."""
        if before is not None:
            return self.revisions.floor
        return self.revisions.last(self.connection, collection, table.number if table else None, id)

    def log(self, collection: str, before: StoredDocument | None, after: StoredDocument | None) -> None:
        self.seq += 1
        op = "delete" if after is None else "create" if before is None else "update"
        left = after or before
        assert left is not None
        self.entries.append((self.seq, op, collection, left.id, left.rev, self.now, self.depth))

    def table(self, collection: str) -> Table | None:
        return self.changed[collection] if collection in self.changed else self.tables.get(collection)

    def begin(self, collection: str) -> Table:
        if len(self.tables.keys() | self.changed.keys()) >= self.max_tables:
            raise InvalidInput.at(
                "/collection", f"This project has {self.max_tables} collections, the most there may be."
            )
        table = self.changed[collection] = add_table(self.connection, collection, self.now)
        return table
