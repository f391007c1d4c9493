"""The rows of objects. Each function runs in a transaction of its connection.

A write first decides (rules, conditions) about the object that it has read, and then passes the `state` of this object.
If another write has changed the object meanwhile, the write raises Moved, and its caller decides again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw
import msgspec

from bunbase.contracts.storage import StorageQuotaExceeded
from bunbase.storage.store.blobs import BlobPart, Moved, parts_of, refer, release, totals
from bunbase.storage.store.change_log import append
from bunbase.storage.store.variants import drop_variants

COLUMNS: Final = (
    "id, bucket, key, size, etag, content_type, cache_control, metadata, owner, created, updated, change, extras"
)

State = tuple[int, int] | None  # the id and the change of an object; None if there is no object


class ObjectRow(msgspec.Struct, frozen=True):
    """`metadata`, `extras`: JSON. `created`, `updated`: milliseconds since 1970."""

    id: int
    bucket: int
    key: bytes
    size: int
    etag: str
    content_type: str
    cache_control: str
    metadata: str
    owner: str | None
    created: int
    updated: int
    change: int
    extras: str

    @property
    def state(self) -> State:
        return self.id, self.change


class Quota(msgspec.Struct, frozen=True):
    objects: int
    bytes: int


NO_LIMIT: Final = Quota(1 << 62, 1 << 62)  # of a move, which never makes a project larger


class Properties(msgspec.Struct, frozen=True):
    """The properties of an object that a write sets. `metadata`, `extras`: JSON (`contracts.storage.ObjectExtras`)."""

    size: int
    etag: str
    content_type: str
    cache_control: str
    metadata: str
    extras: str = "{}"


def find(connection: apsw.Connection, bucket: int, key: bytes) -> ObjectRow | None:
    row = connection.execute(f"SELECT {COLUMNS} FROM objects WHERE bucket = ? AND key = ?", (bucket, key)).fetchone()
    return None if row is None else row_of(row)


def row_of(columns: Sequence[Any]) -> ObjectRow:
    return ObjectRow(*columns)


def properties_of(row: ObjectRow) -> Properties:
    return Properties(row.size, row.etag, row.content_type, row.cache_control, row.metadata, row.extras)


def set_extras(connection: apsw.Connection, row: ObjectRow, extras: str) -> None:
    """Replace the extras of an object, which was not changed otherwise. Raises: Moved."""
    _check_state(find(connection, row.bucket, row.key), row.state)
    connection.execute("UPDATE objects SET extras = ?, change = change + 1 WHERE id = ?", (extras, row.id))


def check_quota(connection: apsw.Connection, objects: int, size: int, quota: Quota) -> None:
    """Check the limits after a write that added `objects` and `size`. A write that makes a project smaller is always
    allowed. Raises: StorageQuotaExceeded.
    """
    now = totals(connection)
    if objects > 0 and now.taken_objects > quota.objects:
        raise StorageQuotaExceeded(
            f"A project may have {quota.objects} objects and parts of uploads. Delete objects that are no longer "
            "needed, and end uploads.",
            limit=quota.objects,
        )
    if size > 0 and now.taken_bytes > quota.bytes:
        raise StorageQuotaExceeded(
            f"A project may have {quota.bytes} bytes of objects. Delete objects that are no longer needed.",
            limit=quota.bytes,
        )


def put(
    connection: apsw.Connection,
    place: tuple[int, bytes],
    before: State,
    new: Properties,
    parts: Sequence[BlobPart],
    owner: str | None,
    now: int,
    quota: Quota,
    depth: int = 0,
) -> ObjectRow:
    """Create or replace an object, and log the change. `place`: the bucket and the key. `owner`: the owner of a new
    object; an object that is replaced keeps its owner. `depth`: the number of triggered function runs in a row that
    led to this write. Raises: Moved, StorageQuotaExceeded.
    """
    found = find(connection, *place)
    _check_state(found, before)
    if found is None:
        _check_bucket(connection, place[0])
        connection.execute(
            "INSERT INTO objects (bucket, key, size, etag, content_type, cache_control, metadata, extras, owner, "
            "created, updated, change) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
            (*place, *msgspec.structs.astuple(new), owner, now, now),
        )
        id = connection.last_insert_rowid()
        _count(connection, 1, new.size, quota)
    else:
        id = found.id
        _set(connection, id, new, now)
        _count(connection, 0, new.size - found.size, quota)
    refer(connection, parts)  # before the release, so that a blob that stays never has no reference
    if found is not None:
        _release_parts(connection, id, now)
    for part in parts:
        connection.execute(
            "INSERT INTO object_blobs VALUES (?, ?, ?, ?, ?)",
            (id, part.position, part.blob, part.number, part.checksum),
        )
    written = find(connection, *place)
    assert written is not None
    append(connection, "create" if found is None else "update", written, now, depth)
    return written


def move(
    connection: apsw.Connection,
    source: ObjectRow,
    place: tuple[int, bytes],
    before: State,
    new: Properties,
    now: int,
    depth: int = 0,
) -> ObjectRow:
    """Move an object to another bucket and key, with the properties `new`. An object that is there is replaced, and
    keeps its owner: otherwise a caller who may update an object could become its owner. Raises: Moved.
    """
    found = find(connection, *place)
    _check_state(found, before)
    _check_bucket(connection, place[0])
    _check_state(find(connection, source.bucket, source.key), source.state)
    if found is not None:
        parts = parts_of(connection, source.id)
        written = put(connection, place, before, new, parts, None, now, NO_LIMIT, depth)
        remove(connection, source, source.state, now, depth)
        return written
    connection.execute("UPDATE objects SET bucket = ?, key = ? WHERE id = ?", (*place, source.id))
    _set(connection, source.id, new, now)
    arrived = find(connection, *place)
    assert arrived is not None
    append(connection, "delete", source, now, depth)
    append(connection, "create", arrived, now, depth)
    return arrived


def remove(connection: apsw.Connection, found: ObjectRow, before: State, now: int, depth: int = 0) -> None:
    """Delete an object, and log the change. Raises: Moved."""
    current = find(connection, found.bucket, found.key)
    _check_state(current, before)
    _release_parts(connection, found.id, now)
    connection.execute("DELETE FROM objects WHERE id = ?", (found.id,))
    connection.execute("UPDATE totals SET objects = objects - 1, bytes = bytes - ?", (found.size,))
    append(connection, "delete", found, now, depth)


def _set(connection: apsw.Connection, id: int, new: Properties, now: int) -> None:
    """Set the properties of an object that exists."""
    connection.execute(
        "UPDATE objects SET size = ?, etag = ?, content_type = ?, cache_control = ?, metadata = ?, extras = ?, "
        "updated = ?, change = change + 1 WHERE id = ?",
        (*msgspec.structs.astuple(new), now, id),
    )


def _check_state(found: ObjectRow | None, before: State) -> None:
    if (found.state if found is not None else None) != before:
        raise Moved


def _check_bucket(connection: apsw.Connection, bucket: int) -> None:
    """Raises: Moved if the bucket was deleted meanwhile."""
    if connection.execute("SELECT 1 FROM buckets WHERE id = ?", (bucket,)).fetchone() is None:
        raise Moved


def _count(connection: apsw.Connection, objects: int, size: int, quota: Quota) -> None:
    """Raises: StorageQuotaExceeded."""
    connection.execute("UPDATE totals SET objects = objects + ?, bytes = bytes + ?", (objects, size))
    check_quota(connection, objects, size, quota)


def _release_parts(connection: apsw.Connection, id: int, now: int) -> None:
    """Remove the references of an object to its blobs, and the variants that were made from them."""
    drop_variants(connection, id)
    for part in parts_of(connection, id):
        connection.execute("DELETE FROM object_blobs WHERE object = ? AND position = ?", (id, part.position))
        release(connection, part.blob, now)
