"""Create, alter, measure and drop collections: tasks that take their turn among the writes, each one short.

A new index is declared first, and kept by every write from then on; what was stored before is brought in by one
batch after the other. Queries use it when it is complete. After a crash in between, it goes on when the file is opened.
"""

from __future__ import annotations

from typing import Any, Final

import apsw
import msgspec

from bunbase.bundoc.documents import Stored
from bunbase.bundoc.sqlite_engine.index_tables import built_until, create_index, drop_index, finish_index, index_tables
from bunbase.bundoc.sqlite_engine.kept_index import KeptIndex
from bunbase.bundoc.sqlite_engine.tables import Table
from bunbase.bundoc.sqlite_engine.writer import Transaction
from bunbase.contracts.bundoc import Collection, IndexSpec, InvalidDocument, UniqueViolation

BATCH: Final = 200  # documents brought into an index at a time: about 5 ms that writes wait, 30 ms for much text
BATCH_BYTES: Final = 2 << 20  # large documents go in fewer at a time

BATCH_AFTER: Final = (
    "SELECT n, id, rev, created, updated, CAST(body AS BLOB) FROM docs_N WHERE n > ? ORDER BY n LIMIT ?"
)
ALL: Final = "SELECT id, name, created FROM collections ORDER BY name"
ONE: Final = "SELECT id, name, created FROM collections WHERE name = ?"
LAST: Final = "SELECT coalesce(max(n), 0) FROM docs_N"
SIZE: Final = "SELECT count(*), coalesce(sum(octet_length(body)), 0) FROM docs_N"


class Declare:
    """Gives the numbers of the indexes that are to be built."""

    def __init__(self, collection: str, indexes: tuple[IndexSpec, ...]) -> None:
        self.collection = collection
        self.indexes = indexes

    def run(self, transaction: Transaction) -> list[int]:
        connection = transaction.connection
        table = transaction.table(self.collection) or transaction.begin(self.collection)
        wanted = [_exactly(definition) for definition in self.indexes]
        kept = []
        for index in table.indexes:
            if _exactly(index.definition) in wanted:
                kept.append(_exactly(index.definition))
            else:
                drop_index(connection, index)
        for definition in self.indexes:
            if _exactly(definition) not in kept:
                create_index(connection, table.number, definition)
        now = _shown(transaction, self.collection, table.number)
        return [index.number for index in now.indexes if not index.ready]


class Build:
    """Brings the next batch of documents into an index; says whether there are more.

    If a document does not fit, the index is dropped and the reason is the result: raising would undo the dropping.
    """

    def __init__(self, collection: str, number: int) -> None:
        self.collection = collection
        self.number = number

    def run(self, transaction: Transaction) -> bool | Exception:
        connection, table = transaction.connection, transaction.table(self.collection)
        index = next((one for one in table.indexes if one.number == self.number), None) if table else None
        if table is None or index is None or index.ready:
            return False  # dropped meanwhile, or built by another
        try:
            last = self._brought_in(connection, table, index)
        except (UniqueViolation, InvalidDocument) as problem:
            drop_index(connection, index)
            _shown(transaction, self.collection, table.number)
            return problem
        if last is None:
            finish_index(connection, self.number)
        else:
            built_until(connection, self.number, last)
        _shown(transaction, self.collection, table.number)
        return last is not None

    def _brought_in(self, connection: apsw.Connection, table: Table, index: KeptIndex) -> int | None:
        """Give the last document of the batch, None if it was the last of all."""
        rows = connection.execute(BATCH_AFTER.replace("docs_N", table.name), (index.built, BATCH))
        documents = size = 0
        last: int | None = None
        try:
            for last, *fields in rows:
                document = Stored(*fields)
                index.add(connection, document)
                documents += 1
                size += len(document.body)
                if size >= BATCH_BYTES:
                    return last
        finally:
            rows.close()  # an index that is being read from cannot be dropped
        return last if documents == BATCH else None


class Drop:
    """Deletes a batch of documents, each with its entry in the change log, and at last the collection.

    Gives whether documents are left, None if there is no such collection.
    """

    def __init__(self, collection: str) -> None:
        self.collection = collection

    def run(self, transaction: Transaction) -> bool | None:
        connection, table = transaction.connection, transaction.table(self.collection)
        if table is None:
            return None
        rows: list[tuple[Any, ...]] = connection.execute(
            BATCH_AFTER.replace("docs_N", table.name), (0, BATCH)
        ).fetchall()
        for _, *document in rows:
            stored = Stored(*document)
            table.delete(connection, stored.id)
            transaction.log(self.collection, stored, None)
        if len(rows) == BATCH:
            return True
        for index in table.indexes:
            drop_index(connection, index)
        connection.execute(f"DROP TABLE {table.name}")
        connection.execute("DELETE FROM collections WHERE id = ?", (table.number,))
        transaction.changed[self.collection] = None
        return False


def _exactly(definition: IndexSpec) -> bytes:
    """Tell apart what == does not: a filter on 1 from one on true."""
    return msgspec.json.encode(definition)


def all_collections(connection: apsw.Connection) -> tuple[Collection, ...]:
    rows: list[Any] = connection.execute(ALL).fetchall()
    return tuple(_collection(connection, *row) for row in rows)


def measured(connection: apsw.Connection, name: str) -> Collection | None:
    row: Any = connection.execute(ONE, (name,)).get
    if row is None:
        return None
    size: Any = connection.execute(SIZE.replace("docs_N", f"docs_{row[0]}")).fetchall()[0]
    found = _collection(connection, *row)
    return Collection(found.name, found.created_at, found.indexes, size[0], size[1])


def _collection(connection: apsw.Connection, number: int, name: str, created: str) -> Collection:
    indexes = index_tables(connection, number)
    last = (
        0 if all(index.ready for index in indexes) else connection.execute(LAST.replace("docs_N", f"docs_{number}")).get
    )
    return Collection(name, created, tuple(index.state(last) for index in indexes))


def _shown(transaction: Transaction, collection: str, number: int) -> Table:
    """Let later writes, and after the commit the readers, know the collection with its indexes as they are now."""
    table = transaction.changed[collection] = Table(number, index_tables(transaction.connection, number))
    return table
