"""Clear the tables of dropped indexes in slices. To drop a whole table at once, SQLite would read each of its pages."""

from __future__ import annotations

from typing import Any, Final

import apsw

from bunbase.bundoc.sqlite_engine.transaction import Transaction

# A slice of this many keys takes 5 ms. Dropping a table of a million keys at once took 2.3 s.
KEYS_AT_ONCE: Final = 2000
PAGES_AT_ONCE: Final = 500  # One slice deletes this many rows of a text index. A row has 4 KB.

DROPPED: Final = "SELECT id, name FROM indexes WHERE collection = 0 LIMIT 1"
KEYS: Final = "DELETE FROM keys_N WHERE k <= (SELECT k FROM keys_N ORDER BY k LIMIT 1 OFFSET ?)"
# These are the tables of FTS5. The first rows of its data stay, because FTS5 reads them when the table itself is
# dropped.
PAGES: Final = """
DELETE FROM text_N_data
WHERE id > 10 AND id <= (SELECT id FROM text_N_data WHERE id > 10 ORDER BY id LIMIT 1 OFFSET ?)"""
TERMS: Final = """
DELETE FROM text_N_idx
WHERE (segid, term) <= (SELECT segid, term FROM text_N_idx ORDER BY segid, term LIMIT 1 OFFSET ?)"""
SIZES: Final = "DELETE FROM text_N_docsize WHERE id <= (SELECT id FROM text_N_docsize ORDER BY id LIMIT 1 OFFSET ?)"


class Clear:
    """Delete a slice of a dropped index, and after the last slice its table. Return True if more slices may follow."""

    def perform(self, transaction: Transaction) -> bool:
        connection = transaction.connection
        rows: list[Any] = connection.execute(DROPPED).fetchall()
        for number, name in rows:
            if not _delete_slice(connection, name):
                connection.execute(f"DROP TABLE {name}")
                connection.execute("DELETE FROM indexes WHERE id = ?", (number,))
        return bool(rows)


def is_any_dropped(connection: apsw.Connection) -> bool:
    return connection.execute(DROPPED).get is not None


def _delete_slice(connection: apsw.Connection, name: str) -> bool:
    """Delete the next rows. Return False if few rows are left, so that the table can be dropped."""
    if name.startswith("keys_"):
        slices = [(KEYS, KEYS_AT_ONCE)]
    else:
        slices = [(PAGES, PAGES_AT_ONCE), (TERMS, KEYS_AT_ONCE), (SIZES, KEYS_AT_ONCE)]
    for sql, at_once in slices:
        connection.execute(sql.replace("keys_N", name).replace("text_N", name), (at_once - 1,))
        if connection.changes():
            return True
    return False
