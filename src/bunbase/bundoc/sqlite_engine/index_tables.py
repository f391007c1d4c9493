"""An index is a table of its own: keys in order, and the id of the document that each belongs to.

Keys come from `query.order`, not from SQLite's collations: one order for sorting, cursors and every engine.
"""

from __future__ import annotations

from typing import Any, Final

import apsw
import msgspec

from bunbase.bundoc.documents import Stored, seen
from bunbase.bundoc.query.order import short_key
from bunbase.bundoc.query.plan import ALL_ABOVE, Index
from bunbase.bundoc.query.sort import entries, id_key, lacks_a_value, parse_sort
from bunbase.bundoc.schema.references import INDEX_PREFIX
from bunbase.contracts.bundoc import IndexSpec, IndexState, UniqueViolation

CREATE_LIST: Final = """
CREATE TABLE IF NOT EXISTS indexes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL,
    name TEXT NOT NULL,
    definition TEXT NOT NULL,
    many INTEGER NOT NULL DEFAULT 0,
    ready INTEGER NOT NULL DEFAULT 0,
    UNIQUE (collection, name)
);"""

CREATE: Final = "CREATE TABLE keys_N (k BLOB PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID"
INSERT: Final = "INSERT OR IGNORE INTO keys_N (k, id) VALUES (?, ?)"
DELETE: Final = "DELETE FROM keys_N WHERE k = ?"
TAKEN: Final = "SELECT id FROM keys_N WHERE k >= ? AND k < ? AND id != ?"
HOLDING: Final = "SELECT id FROM keys_N WHERE k >= ? AND k < ? ORDER BY k LIMIT ?"
MET_MANY: Final = "UPDATE indexes SET many = 1 WHERE id = ? AND many = 0"
OF_COLLECTION: Final = "SELECT id, definition, many, ready FROM indexes WHERE collection = ? ORDER BY name"

value_of: Final = msgspec.json.Decoder().decode


class IndexTable:
    """One index. `definition` is what it was asked for as."""

    def __init__(self, number: int, definition: IndexSpec, many: bool, ready: bool) -> None:
        self.number = number
        self.definition = definition
        self.ready = ready
        self.index = Index(definition.name, parse_sort(definition.fields), definition.unique, many)
        self.name = f"keys_{number}"
        self.system = definition.name.startswith(INDEX_PREFIX)

    def add(self, connection: apsw.Connection, document: Stored) -> None:
        """Raises: UniqueViolation, InvalidDocument."""
        value = value_of(seen(document))
        order = self.index.order
        keys, many = entries(order, value)
        if self.index.unique and not lacks_a_value(order, value):
            self._refuse_taken(connection, keys, document.id)
        insert, ending = INSERT.replace("keys_N", self.name), id_key(order, document.id)
        for key in keys:
            connection.execute(insert, (key + ending, document.id))
        if many:
            connection.execute(MET_MANY, (self.number,))

    def remove(self, connection: apsw.Connection, document: Stored) -> None:
        keys, _ = entries(self.index.order, value_of(seen(document)))
        delete, ending = DELETE.replace("keys_N", self.name), id_key(self.index.order, document.id)
        for key in keys:
            connection.execute(delete, (key + ending,))

    def holding(self, connection: apsw.Connection, value: str, most: int) -> list[str]:
        """Give the ids of documents that hold the value in the first field of the index."""
        key = short_key(value)
        rows: list[Any] = connection.execute(
            HOLDING.replace("keys_N", self.name), (key, key + ALL_ABOVE, most)
        ).fetchall()
        return [id for (id,) in rows]

    def state(self) -> IndexState:
        known = self.definition
        return IndexState(known.name, known.fields, known.unique, self.ready, self.system)

    def _refuse_taken(self, connection: apsw.Connection, keys: list[bytes], id: str) -> None:
        taken = TAKEN.replace("keys_N", self.name)
        for key in keys:
            other = connection.execute(taken, (key, key + ALL_ABOVE, id)).get
            if other is not None:
                fields = ", ".join(self.definition.fields)
                message = f"Document {other} has the same {fields}: the index {self.definition.name} is unique."
                raise UniqueViolation(message, index=self.definition.name)


def index_tables(connection: apsw.Connection, collection: int) -> tuple[IndexTable, ...]:
    rows: list[Any] = connection.execute(OF_COLLECTION, (collection,)).fetchall()
    return tuple(
        IndexTable(number, msgspec.json.decode(definition, type=IndexSpec), bool(many), bool(ready))
        for number, definition, many, ready in rows
    )


def create_index(connection: apsw.Connection, collection: int, definition: IndexSpec) -> None:
    text = msgspec.json.encode(definition).decode()
    sql = "INSERT INTO indexes (collection, name, definition) VALUES (?, ?, ?) RETURNING id"
    number: int = connection.execute(sql, (collection, definition.name, text)).get
    connection.execute(CREATE.replace("keys_N", f"keys_{number}"))


def drop_index(connection: apsw.Connection, table: IndexTable) -> None:
    connection.execute(f"DROP TABLE {table.name}")
    connection.execute("DELETE FROM indexes WHERE id = ?", (table.number,))


def finish_index(connection: apsw.Connection, number: int) -> None:
    connection.execute("UPDATE indexes SET ready = 1 WHERE id = ?", (number,))
