"""The rows of objects, and the blobs that they refer to. Each function runs in a transaction of its connection.

A write first decides (rules, conditions) about the object that it has read, and then passes the `state` of this object.
If another write has changed the object meanwhile, the write raises Moved, and its caller decides again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import apsw
import msgspec

from bunbase.contracts.storage import StorageQuotaExceeded

COLUMNS: Final = "id, bucket, key, size, etag, content_type, cache_control, metadata, owner, created, updated, change"

State = tuple[int, int] | None  # the id and the change of an object; None if there is no object


class Moved(Exception):
    """Another write has changed the object since it was read."""


class ObjectRow(msgspec.Struct, frozen=True):
    """`metadata`: JSON. `created`, `updated`: milliseconds since 1970."""

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

    @property
    def state(self) -> State:
        return self.id, self.change


class Properties(msgspec.Struct, frozen=True):
    """The properties of an object that a write sets. `metadata`: JSON."""

    size: int
    etag: str
    content_type: str
    cache_control: str
    metadata: str


class BlobPart(msgspec.Struct, frozen=True):
    """A blob of an object. `position`: the place of its first byte in the object."""

    position: int
    blob: str
    size: int


class Quota(msgspec.Struct, frozen=True):
    objects: int
    bytes: int


NO_LIMIT: Final = Quota(1 << 62, 1 << 62)  # of a move, which never makes a project larger


class Totals(msgspec.Struct, frozen=True):
    objects: int
    bytes: int
    waiting_bytes: int


def find(connection: apsw.Connection, bucket: int, key: bytes) -> ObjectRow | None:
    row = connection.execute(f"SELECT {COLUMNS} FROM objects WHERE bucket = ? AND key = ?", (bucket, key)).fetchone()
    return None if row is None else row_of(row)


def row_of(columns: Sequence[Any]) -> ObjectRow:
    return ObjectRow(*columns)


def parts_of(connection: apsw.Connection, id: int) -> list[BlobPart]:
    """Return the blobs of an object, in the order of its bytes."""
    query = (
        "SELECT position, blob, size FROM object_blobs JOIN blobs ON blobs.id = blob WHERE object = ? ORDER BY position"
    )
    return [BlobPart(*row) for row in connection.execute(query, (id,))]


def add_blob(connection: apsw.Connection, blob: str, size: int) -> None:
    """Add a new blob, to which no object refers yet."""
    connection.execute("INSERT INTO blobs (id, size, refs) VALUES (?, ?, 0)", (blob, size))


def put(
    connection: apsw.Connection,
    place: tuple[int, bytes],
    before: State,
    new: Properties,
    parts: Sequence[BlobPart],
    owner: str | None,
    now: int,
    quota: Quota,
) -> ObjectRow:
    """Create or replace an object. `place`: the bucket and the key. `owner`: the owner of a new object; an object that
    is replaced keeps its owner. Raises: Moved, StorageQuotaExceeded.
    """
    found = find(connection, *place)
    _check_state(found, before)
    if found is None:
        _check_bucket(connection, place[0])
        connection.execute(
            "INSERT INTO objects (bucket, key, size, etag, content_type, cache_control, metadata, owner, created, "
            "updated, change) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
            (*place, *msgspec.structs.astuple(new), owner, now, now),
        )
        id = connection.last_insert_rowid()
        _count(connection, 1, new.size, quota)
    else:
        id = found.id
        connection.execute(
            "UPDATE objects SET size = ?, etag = ?, content_type = ?, cache_control = ?, metadata = ?, updated = ?, "
            "change = change + 1 WHERE id = ?",
            (*msgspec.structs.astuple(new), now, id),
        )
        _count(connection, 0, new.size - found.size, quota)
    _refer(connection, parts)  # before the release, so that a blob that stays never has no reference
    if found is not None:
        _release(connection, id, now)
    for part in parts:
        connection.execute("INSERT INTO object_blobs VALUES (?, ?, ?)", (id, part.position, part.blob))
    written = find(connection, *place)
    assert written is not None
    return written


def move(connection: apsw.Connection, source: ObjectRow, place: tuple[int, bytes], before: State, now: int) -> None:
    """Move an object to another bucket and key. An object that is there is replaced, and keeps its owner: otherwise a
    caller who may update an object could become its owner. Raises: Moved.
    """
    found = find(connection, *place)
    _check_state(found, before)
    _check_bucket(connection, place[0])
    if found is not None:
        _check_state(find(connection, source.bucket, source.key), source.state)
        same = Properties(source.size, source.etag, source.content_type, source.cache_control, source.metadata)
        put(connection, place, before, same, parts_of(connection, source.id), None, now, NO_LIMIT)
        remove(connection, source, source.state, now)
        return
    connection.execute(
        "UPDATE objects SET bucket = ?, key = ?, updated = ?, change = change + 1 WHERE id = ? AND change = ?",
        (*place, now, source.id, source.change),
    )
    if connection.changes() != 1:
        raise Moved


def remove(connection: apsw.Connection, found: ObjectRow, before: State, now: int) -> None:
    """Delete an object. Raises: Moved."""
    current = find(connection, found.bucket, found.key)
    _check_state(current, before)
    _release(connection, found.id, now)
    connection.execute("DELETE FROM objects WHERE id = ?", (found.id,))
    connection.execute("UPDATE totals SET objects = objects - 1, bytes = bytes - ?", (found.size,))


def totals(connection: apsw.Connection) -> Totals:
    row: Any = connection.execute("SELECT objects, bytes, waiting_bytes FROM totals").fetchone()
    return Totals(*row)


def due_blobs(
    connection: apsw.Connection, before: int, most_waiting: int, limit: int, copied_since: int | None = None
) -> list[str]:
    """Return the blobs to delete now, oldest first: those that wait since before `before`, and more of them while all
    waiting blobs have more than `most_waiting` bytes. `copied_since`: the begin of a copy, which needs all blobs that
    wait since then.
    """
    left = totals(connection).waiting_bytes
    found = []
    for blob, size, since in connection.execute(
        "SELECT blob, size, since FROM pending_deletes ORDER BY since LIMIT ?", (limit,)
    ):
        if since > before and left <= most_waiting:
            break
        if copied_since is not None and since >= copied_since:
            break
        found.append(blob)
        left -= size
    return found


def forget_blobs(connection: apsw.Connection, blobs: Iterable[str]) -> None:
    """Forget blobs that were deleted."""
    for blob in blobs:
        size = connection.execute("SELECT size FROM pending_deletes WHERE blob = ?", (blob,)).get
        if size is not None:
            connection.execute("DELETE FROM pending_deletes WHERE blob = ?", (blob,))
            connection.execute("UPDATE totals SET waiting_bytes = waiting_bytes - ?", (size,))


def unknown_blobs(connection: apsw.Connection, blobs: Iterable[str]) -> list[str]:
    """Return those blobs that no row has."""
    query = (
        "SELECT EXISTS (SELECT 1 FROM blobs WHERE id = ?1) OR EXISTS (SELECT 1 FROM pending_deletes WHERE blob = ?1)"
    )
    return [blob for blob in blobs if not connection.execute(query, (blob,)).get]


def _check_state(found: ObjectRow | None, before: State) -> None:
    if (found.state if found is not None else None) != before:
        raise Moved


def _check_bucket(connection: apsw.Connection, bucket: int) -> None:
    """Raises: Moved if the bucket was deleted meanwhile."""
    if connection.execute("SELECT 1 FROM buckets WHERE id = ?", (bucket,)).fetchone() is None:
        raise Moved


def _count(connection: apsw.Connection, objects: int, size: int, quota: Quota) -> None:
    """Raises: StorageQuotaExceeded. A write that makes a project smaller is always allowed."""
    connection.execute("UPDATE totals SET objects = objects + ?, bytes = bytes + ?", (objects, size))
    now = totals(connection)
    if objects > 0 and now.objects > quota.objects:
        raise StorageQuotaExceeded(
            f"A project may have {quota.objects} objects. Delete objects that are no longer needed.",
            limit=quota.objects,
        )
    if size > 0 and now.bytes > quota.bytes:
        raise StorageQuotaExceeded(
            f"A project may have {quota.bytes} bytes of objects. Delete objects that are no longer needed.",
            limit=quota.bytes,
        )


def _refer(connection: apsw.Connection, parts: Sequence[BlobPart]) -> None:
    for part in parts:
        connection.execute("UPDATE blobs SET refs = refs + 1 WHERE id = ?", (part.blob,))
        if connection.changes() != 1:
            raise Moved  # the source of a copy was deleted meanwhile


def _release(connection: apsw.Connection, id: int, now: int) -> None:
    """Remove the references of an object to its blobs."""
    for part in parts_of(connection, id):
        connection.execute("DELETE FROM object_blobs WHERE object = ? AND position = ?", (id, part.position))
        refs = connection.execute("UPDATE blobs SET refs = refs - 1 WHERE id = ? RETURNING refs", (part.blob,)).get
        if refs == 0:
            connection.execute("DELETE FROM blobs WHERE id = ?", (part.blob,))
            connection.execute("INSERT INTO pending_deletes VALUES (?, ?, ?)", (part.blob, part.size, now))
            connection.execute("UPDATE totals SET waiting_bytes = waiting_bytes + ?", (part.size,))
