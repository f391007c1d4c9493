"""The blobs of a project: which object refers to which blob, how many refer to it, and which wait to be deleted.

Each function runs in a transaction of its connection. Only this module reads and changes the tables `blobs` and
`pending_deletes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import apsw
import msgspec

ALL: Final = -1  # as a LIMIT of SQLite
NAMED_BATCH: Final = 1000


class Moved(Exception):
    """Another write has changed the object since it was read."""


class BlobPart(msgspec.Struct, frozen=True):
    """A blob of an object. `position`: the place of its first byte in the object. `number`, `checksum`: the number and
    the checksum of the part, if the object was uploaded in parts.
    """

    position: int
    blob: str
    size: int
    number: int = 0
    checksum: str = ""


class Totals(msgspec.Struct, frozen=True):
    """`bytes`: the size of all objects. `upload_bytes`, `upload_parts`: the size and the number of the parts of uploads
    that are not complete.
    """

    objects: int
    bytes: int
    waiting_bytes: int
    upload_bytes: int = 0
    upload_parts: int = 0

    @property
    def taken_objects(self) -> int:
        """The objects and parts that count to the limit of the project."""
        return self.objects + self.upload_parts

    @property
    def taken_bytes(self) -> int:
        """The bytes that count to the limit of the project."""
        return self.bytes + self.upload_bytes


def parts_of(connection: apsw.Connection, id: int, most: int = ALL) -> list[BlobPart]:
    """Return the first blobs of an object, at most `most`, in the order of its bytes."""
    query = (
        "SELECT position, blob, size, number, checksum FROM object_blobs JOIN blobs ON blobs.id = blob "
        "WHERE object = ? ORDER BY position LIMIT ?"
    )
    return [BlobPart(*row) for row in connection.execute(query, (id, most))]


def add_blob(connection: apsw.Connection, blob: str, size: int) -> None:
    """Add a new blob, to which no object refers yet."""
    connection.execute("INSERT INTO blobs (id, size, refs) VALUES (?, ?, 0)", (blob, size))


def refer(connection: apsw.Connection, parts: Sequence[BlobPart]) -> None:
    """Add one reference to each blob. Raises: Moved if a blob is gone, because the source of a copy was deleted."""
    for part in parts:
        connection.execute("UPDATE blobs SET refs = refs + 1 WHERE id = ?", (part.blob,))
        if connection.changes() != 1:
            raise Moved


def release(connection: apsw.Connection, blob: str, now: int) -> None:
    """Remove one reference to a blob. A blob without references waits to be deleted."""
    row: Any = connection.execute("UPDATE blobs SET refs = refs - 1 WHERE id = ? RETURNING refs, size", (blob,)).get
    refs, size = row
    if refs == 0:
        connection.execute("DELETE FROM blobs WHERE id = ?", (blob,))
        connection.execute("INSERT INTO pending_deletes VALUES (?, ?, ?)", (blob, size, now))
        connection.execute("UPDATE totals SET waiting_bytes = waiting_bytes + ?", (size,))


def drop_blob(connection: apsw.Connection, blob: str, size: int) -> None:
    """Let the next sweep delete a blob that no object refers to, such as a variant, which can be made again."""
    connection.execute("INSERT OR IGNORE INTO pending_deletes VALUES (?, ?, 0)", (blob, size))
    connection.execute("UPDATE totals SET waiting_bytes = waiting_bytes + ?", (size * connection.changes(),))


def totals(connection: apsw.Connection) -> Totals:
    row: Any = connection.execute(
        "SELECT objects, bytes, waiting_bytes, upload_bytes, upload_parts FROM totals"
    ).fetchone()
    return Totals(*row)


def due_blobs(
    connection: apsw.Connection, before: int, most_waiting: int, limit: int, copied_since: int | None = None
) -> list[str]:
    """Return the blobs to delete now, oldest first: those that wait since before `before`, and more of them while all
    waiting blobs have more than `most_waiting` bytes. `copied_since`: the start of a running copy, which still needs
    all blobs that were released after this time.
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


def named_blobs(connection: apsw.Connection, after: str = "", limit: int = NAMED_BATCH) -> list[tuple[str, int]]:
    """Return the ids and sizes of the blobs that the project needs, in the order of their ids. `after`: the last id of
    the previous call.

    These are the blobs of all objects, and of the parts of uploads that are not complete. Everything that must know
    which blobs belong to a project, such as a backup, asks here.
    """
    query = "SELECT id, size FROM blobs WHERE id > ? ORDER BY id LIMIT ?"
    return [(id, size) for id, size in connection.execute(query, (after, limit))]


def content_size(connection: apsw.Connection, blob: str) -> int | None:
    """Return the size of the content of a named blob; None for another blob."""
    found: int | None = connection.execute("SELECT size FROM blobs WHERE id = ?", (blob,)).get
    return found


def unknown_blobs(connection: apsw.Connection, blobs: Iterable[str]) -> list[str]:
    """Return those blobs that no row has."""
    query = (
        "SELECT EXISTS (SELECT 1 FROM blobs WHERE id = ?1) OR EXISTS (SELECT 1 FROM pending_deletes WHERE blob = ?1) "
        "OR EXISTS (SELECT 1 FROM variants WHERE blob = ?1)"
    )
    return [blob for blob in blobs if not connection.execute(query, (blob,)).get]
