"""The transaction of one batch of writes.

Four modules work on a write. Each module imports only modules that are before it in this list:

transaction  holds the state that all writes of a batch share: collections, revisions, entries of the change log
referring    checks a write against its schema, and applies a deletion to documents that refer to the deleted document
steps        does the writes of one commit
writer       holds the queue of a project, and does the batches, each in one transaction
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import apsw

from bunbase.bundoc.changes import DocumentChange
from bunbase.bundoc.documents import StoredDocument, with_system_fields
from bunbase.bundoc.sqlite_engine import before_images, change_log
from bunbase.bundoc.sqlite_engine.revisions import Revisions
from bunbase.bundoc.sqlite_engine.tables import Table, add_table
from bunbase.bundoc.update.costs import CommitWork
from bunbase.pkg.errors import InvalidInput

# These errors concern the whole file and not a single write, so no write of the batch may count as done.
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

MAX_FOLLOWED_BYTES: Final = (
    32 << 20
)  # the size of documents before and after their changes, in memory until the batch is on disk

# Such a function runs in one savepoint. The result of the function is the answer to the caller.
Work = Callable[["Transaction"], Any]


class Task(Protocol):
    """Work on collections and indexes. Like a write, a task waits in the queue and runs in a savepoint."""

    def perform(self, transaction: Transaction) -> Any: ...


class Transaction:
    """The transaction of one batch. Each piece of work runs in its own savepoint.

    `altered`: collections that are new, or that have new terms or indexes; None for dropped collections.
    `epoch`: the history. `seq`: the number of its newest change.
    `entries`: the rows to append to the change log at the end of the batch. `images`: the documents before their
    changes, for collections that keep such images. `changes`: all changes with their documents, None if nobody follows
    the project, or if they have more than MAX_FOLLOWED_BYTES.
    `depth`: the depth of the present commit. All of its effects have the same depth, for example the deletion of an
    expired document with the same unique value. `work`: the work of the present commit. `worked`: the work of all
    commits of the batch, in microseconds. `kept`: the number of answers that this batch has stored (`kept_answers.py`).
    """

    def __init__(
        self,
        connection: apsw.Connection,
        tables: dict[str, Table],
        revisions: Revisions,
        max_tables: int,
        now: str,
        followed: bool = False,
    ) -> None:
        self.connection = connection
        self.tables = tables
        self.revisions = revisions
        self.max_tables = max_tables
        self.now = now
        self.altered: dict[str, Table | None] = {}
        self.epoch, self.seq = change_log.position(connection)
        self.depth = 0
        self.work = CommitWork()
        self.worked = 0
        self.kept = 0
        self.entries: list[change_log.Row] = []
        self.images = before_images.Images()
        self.changes: list[DocumentChange] | None = [] if followed else None
        self.followed_bytes = 0

    def attempt(self, work: Work) -> Any:
        """Do one piece of work and return its result.

        If only this work fails, its savepoint is rolled back, and the error is the result.
        Raises: FATAL.
        """
        known, seq, images = dict(self.altered), self.seq, len(self.images)
        self.connection.execute("SAVEPOINT one")
        try:
            result = work(self)
        except FATAL:
            raise
        except Exception as error:
            self.connection.execute("ROLLBACK TO one")
            self.connection.execute("RELEASE one")
            del self.entries[len(self.entries) - (self.seq - seq) :]
            self.images.forget_from(images)
            if self.changes is not None:
                del self.changes[len(self.changes) - (self.seq - seq) :]
            self.seq, self.altered = seq, known
            return error
        self.connection.execute("RELEASE one")
        return result

    def table(self, collection: str) -> Table | None:
        return self.altered[collection] if collection in self.altered else self.tables.get(collection)

    def begin_collection(self, collection: str) -> Table:
        """Create a collection. Raises: InvalidInput if the project has the maximum number of collections."""
        if len(self.tables.keys() | self.altered.keys()) >= self.max_tables:
            message = f"This project has {self.max_tables} collections, which is the maximum."
            raise InvalidInput.at("/collection", message)
        table = self.altered[collection] = add_table(self.connection, collection, self.now)
        return table

    def lookup(self, collection: str, id: str) -> StoredDocument | None:
        table = self.table(collection)
        return None if table is None else table.get(self.connection, id)

    def remove(self, collection: str, table: Table, document: StoredDocument) -> None:
        """Delete the document, and store its last revision."""
        table.delete(self.connection, document.id)
        self.revisions.end(self.connection, table.number, document.id, document.rev)
        self.record(collection, table, document, None)

    def record(
        self, collection: str, table: Table, before: StoredDocument | None, after: StoredDocument | None
    ) -> None:
        """Add an entry for this change to the change log."""
        self.seq += 1
        op = "delete" if after is None else "create" if before is None else "update"
        document = after or before
        assert document is not None
        self.entries.append((self.seq, op, collection, document.id, document.rev, self.now, self.depth))
        if before is not None and table.keeps_images:
            self.images.append(self.connection, self.seq, with_system_fields(before))
        if self.changes is not None:
            self._follow(self.changes, DocumentChange(self.seq, collection, before, after))

    def _follow(self, changes: list[DocumentChange], change: DocumentChange) -> None:
        """Collect the change for the follower of the project.

        If all changes together are too large, collect none, and the follower reads the documents.
        """
        changes.append(change)
        self.followed_bytes += sum([len(one.body) for one in (change.before, change.after) if one is not None])
        if self.followed_bytes > MAX_FOLLOWED_BYTES:
            self.changes = None
