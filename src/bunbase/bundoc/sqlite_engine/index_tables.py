"""The tables of indexes. An index is a table of sorted keys, each with the id of its document.

The keys come from `query.order`, not from SQLite's collations, so that indexes, sorting, cursors and all engines use
the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import apsw
import msgspec

from bunbase.bundoc.documents import StoredDocument, with_system_fields
from bunbase.bundoc.query.order import short_key
from bunbase.bundoc.query.plan import Index
from bunbase.bundoc.query.predicate import paths_of
from bunbase.bundoc.query.ranges import ALL_ABOVE
from bunbase.bundoc.query.sort import Entries, entries, id_key, meets_array, parse_sort
from bunbase.bundoc.sqlite_engine.kept_index import BUILDING, READY, RETIRING, KeptIndex, value_of
from bunbase.bundoc.sqlite_engine.text_tables import TextTable
from bunbase.contracts.bundoc.collections import IndexSpec
from bunbase.contracts.bundoc.problems import UniqueViolation

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

INDEXES_CACHED: Final = 2048
# A collection has at most this many indexes, including retiring indexes, because each write changes all of them.
MOST_KEPT: Final = 128

# These are the bits of `many`. An index without WATCHED is older than this bit, so it may lack MET_IN_WHERE although
# MET_IN_WHERE applies.
MANY: Final = 1  # Some document has an array on the path of a field.
WATCHED: Final = 2  # MET_IN_WHERE is reliable, since every document was checked for it.
MET_IN_WHERE: Final = 4  # Some document has an array on a path of the index's filter.

# `id` is the number of the index.
CREATE_BUILDS: Final = "CREATE TABLE builds (id INTEGER PRIMARY KEY, document INTEGER NOT NULL)"

CREATE: Final = "CREATE TABLE keys_N (k BLOB PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID"
INSERT: Final = "INSERT OR IGNORE INTO keys_N (k, id) VALUES (?, ?)"
DELETE: Final = "DELETE FROM keys_N WHERE k = ?"
TAKEN: Final = "SELECT id FROM keys_N WHERE k >= ? AND k < ? AND id != ? LIMIT 100"
HOLDING: Final = "SELECT id FROM keys_N WHERE k >= ? AND k < ? ORDER BY k LIMIT ?"
DETACH: Final = "UPDATE indexes SET collection = 0, name = ?, definition = '' WHERE id = ?"
STAGE: Final = "UPDATE indexes SET ready = ?, name = ? WHERE id = ?"
SET_MET: Final = "UPDATE indexes SET many = many | ?1 WHERE id = ?2 AND many & ?1 != ?1"
OF_COLLECTION: Final = """
SELECT i.id, i.definition, i.many, i.ready, coalesce(b.document, 0)
FROM indexes AS i LEFT JOIN builds AS b ON b.id = i.id WHERE i.collection = ? ORDER BY i.name"""


class IndexTable(KeptIndex):
    """An index of keys."""

    def __init__(self, number: int, definition: IndexSpec, met: int, stage: int, built: int) -> None:
        super().__init__(number, definition, stage, built)
        order = parse_sort(definition.fields)
        plain = not self.partial or met & (WATCHED | MET_IN_WHERE) == WATCHED
        self.index = Index(definition.name, order, definition.unique, bool(met & MANY), self.where, plain)
        self.where_paths = tuple(dict.fromkeys(paths_of(self.where)))

    @property
    def name(self) -> str:
        return f"keys_{self.number}"

    @property
    def create_sql(self) -> str:
        return CREATE.replace("keys_N", self.name)

    def put(self, connection: apsw.Connection, id: str, value: Any) -> None:
        found = entries(self.index.order, value, self.index.unique)
        self._refuse_taken(connection, found.own, id)
        self._insert(connection, id, value, found)

    def put_again(self, connection: apsw.Connection, id: str, value: Any) -> None:
        """Add a document of an older format, even if another document has the same values by today's rules."""
        self._insert(connection, id, value, entries(self.index.order, value, self.index.unique, lenient=True))

    def take(self, connection: apsw.Connection, id: str, value: Any) -> None:
        keys = entries(self.index.order, value, self.index.unique, lenient=True).keys
        delete, ending = DELETE.replace("keys_N", self.name), id_key(self.index.order, id)
        for key in keys:
            connection.execute(delete, (key + ending,))

    def holding(self, connection: apsw.Connection, value: str, most: int) -> list[str]:
        """Return the ids of documents with this value in the first field of the index."""
        key = short_key(value)
        rows: list[Any] = connection.execute(
            HOLDING.replace("keys_N", self.name), (key, key + ALL_ABOVE, most)
        ).fetchall()
        return [id for (id,) in rows]

    def in_the_way(self, connection: apsw.Connection, document: StoredDocument) -> list[str]:
        """Return the ids of other documents with the same values, which the unique index does not allow."""
        value = value_of(with_system_fields(document))
        if not self.index.unique or not self._knows(value):
            return []
        return list(self._taken(connection, entries(self.index.order, value, unique=True).own, document.id))

    def _insert(self, connection: apsw.Connection, id: str, value: Any, found: Entries) -> None:
        insert, ending = INSERT.replace("keys_N", self.name), id_key(self.index.order, id)
        for key in found.keys:
            connection.execute(insert, (key + ending, id))
        met = MANY * found.many | MET_IN_WHERE * any(meets_array(value, path) for path in self.where_paths)
        if met:
            connection.execute(SET_MET, (met, self.number))

    def _refuse_taken(self, connection: apsw.Connection, keys: tuple[bytes, ...], id: str) -> None:
        for other in self._taken(connection, keys, id):
            fields = ", ".join(self.definition.fields)
            message = f"Document {other} has the same {fields}, but the index {self.definition.name} is unique."
            raise UniqueViolation(message, index=self.definition.name)

    def _taken(self, connection: apsw.Connection, keys: tuple[bytes, ...], id: str) -> Iterator[str]:
        taken = TAKEN.replace("keys_N", self.name)
        for key in keys:
            rows: list[Any] = connection.execute(taken, (key, key + ALL_ABOVE, id)).fetchall()
            for (other,) in rows:  # There is more than one document only in a file that once had format 6 or less.
                yield other


def index_tables(connection: apsw.Connection, collection: int) -> tuple[KeptIndex, ...]:
    rows: list[Any] = connection.execute(OF_COLLECTION, (collection,)).fetchall()
    return tuple(_index(collection, *row) for row in rows)


def create_index(connection: apsw.Connection, collection: int, definition: IndexSpec) -> None:
    text = msgspec.json.encode(definition).decode()
    sql = "INSERT INTO indexes (collection, name, definition, many) VALUES (?, ?, ?, ?) RETURNING id"
    number: int = connection.execute(sql, (collection, definition.name, text, WATCHED)).get
    connection.execute(_index(collection, number, text, WATCHED, BUILDING, 0).create_sql)
    built_until(connection, number, 0)


def drop_index(connection: apsw.Connection, index: KeptIndex) -> None:
    """Remove the index from its collection. The table of the index remains until it is cleared (`clearing.py`)."""
    connection.execute(DETACH, (index.name, index.number))
    connection.execute("DELETE FROM builds WHERE id = ?", (index.number,))


def retire_index(connection: apsw.Connection, index: KeptIndex) -> None:
    """Keep the index in use for now, and free its name."""
    name = f"{index.definition.name}#{index.number}"  # No name that a caller chose contains #.
    connection.execute(STAGE, (RETIRING, name, index.number))


def restore_index(connection: apsw.Connection, index: KeptIndex) -> None:
    """Undo `retire_index`."""
    connection.execute(STAGE, (READY, index.definition.name, index.number))


def built_until(connection: apsw.Connection, number: int, document: int) -> None:
    """Store the progress of the build, so that the build continues there after a crash."""
    connection.execute("INSERT OR REPLACE INTO builds (id, document) VALUES (?, ?)", (number, document))


def finish_index(connection: apsw.Connection, number: int) -> None:
    connection.execute("UPDATE indexes SET ready = ? WHERE id = ?", (READY, number))
    connection.execute("DELETE FROM builds WHERE id = ?", (number,))


@lru_cache(INDEXES_CACHED)
def _index(collection: int, number: int, definition: str, met: int, stage: int, built: int) -> KeptIndex:
    """Return the index of a row. Indexes do not change, and each search and each commit reads the rows again."""
    spec = msgspec.json.decode(definition, type=IndexSpec)
    if spec.type == "text":
        return TextTable(number, collection, spec, stage, built)
    return IndexTable(number, spec, met, stage, built)
