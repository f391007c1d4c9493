"""The transaction of one batch of writes.

A write of documents passes through four modules, and each imports only those before it in this list:

transaction  the state that all writes of a batch share: collections, revisions, entries of the change log
referring    what a schema demands of one write, and what a deletion does to documents that refer
steps        one commit, write by write
writer       the queue of a project, drained into one transaction at a time
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import apsw

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.sqlite_engine import change_log
from bunbase.bundoc.sqlite_engine.revisions import Revisions
from bunbase.bundoc.sqlite_engine.tables import Table, add_table
from bunbase.pkg.errors import InvalidInput

# The file itself is at fault, not one write of the batch: no write of it may count as done.
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

Work = Callable[["Transaction"], Any]  # runs in one savepoint; its result is the answer of the caller


class Task(Protocol):
    """Work on collections and indexes. It takes its turn among the writes, in a savepoint as they do."""

    def perform(self, transaction: Transaction) -> Any: ...


class Transaction:
    """The work of one batch; each piece runs in its own savepoint.

    `altered`: collections that are new or have other terms or indexes now; None for those that were dropped.
    `seq`: the number of the newest change. `entries`: the rows that the change log gets at the end of the batch.
    `depth`: of the commit that is being done, and of everything that follows from it, for example the deletion of an
    expired document that holds a unique value.
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
        self.altered: dict[str, Table | None] = {}
        self.seq = change_log.ends(connection)[1]
        self.depth = 0
        self.entries: list[change_log.Row] = []

    def attempt(self, work: Work) -> Any:
        """Do one piece of work and return its result.

        An error of this work alone is returned as the result, and the savepoint takes back everything that it did.
        Raises: FATAL.
        """
        known, seq = dict(self.altered), self.seq
        self.connection.execute("SAVEPOINT one")
        try:
            result = work(self)
        except FATAL:
            raise
        except Exception as error:
            self.connection.execute("ROLLBACK TO one")
            self.connection.execute("RELEASE one")
            del self.entries[len(self.entries) - (self.seq - seq) :]
            self.seq, self.altered = seq, known
            return error
        self.connection.execute("RELEASE one")
        return result

    def table(self, collection: str) -> Table | None:
        return self.altered[collection] if collection in self.altered else self.tables.get(collection)

    def begin_collection(self, collection: str) -> Table:
        """Create a collection. Raises: InvalidInput when the project has as many as it may have."""
        if len(self.tables.keys() | self.altered.keys()) >= self.max_tables:
            message = f"This project has {self.max_tables} collections, the most there may be."
            raise InvalidInput.at("/collection", message)
        table = self.altered[collection] = add_table(self.connection, collection, self.now)
        return table

    def lookup(self, collection: str, id: str) -> StoredDocument | None:
        table = self.table(collection)
        return None if table is None else table.get(self.connection, id)

    def remove(self, collection: str, table: Table, document: StoredDocument) -> None:
        """Delete the document, and remember which revision it had."""
        table.delete(self.connection, document.id)
        self.revisions.end(self.connection, table.number, document.id, document.rev)
        self.record(collection, document, None)

    def record(self, collection: str, before: StoredDocument | None, after: StoredDocument | None) -> None:
        """Add an entry for this change to the change log."""
        self.seq += 1
        op = "delete" if after is None else "create" if before is None else "update"
        document = after or before
        assert document is not None
        self.entries.append((self.seq, op, collection, document.id, document.rev, self.now, self.depth))
