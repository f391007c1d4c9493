"""Repair the documents in a file of format 6 or less, because this version refuses or reads some values differently.

One transaction does all repairs and brings the file to format 7. There are four faults:

Revisions (docs/decisions/0033). In older versions, the revisions of a document that was deleted and stored again began
at 1 again. So a client with an old copy could overwrite the new document. The deletions in the change log show which
revisions were used. If old entries of the log are deleted, all later revisions begin above the log's floor, since each
revision took a number of the log. Later revisions also begin above all stored revisions, because the oldest files had
no log.

Names with control characters (docs/decisions/0040). SQLite's JSON functions end a name at U+0000, so they find a field
under the name of another field. For example, Ann's list had a document whose `owner` was Bob, because it also had the
field `owner` + U+0000 with the value Ann. Each control character is replaced by its symbol (U+0000 by ␀, U+2400). No
value is lost, and the document gets a new revision. The alternative was an SQL function of our own that reads names.
Such a function would slow down every query, for names that nobody uses.

Unique indexes. If an element of an array is an object or an array, it has a key now. If two documents have equal
elements, both stay, and the next write of either document is refused.

Times. The expiry time of each document is read again, because only RFC 3339 is accepted now.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import apsw
import msgspec

from bunbase.bundoc.definition import Definition, read_definition, written_definition
from bunbase.bundoc.documents import Fields, StoredDocument, names_control, read_all, read_fields, read_items, write
from bunbase.bundoc.sqlite_engine import change_log
from bunbase.bundoc.sqlite_engine.index_tables import IndexTable
from bunbase.bundoc.sqlite_engine.kept_index import KeptIndex
from bunbase.bundoc.sqlite_engine.revisions import CREATE_REVISIONS, raise_above
from bunbase.bundoc.sqlite_engine.tables import Table, table_of
from bunbase.pkg.control_characters import holds_control

AT_ONCE: Final = 200  # This many documents are read at a time.
AT_ONCE_BYTES: Final = 2 << 20  # a batch ends after this many bytes
PICTURES: Final = {**{code: 0x2400 + code for code in range(0x20)}, 0x7F: 0x2421}
TAKEN: Final = "\u2400"  # This text is appended to a name until no other field has the name.

COLLECTIONS: Final = "SELECT id, name, definition FROM collections"
ROWS: Final = "SELECT n, id, rev, created, updated, CAST(body AS BLOB) FROM docs_N WHERE n > ? ORDER BY n LIMIT ?"
SUSPECTS: Final = """
SELECT n, id, rev, created, updated, CAST(body AS BLOB) FROM docs_N WHERE n > ?
AND (instr(CAST(body AS BLOB), x'5c') OR instr(CAST(body AS BLOB), x'7f')) ORDER BY n LIMIT ?"""
HIGHEST: Final = "SELECT coalesce(max(rev), 0) FROM docs_N"
EMPTY: Final = "DELETE FROM index_N"
EMPTY_TEXT: Final = "INSERT INTO index_N (index_N) VALUES ('delete-all')"
CHANGE: Final = "UPDATE docs_N SET rev = ?, body = CAST(? AS TEXT) WHERE id = ?"

ENDED: Final = """
INSERT INTO ended (collection, id, rev)
SELECT c.id, l.id, max(l.rev) FROM changes AS l JOIN collections AS c ON c.name = l.collection
GROUP BY c.id, l.id HAVING sum(l.op = 'delete')"""
DROPPED: Final = """
INSERT INTO floors (collection, rev)
SELECT collection, max(rev) FROM changes WHERE collection NOT IN (SELECT name FROM collections) GROUP BY collection"""
STORED_AGAIN: Final = "SELECT d.id, e.rev FROM ended AS e JOIN docs_N AS d ON d.id = e.id WHERE e.collection = ?"


def mend(connection: apsw.Connection) -> None:
    """Bring a file from format 6 to format 7."""
    for _ in connection.execute(CREATE_REVISIONS):
        pass
    collections: list[Any] = connection.execute(COLLECTIONS).fetchall()
    mending = _Mending(connection)
    mending.remember_revisions([number for number, _, _ in collections])
    for number, name, definition in collections:
        renamed = _renamed_definition(read_definition(definition).definition)
        if renamed is not None:
            connection.execute("UPDATE collections SET definition = ? WHERE id = ?", (renamed, number))
        mending.mend_collection(name, table_of(connection, number))
    mending.append_log()


def rekey(connection: apsw.Connection, table: Table, index: KeptIndex) -> None:
    """Build an index again from the stored documents. An index that is still incomplete gets back only
    the documents that it contained before.
    """
    empty = EMPTY if isinstance(index, IndexTable) else EMPTY_TEXT
    connection.execute(empty.replace("index_N", index.name))
    for n, document in _rows(connection, ROWS, table):
        if index.ready or n <= index.built:
            index.add_again(connection, document)


class _Mending:
    """The repair of one file. `rows`: the entries to append to the change log at the end."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.seq = change_log.ends(connection)[1]
        self.rows: list[change_log.Row] = []

    def remember_revisions(self, numbers: list[int]) -> None:
        """Fill the tables of `revisions.py`. `numbers`: the numbers of all collections."""
        connection = self.connection
        floor, _ = change_log.ends(connection)
        if (
            floor
        ):  # The log deletes old entries. A revision is at most the number of its entry, or below the oldest entry.
            highest = (connection.execute(HIGHEST.replace("docs_N", f"docs_{number}")).get for number in numbers)
            raise_above(connection, max(floor, *highest, 0))
        connection.execute(ENDED)
        connection.execute(DROPPED)

    def mend_collection(self, name: str, table: Table) -> None:
        mended = self._raise_revisions(name, table)
        mended |= self._rename_fields(name, table)
        for index in table.indexes:
            if mended or (isinstance(index, IndexTable) and index.index.unique and index.index.many):
                rekey(self.connection, table, index)
        if table.expires:
            for _, document in _rows(self.connection, ROWS, table):
                table.end(self.connection, document)

    def append_log(self) -> None:
        change_log.append(self.connection, self.rows)

    def _raise_revisions(self, name: str, table: Table) -> bool:
        """Raise the revision of each document whose id belonged to a deleted document before.

        Return True if there are such documents.
        """
        sql = STORED_AGAIN.replace("docs_N", table.name)
        again: list[Any] = self.connection.execute(sql, (table.number,)).fetchall()
        for id, rev in again:
            # Documents are read one at a time, because all of them may be too large for memory.
            stored = table.stored(self.connection, id)
            assert stored is not None  # The query above has found this document.
            self._change(name, table, msgspec.structs.replace(stored, rev=rev), stored.body)
            self.connection.execute("DELETE FROM ended WHERE collection = ? AND id = ?", (table.number, id))
        return bool(again)

    def _rename_fields(self, name: str, table: Table) -> bool:
        """Replace control characters in the names of fields. Return True if a name had one."""
        any_renamed = False
        for _, document in _rows(self.connection, SUSPECTS, table):
            if (body := renamed_body(document.body)) is not None:
                self._change(name, table, document, body)
                any_renamed = True
        return any_renamed

    def _change(self, name: str, table: Table, last: StoredDocument, body: bytes) -> None:
        rev = last.rev + 1
        self.connection.execute(CHANGE.replace("docs_N", table.name), (rev, body, last.id))
        self.seq += 1
        self.rows.append((self.seq, "update", name, last.id, rev, last.updated, 0))


def renamed_body(body: bytes) -> bytes | None:
    """Return the document with symbols instead of control characters in names; None if no name has one."""
    return write(_renamed(read_fields(body))) if names_control(read_all(body)) else None


def _renamed(fields: Fields) -> Fields:
    result: Fields = {}
    for name, value in fields.items():
        pictured = name.translate(PICTURES)
        while pictured != name and (pictured in fields or pictured in result):
            pictured += TAKEN
        result[pictured] = msgspec.Raw(_renamed_value(bytes(value)))
    return result


def _renamed_value(value: bytes) -> bytes:
    if value[:1] == b"{":
        return write(_renamed(read_fields(value)))
    if value[:1] == b"[" and b"{" in value:
        return write([msgspec.Raw(_renamed_value(bytes(one))) for one in read_items(value)])
    return value


def _renamed_definition(known: Definition) -> str | None:
    """Return the definition with the new names of hidden fields and the expiry field; None if no name changes."""
    hidden = known.rules.hidden if known.rules else {}
    if not any(holds_control(path) for path in (*hidden, known.expires or "")):
        return None
    rules = known.rules and msgspec.structs.replace(
        known.rules, hidden={path.translate(PICTURES): rule for path, rule in hidden.items()}
    )
    expires = known.expires and known.expires.translate(PICTURES)
    return written_definition(msgspec.structs.replace(known, rules=rules, expires=expires))


def _rows(connection: apsw.Connection, sql: str, table: Table) -> Iterator[tuple[int, StoredDocument]]:
    """Yield each document with its number. Rows are read in batches, so the caller may change the rows."""
    after, sql = 0, sql.replace("docs_N", table.name)
    while rows := _batch(connection, sql, after):
        for after, *fields in rows:
            yield after, StoredDocument(*fields)


def _batch(connection: apsw.Connection, sql: str, after: int) -> list[Any]:
    found: list[Any] = []
    size = 0
    rows = connection.execute(sql, (after, AT_ONCE))
    try:
        for row in rows:
            found.append(row)
            size += len(row[-1])
            if size >= AT_ONCE_BYTES:
                break
    finally:
        rows.close()  # SQLite cannot change a table while a cursor is open on it.
    return found
