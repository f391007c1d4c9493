"""The SQL on documents. Each collection has its own table, so that it can have its own indexes.

Each collection has a number, which is part of the name of its table. So no name from a client becomes part of a
statement.
"""

from __future__ import annotations

from typing import Any, Final

import apsw

from bunbase.bundoc.definition import NO_TERMS, Terms, read_definition
from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.engine import Chunk
from bunbase.bundoc.query.budgets import MAX_PAGE_BYTES
from bunbase.bundoc.sqlite_engine.before_images import CREATE_BEFORE_IMAGES
from bunbase.bundoc.sqlite_engine.change_log import ADD_DEPTH, ADD_EPOCH, BEGIN_EPOCH, CREATE_LOG
from bunbase.bundoc.sqlite_engine.expiry import ALIVE, SET, ends_at, expired
from bunbase.bundoc.sqlite_engine.index_tables import CREATE_BUILDS, CREATE_LIST, index_tables
from bunbase.bundoc.sqlite_engine.kept_answers import CREATE_KEPT_ANSWERS
from bunbase.bundoc.sqlite_engine.kept_index import KeptIndex
from bunbase.bundoc.sqlite_engine.revisions import CREATE_REVISIONS

# This is the `user_version` of a file. `formats.py` brings an older file to this format when it is opened.
FORMAT: Final = 9

# No number is used twice, because a reader that still uses a dropped collection must not read another collection.
CREATE_COLLECTIONS: Final = """
CREATE TABLE collections (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL,
    definition TEXT NOT NULL DEFAULT '{}'
);"""

CREATE_FORMAT: Final = f"""
{CREATE_COLLECTIONS}
{CREATE_LOG}
{ADD_DEPTH};
{CREATE_LIST}
{CREATE_BUILDS};
{CREATE_REVISIONS}
{ADD_EPOCH};
{BEGIN_EPOCH};
{CREATE_KEPT_ANSWERS}
{CREATE_BEFORE_IMAGES}
PRAGMA user_version = {FORMAT};"""

COLLECTIONS: Final = "SELECT name, id, definition FROM collections"
NAMED: Final = "SELECT id, definition FROM collections WHERE name = ?"
DEFINITION: Final = "SELECT definition FROM collections WHERE id = ?"
ADD_COLLECTION: Final = "INSERT INTO collections (name, created) VALUES (?, ?) RETURNING id"

# Text indexes and builds refer to `n`. According to a measurement, a table WITHOUT ROWID has equally fast reads, lists
# and inserts.
CREATE_TABLE: Final = """
CREATE TABLE docs_N (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    rev INTEGER NOT NULL,
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    body TEXT NOT NULL,
    expires INTEGER
)"""

# SQLite's JSON functions need the body as text, and Bundoc needs bytes. The casts copy nothing; they change the type.
GET: Final = "SELECT id, rev, created, updated, CAST(body AS BLOB) FROM docs_N WHERE id = ?"
PAGE: Final = "SELECT id, rev, created, updated, CAST(body AS BLOB) FROM docs_N WHERE id > ? ORDER BY id LIMIT ?"
INSERT: Final = "INSERT INTO docs_N (id, rev, created, updated, body) VALUES (?, ?, ?, ?, CAST(? AS TEXT))"
UPDATE: Final = "UPDATE docs_N SET rev = ?, updated = ?, body = CAST(? AS TEXT) WHERE id = ?"
DELETE: Final = "DELETE FROM docs_N WHERE id = ?"


class Table:
    """The table of one collection. Every method takes a connection. Writes also update the indexes.

    `alive`: an SQL condition that is true for documents that have not expired; "" if documents do not expire.
    `plain`: true if a write needs only the table and its indexes: no expiry, no schema, and no function that decides.
    """

    def __init__(self, number: int, indexes: tuple[KeptIndex, ...] = (), terms: Terms = NO_TERMS) -> None:
        self.number = number
        self.indexes = indexes
        self.terms = terms
        self.expires = terms.definition.expires.split(".") if terms.definition.expires else None
        self.alive = ALIVE if self.expires else ""
        self.references = terms.references
        self.before_write = terms.definition.before_write
        self.plain = not (self.expires or self.before_write or terms.definition.schema is not None)
        self.keeps_images = terms.definition.before_images
        self.name = name = f"docs_{number}"
        living = f" AND {self.alive}" if self.alive else ""
        self.get_sql = GET.replace("docs_N", name) + living
        self.stored_sql = GET.replace("docs_N", name)
        self.page_sql = PAGE.replace("docs_N", name).replace(" ORDER BY", f"{living} ORDER BY")
        self.insert_sql = INSERT.replace("docs_N", name)
        self.update_sql = UPDATE.replace("docs_N", name)
        self.delete_sql = DELETE.replace("docs_N", name)

    def get(self, connection: apsw.Connection, id: str) -> StoredDocument | None:
        row = connection.execute(self.get_sql, (id,)).get
        return None if row is None else StoredDocument(*row)

    def stored(self, connection: apsw.Connection, id: str) -> StoredDocument | None:
        """Return the document even if it has expired."""
        row = connection.execute(self.stored_sql, (id,)).get
        return None if row is None else StoredDocument(*row)

    def expired(self, connection: apsw.Connection) -> list[StoredDocument]:
        return expired(connection, self.name) if self.expires else []

    def end(self, connection: apsw.Connection, document: StoredDocument) -> None:
        """Store the expiry time of the document, if documents of this collection expire."""
        if self.expires:
            at = ends_at(document.body, self.expires)
            connection.execute(SET.replace("docs_N", self.name), (at, document.id))

    def page(self, connection: apsw.Connection, after: str, limit: int, max_bytes: int = MAX_PAGE_BYTES) -> Chunk:
        """Return at most `limit` documents. The page also ends with the document that reaches `max_bytes`."""
        items: list[StoredDocument] = []
        size = 0
        rows = connection.execute(self.page_sql, (after, limit + 1))
        try:
            for row in rows:
                if len(items) == limit or size >= max_bytes:
                    return Chunk(tuple(items), more=True)
                items.append(StoredDocument(*row))
                size += len(row[4])
        finally:
            rows.close()  # An open cursor keeps its snapshot, and SQLite cannot truncate its log.
        return Chunk(tuple(items), more=False)

    def insert(self, connection: apsw.Connection, new: StoredDocument) -> None:
        connection.execute(self.insert_sql, (new.id, new.rev, new.created, new.updated, new.body))
        self.end(connection, new)
        for index in self.indexes:
            index.add(connection, new)

    def update(self, connection: apsw.Connection, new: StoredDocument) -> None:
        self._unindex(connection, new.id)
        connection.execute(self.update_sql, (new.rev, new.updated, new.body, new.id))
        self.end(connection, new)
        for index in self.indexes:
            index.add(connection, new)

    def delete(self, connection: apsw.Connection, id: str) -> None:
        self._unindex(connection, id)
        connection.execute(self.delete_sql, (id,))

    def _unindex(self, connection: apsw.Connection, id: str) -> None:
        """Remove the stored document from the indexes."""
        if self.indexes and (before := self.stored(connection, id)) is not None:
            for index in self.indexes:
                index.remove(connection, before)


def create_format(connection: apsw.Connection) -> None:
    with connection:
        for _ in connection.execute(CREATE_FORMAT):
            pass


def format_of(connection: apsw.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").get)


def tables_of(connection: apsw.Connection) -> dict[str, Table]:
    rows: list[Any] = connection.execute(COLLECTIONS).fetchall()
    return {
        name: Table(number, index_tables(connection, number), read_definition(definition))
        for name, number, definition in rows
    }


def table_of(connection: apsw.Connection, number: int) -> Table:
    definition: str = connection.execute(DEFINITION, (number,)).get
    return Table(number, index_tables(connection, number), read_definition(definition))


def found_table(connection: apsw.Connection, name: str, known: Table | None) -> Table | None:
    """Return the table of a collection as it is in the connection's snapshot. Return `known` if nothing has changed."""
    rows: list[Any] = connection.execute(NAMED, (name,)).fetchall()
    if not rows:
        return None
    number, definition = rows[0]
    read = read_definition(definition)
    if known is not None and known.number == number and known.terms.definition == read.definition:
        return known
    return Table(number, index_tables(connection, number), read)


def add_table(connection: apsw.Connection, collection: str, now: str) -> Table:
    number: int = connection.execute(ADD_COLLECTION, (collection, now)).get
    connection.execute(CREATE_TABLE.replace("docs_N", f"docs_{number}"))
    return Table(number)
