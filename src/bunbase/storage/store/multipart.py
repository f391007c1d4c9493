"""The rows of uploads in several parts. Each function runs in a transaction of its connection.

Each part is a blob with one reference. When an upload is completed, its blobs become part of the object; when it
ends without being completed, its blobs are released. A completed upload leaves a note in `finished_uploads`, so that
the same request gets the same answer again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw
import msgspec

from bunbase.contracts.multipart import CompletedUpload, NewMultipart
from bunbase.contracts.object_extras import Checksum
from bunbase.contracts.storage import TooManyUploads, UploadNotFound
from bunbase.storage.shares import Holder
from bunbase.storage.store.blobs import BlobPart, add_blob, refer, release
from bunbase.storage.store.objects import ObjectRow, Properties, Quota, State, check_quota, put

UPLOAD: Final = "id, bucket, key, properties, owner, created"
OF_S3: Final = "NOT (id >= 'tus-' AND id < 'tus.')"  # the others are resumable uploads (`resumable.py`)
NO_UPLOAD: Final = "There is no such upload of this key: it was completed, aborted, or has expired."
PART: Final = "number, blob, size, etag, checksum, created"
MAX_FINISHED: Final = 10_000  # notes of finished uploads of each kind in a project: at most 150 MB


class KeptMultipart(NewMultipart, frozen=True, omit_defaults=True, kw_only=True):
    """The properties of an upload in parts. `holder`: the name of the Holder that has begun it."""

    holder: str = ""


class FinishedMultipart(msgspec.Struct, frozen=True):
    """The note of a completed upload in parts. `bucket`, `key`: the place of the object."""

    bucket: int
    key: bytes
    done: CompletedUpload


class UploadRow(msgspec.Struct, frozen=True):
    """`properties`: JSON (`contracts.multipart.NewMultipart`). `created`: milliseconds since 1970."""

    id: str
    bucket: int
    key: bytes
    properties: str
    owner: str | None
    created: int


class PartRow(msgspec.Struct, frozen=True):
    number: int
    blob: str
    size: int
    etag: str
    checksum: str
    created: int


class Completion(msgspec.Struct, frozen=True):
    """The object that an upload becomes. `owner`, `now`, `quota`: the same parameters as those of `put`."""

    before: State
    new: Properties
    parts: tuple[BlobPart, ...]
    owner: str | None
    now: int
    quota: Quota


def begin_multipart(connection: apsw.Connection, row: UploadRow, holder: Holder, most: int) -> None:
    """Add an upload. `most`: the limit of begun uploads of the project. Raises: TooManyUploads."""
    own = f"SELECT count(*) FROM uploads WHERE {OF_S3} AND json_extract(properties, '$.holder') = ?"
    share = holder.share(most)
    if connection.execute(own, (holder.name,)).get >= share:
        raise TooManyUploads(
            f"{holder.shown} may have {share} uploads in several parts. Complete or abort some of them.", limit=share
        )
    if connection.execute(f"SELECT count(*) FROM uploads WHERE {OF_S3}").get >= most:
        raise TooManyUploads(
            f"A project may have {most} uploads in several parts. Complete or abort some of them.", limit=most
        )
    connection.execute(f"INSERT INTO uploads ({UPLOAD}) VALUES (?, ?, ?, ?, ?, ?)", msgspec.structs.astuple(row))


def multipart(connection: apsw.Connection, id: str, bucket: int, key: bytes) -> UploadRow:
    """Return the upload in parts with this id for this key, but no resumable upload. Raises: UploadNotFound."""
    query = f"SELECT {UPLOAD} FROM uploads WHERE id = ? AND bucket = ? AND key = ? AND {OF_S3}"
    row: Any = connection.execute(query, (id, bucket, key)).fetchone()
    if row is None:
        raise UploadNotFound(NO_UPLOAD)
    return UploadRow(*row)


def put_part(connection: apsw.Connection, upload: UploadRow, part: PartRow, quota: Quota) -> None:
    """Add a part, or replace the part with this number. Raises: UploadNotFound, StorageQuotaExceeded."""
    check_open(connection, upload)
    query = f"SELECT {PART} FROM upload_parts WHERE upload = ? AND number = ?"
    before: Any = connection.execute(query, (upload.id, part.number)).fetchone()
    if before is not None:
        _forget_part(connection, upload.id, PartRow(*before), part.created)
    add_blob(connection, part.blob, part.size)
    refer(connection, [BlobPart(0, part.blob, part.size)])
    connection.execute(
        f"INSERT INTO upload_parts (upload, {PART}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (upload.id, *msgspec.structs.astuple(part)),
    )
    _count_parts(connection, 1, part.size)
    check_quota(connection, 0 if before else 1, part.size, quota)


def parts_of_upload(connection: apsw.Connection, upload: str, after: int = 0, limit: int = -1) -> list[PartRow]:
    """Return the parts in the order of their numbers. `after`: the last number of the previous call."""
    query = f"SELECT {PART} FROM upload_parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?"
    return [PartRow(*row) for row in connection.execute(query, (upload, after, limit))]


def complete_multipart(connection: apsw.Connection, upload: UploadRow, completion: Completion) -> ObjectRow:
    """Make the named parts the object, and end the upload. Raises: UploadNotFound, Moved, StorageQuotaExceeded."""
    check_open(connection, upload)
    parts = parts_of_upload(connection, upload.id)
    _count_parts(connection, -len(parts), -sum([part.size for part in parts]))  # first: nothing may count twice
    owner, now, quota = completion.owner, completion.now, completion.quota
    place = (upload.bucket, upload.key)
    written = put(connection, place, completion.before, completion.new, completion.parts, owner, now, quota)
    connection.execute("DELETE FROM upload_parts WHERE upload = ?", (upload.id,))
    for part in parts:
        release(connection, part.blob, now)
    connection.execute("DELETE FROM uploads WHERE id = ?", (upload.id,))
    return written


def finish_multipart(
    connection: apsw.Connection, upload: UploadRow, completion: Completion, checksum: Checksum | None
) -> tuple[CompletedUpload, bool]:
    """Complete an upload, and note the answer. If another request was faster, return its answer and False.

    Raises: as `complete_multipart`.
    """
    before = finished_multipart(connection, upload.id, upload.bucket, upload.key)
    if before is not None:
        return before, False
    written = complete_multipart(connection, upload, completion)
    done = CompletedUpload(written.etag, checksum)
    shown = msgspec.json.encode(FinishedMultipart(upload.bucket, upload.key, done)).decode()
    note_finished(connection, (upload.id, upload.properties, shown, written.size, completion.now), OF_S3)
    return done, True


def finished_multipart(connection: apsw.Connection, id: str, bucket: int, key: bytes) -> CompletedUpload | None:
    """Return the answer to the request that completed an upload in parts of this key, or None."""
    text: Any = connection.execute(f"SELECT object FROM finished_uploads WHERE id = ? AND {OF_S3}", (id,)).get
    if text is None:
        return None
    note = msgspec.json.decode(text, type=FinishedMultipart)
    return note.done if (note.bucket, note.key) == (bucket, key) else None


def note_finished(connection: apsw.Connection, note: tuple[str, str, str, int, int], kind: str) -> None:
    """Add a row to `finished_uploads`. `kind`: the condition of the ids of this kind of upload.

    Of each kind, the newest MAX_FINISHED are kept, because they do not count to the limits of the project.
    """
    connection.execute("INSERT INTO finished_uploads VALUES (?, ?, ?, ?, ?)", note)
    oldest = f"SELECT id FROM finished_uploads WHERE {kind} ORDER BY finished DESC, id LIMIT -1 OFFSET ?"
    connection.execute(f"DELETE FROM finished_uploads WHERE id IN ({oldest})", (MAX_FINISHED,))


def end_multipart(connection: apsw.Connection, upload: str, now: int) -> bool:
    """Delete an upload and its parts. Return False if there is no such upload."""
    for part in parts_of_upload(connection, upload):
        _forget_part(connection, upload, part, now)
    connection.execute("DELETE FROM uploads WHERE id = ?", (upload,))
    return connection.changes() == 1


def end_multiparts_of(connection: apsw.Connection, bucket: int, now: int) -> None:
    """Delete all uploads to a bucket."""
    for row in connection.execute("SELECT id FROM uploads WHERE bucket = ?", (bucket,)).fetchall():
        end_multipart(connection, str(row[0]), now)


def expired_multiparts(connection: apsw.Connection, before: int, limit: int) -> list[str]:
    """Return uploads that were begun before this time, oldest first. Resumable uploads expire in their own way."""
    query = f"SELECT id FROM uploads WHERE {OF_S3} AND created < ? ORDER BY created LIMIT ?"
    return [str(row[0]) for row in connection.execute(query, (before, limit))]


def multiparts_from(connection: apsw.Connection, bucket: int, at: tuple[bytes, str], limit: int) -> list[UploadRow]:
    """Return uploads to a bucket, in the order of key and id. `at`: the key and the id after which the list begins."""
    query = f"SELECT {UPLOAD} FROM uploads WHERE {OF_S3} AND bucket = ? AND (key, id) > (?, ?) ORDER BY key, id LIMIT ?"
    return [UploadRow(*row) for row in connection.execute(query, (bucket, *at, limit))]


def numbered(parts: Sequence[PartRow]) -> tuple[BlobPart, ...]:
    """Return the parts as blobs of an object, one after the other. Only the last part may be empty."""
    found, position = [], 0
    for part in parts:
        found.append(BlobPart(position, part.blob, part.size, part.number, part.checksum))
        position += part.size
    return tuple(found)


def check_open(connection: apsw.Connection, upload: UploadRow) -> None:
    """Check that an upload of either kind was not ended meanwhile. Raises: UploadNotFound."""
    query = "SELECT 1 FROM uploads WHERE id = ? AND bucket = ? AND key = ?"
    if connection.execute(query, (upload.id, upload.bucket, upload.key)).fetchone() is None:
        raise UploadNotFound(NO_UPLOAD)


def _forget_part(connection: apsw.Connection, upload: str, part: PartRow, now: int) -> None:
    connection.execute("DELETE FROM upload_parts WHERE upload = ? AND number = ?", (upload, part.number))
    release(connection, part.blob, now)
    _count_parts(connection, -1, -part.size)


def _count_parts(connection: apsw.Connection, parts: int, size: int) -> None:
    connection.execute(
        "UPDATE totals SET upload_parts = upload_parts + ?, upload_bytes = upload_bytes + ?", (parts, size)
    )
