"""The variants of images that are kept. Each function runs in a transaction of its connection.

A variant belongs to one version of an object: a write or a deletion of the object drops its variants. A variant can be
made again, so it is in no backup, and its blob is not in `blobs`. It does not count to the limit of the project; the
number of variants of an object and the bytes of all variants of a project have limits of their own.
"""

from __future__ import annotations

from typing import Any, Final

import apsw
import msgspec

from bunbase.storage.store.blobs import drop_blob

MOST_OF_ONE: Final = 20  # variants of one object

TABLES: Final = """
CREATE TABLE variants (
    object INTEGER NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    blob TEXT NOT NULL,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    made INTEGER NOT NULL,
    PRIMARY KEY (object, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX variants_made ON variants (made);
CREATE INDEX variants_blob ON variants (blob);
"""


class Variant(msgspec.Struct, frozen=True):
    """`name`: the order of the variant (images/sizes.py). `made`: milliseconds since 1970."""

    name: str
    blob: str
    size: int
    content_type: str
    made: int


class Source(msgspec.Struct, frozen=True):
    """The version of an object to which a variant belongs.

    `change` alone is too little: after a restore, another object may have the same id and the same change.
    """

    object: int
    change: int
    etag: str


def find_variant(connection: apsw.Connection, source: Source, name: str) -> Variant | None:
    """Return a variant; None if there is none, or if the object has changed since the caller looked at it."""
    if not _is_unchanged(connection, source):
        return None
    query = "SELECT name, blob, size, content_type, made FROM variants WHERE object = ? AND name = ?"
    row: Any = connection.execute(query, (source.object, name)).fetchone()
    return None if row is None else Variant(*row)


def add_variant(connection: apsw.Connection, source: Source, new: Variant, most_bytes: int) -> bool:
    """Keep a variant, and drop the oldest ones that are too many. `source`: the object from which it was made.

    Return False if the object has changed since; then nothing is kept.
    """
    if not _is_unchanged(connection, source):
        return False
    object = source.object
    _drop(connection, "object = ? AND name = ?", (object, new.name))
    connection.execute("INSERT INTO variants VALUES (?, ?, ?, ?, ?, ?)", (object, *msgspec.structs.astuple(new)))
    connection.execute("UPDATE totals SET variant_bytes = variant_bytes + ?", (new.size,))
    while connection.execute("SELECT count(*) FROM variants WHERE object = ?", (object,)).get > MOST_OF_ONE:
        _drop(connection, "object = ?1 AND blob <> ?2", (object, new.blob), limit=1)
    while connection.execute("SELECT variant_bytes FROM totals").get > most_bytes:
        if not _drop(connection, "true", (), limit=1):
            break
    return True


def drop_variant(connection: apsw.Connection, object: int, blob: str) -> None:
    """Drop one variant, whose blob is missing or damaged. Idempotent."""
    _drop(connection, "object = ? AND blob = ?", (object, blob))


def drop_variants(connection: apsw.Connection, object: int) -> None:
    """Drop all variants of an object."""
    _drop(connection, "object = ?", (object,))


def drop_old_variants(connection: apsw.Connection, before: int, limit: int) -> int:
    """Drop variants that were made before a time, and return their number."""
    return _drop(connection, "made < ?", (before,), limit)


def forget_variants(connection: apsw.Connection) -> None:
    """Forget all variants, in a list whose variants are not there. The sweeper finds their blobs as orphans."""
    connection.execute("DELETE FROM variants")
    connection.execute("UPDATE totals SET variant_bytes = 0")


def _is_unchanged(connection: apsw.Connection, source: Source) -> bool:
    row: Any = connection.execute("SELECT change, etag FROM objects WHERE id = ?", (source.object,)).fetchone()
    return row is not None and tuple(row) == (source.change, source.etag)


def _drop(connection: apsw.Connection, where: str, values: tuple[Any, ...], limit: int = 1000) -> int:
    """Drop the oldest variants that a condition selects, and return their number."""
    query = f"SELECT object, name, blob, size FROM variants WHERE {where} ORDER BY made LIMIT {limit:d}"
    found: list[Any] = connection.execute(query, values).fetchall()
    for object, name, blob, size in found:
        connection.execute("DELETE FROM variants WHERE object = ? AND name = ?", (object, name))
        connection.execute("UPDATE totals SET variant_bytes = variant_bytes - ?", (size,))
        drop_blob(connection, blob, size)
    return len(found)
