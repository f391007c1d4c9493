"""The expiry of documents, at the time in one of their fields. Expired documents are hidden, and deleted soon after."""

from __future__ import annotations

from typing import Any, Final

import apsw

from bunbase.bundoc.documents import StoredDocument, read_all, read_fields
from bunbase.pkg.moments import milliseconds, read_moment

EXPIRED_AT_ONCE: Final = 200  # One batch deletes at most this many documents, which takes the writer about 5 ms.
EXPIRED_BYTES_AT_ONCE: Final = 2 << 20  # a batch ends after this many bytes
# One batch changes at most this many rows. A document with an array has up to 1000 rows in an index.
EXPIRED_ROWS_AT_ONCE: Final = 5000

ALIVE: Final = "(expires IS NULL OR expires > CAST(unixepoch('subsec') * 1000 AS INTEGER))"
CREATE_INDEX: Final = "CREATE INDEX IF NOT EXISTS expires_N ON docs_N (expires) WHERE expires IS NOT NULL"
EXPIRED: Final = """
SELECT id, rev, created, updated, CAST(body AS BLOB) FROM docs_N
WHERE expires <= CAST(unixepoch('subsec') * 1000 AS INTEGER) ORDER BY expires LIMIT ?"""
ANY_EXPIRED: Final = "SELECT 1 FROM docs_N WHERE expires <= CAST(unixepoch('subsec') * 1000 AS INTEGER) LIMIT 1"
NEXT_END: Final = "SELECT min(expires) FROM docs_N WHERE expires >= ?"
SET: Final = "UPDATE docs_N SET expires = ? WHERE id = ?"


def ends_at(body: bytes, path: list[str]) -> int | None:
    """Return the time at which a document expires, in milliseconds since 1970; None if the field has no time in RFC
    3339.
    """
    value: Any = body
    for name in path:
        if bytes(value)[:1] != b"{" or (value := read_fields(value).get(name)) is None:
            return None
    if not isinstance(text := read_all(value), str):
        return None
    try:
        return milliseconds(read_moment(text))
    except ValueError:
        return None


def expired(connection: apsw.Connection, table: str) -> list[StoredDocument]:
    """Return a batch of expired documents, the oldest first."""
    found: list[StoredDocument] = []
    size = 0
    rows = connection.execute(EXPIRED.replace("docs_N", table), (EXPIRED_AT_ONCE,))
    try:
        for row in rows:
            found.append(StoredDocument(*row))
            size += len(found[-1].body)
            if size >= EXPIRED_BYTES_AT_ONCE:
                break
    finally:
        rows.close()
    return found


def next_end(connection: apsw.Connection, table: str, since: int) -> int | None:
    """Return the first time, at `since` or later, at which a document expires. Times are in milliseconds since 1970."""
    found: int | None = connection.execute(NEXT_END.replace("docs_N", table), (since,)).get
    return found


def is_any_expired(connection: apsw.Connection, table: str) -> bool:
    return connection.execute(ANY_EXPIRED.replace("docs_N", table)).get is not None
