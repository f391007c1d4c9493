"""Files of format 6 and less may hold values that are refused or read otherwise today; opening one mends it.

Revisions: a document that was deleted and stored again had begun at 1 anew. What the change log still knows is kept;
  where it knows less than all, every revision is given above the log's own floor.
Names with control characters: SQLite's JSON functions end a name at U+0000, and then take it for another one. Each such
  character becomes its picture (U+0000 the sign ␀, U+2400); nothing is lost, and the document has a new revision.
Unique indexes: elements of arrays that are objects or arrays get keys. What is alike by these stays, and is refused
  when it is next written.
Times: when a document ends is read anew, by RFC 3339 alone.

All of it happens in the transaction that brings the file up to format 7.
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

AT_ONCE: Final = 200
AT_ONCE_BYTES: Final = 2 << 20  # large documents are read in fewer at a time
PICTURES: Final = {**{code: 0x2400 + code for code in range(0x20)}, 0x7F: 0x2421}
TAKEN: Final = "\u2400"  # behind a name until no other field has it

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
    for _ in connection.execute(CREATE_REVISIONS):
        pass
    collections: list[Any] = connection.execute(COLLECTIONS).fetchall()
    mending = _Mending(connection)
    mending.know_revisions([number for number, _, _ in collections])
    for number, name, definition in collections:
        renamed = _renamed_definition(read_definition(definition).definition)
        if renamed is not None:
            connection.execute("UPDATE collections SET definition = ? WHERE id = ?", (renamed, number))
        mending.collection(name, table_of(connection, number))
    mending.log()


def rekey(connection: apsw.Connection, table: Table, index: KeptIndex) -> None:
    """Make an index anew from the documents that it knows, as far as it is built."""
    empty = EMPTY if isinstance(index, IndexTable) else EMPTY_TEXT
    connection.execute(empty.replace("index_N", index.name))
    for n, document in _rows(connection, ROWS, table):
        if index.ready or n <= index.built:
            index.add_again(connection, document)


class _Mending:
    """`rows`: what the change log gets."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.seq = change_log.ends(connection)[1]
        self.rows: list[change_log.Row] = []

    def know_revisions(self, numbers: list[int]) -> None:
        connection = self.connection
        floor, _ = change_log.ends(connection)
        if floor:  # what was logged before is gone: no revision can be above the number it was logged under,
            highest = (connection.execute(HIGHEST.replace("docs_N", f"docs_{number}")).get for number in numbers)
            raise_above(connection, max(floor, *highest, 0))  # but before there was a log
        connection.execute(ENDED)
        connection.execute(DROPPED)

    def collection(self, name: str, table: Table) -> None:
        changed = self._give_above(name, table)
        changed |= self._rename(name, table)
        for index in table.indexes:
            if changed or (isinstance(index, IndexTable) and index.index.unique and index.index.many):
                rekey(self.connection, table, index)
        if table.expires:
            for _, document in _rows(self.connection, ROWS, table):
                table.end(self.connection, document)

    def log(self) -> None:
        change_log.append(self.connection, self.rows)

    def _give_above(self, name: str, table: Table) -> bool:
        """Set a revision that no earlier document had on those that were stored again under their id."""
        sql = STORED_AGAIN.replace("docs_N", table.name)
        again: list[Any] = self.connection.execute(sql, (table.number,)).fetchall()
        for id, rev in again:
            stored = table.stored(self.connection, id)  # one by one: all together they may be all there is
            assert stored is not None  # it was joined a moment ago
            self._change(name, table, msgspec.structs.replace(stored, rev=rev), stored.body)
            self.connection.execute("DELETE FROM ended WHERE collection = ? AND id = ?", (table.number, id))
        return bool(again)

    def _rename(self, name: str, table: Table) -> bool:
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
    """Return the document with pictures for control characters in names, None if there are none."""
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
    """Let hidden fields and the time of ending follow their fields."""
    hidden = known.rules.hidden if known.rules else {}
    if not any(holds_control(path) for path in (*hidden, known.expires or "")):
        return None
    rules = known.rules and msgspec.structs.replace(
        known.rules, hidden={path.translate(PICTURES): rule for path, rule in hidden.items()}
    )
    expires = known.expires and known.expires.translate(PICTURES)
    return written_definition(msgspec.structs.replace(known, rules=rules, expires=expires))


def _rows(connection: apsw.Connection, sql: str, table: Table) -> Iterator[tuple[int, StoredDocument]]:
    """Each document with its number, read before the next one is changed."""
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
        rows.close()  # what is being read from cannot be changed
    return found
