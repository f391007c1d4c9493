"""The rows of resumable uploads. They are uploads in parts whose ids begin with `tus-`; the S3 port does not show them.

Each function runs in a transaction of its connection. A finished upload leaves a row in `finished_uploads`, so that a
client that did not get the last answer learns that its upload is complete.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import apsw
import msgspec

from bunbase.contracts.resumable import NewResumable, UploadOffsetMismatch
from bunbase.contracts.storage import TooManyUploads, UploadNotFound
from bunbase.pkg.errors import InvalidInput
from bunbase.storage.store.multipart import (
    UPLOAD,
    Completion,
    PartRow,
    UploadRow,
    check_open,
    complete_multipart,
    note_finished,
    parts_of_upload,
    put_part,
)
from bunbase.storage.store.objects import ObjectRow, Quota

PREFIX: Final = "tus-"
OURS: Final = f"id >= '{PREFIX}' AND id < 'tus.'"  # `.` follows `-`
VISITOR: Final = "visitor"  # the owner of uploads that nobody who is signed in has begun


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """The properties of an upload. `holder`: the user or the address to which it counts; "" for servers and members.
    `owner`: the user to whom it belongs, VISITOR, or "" for servers and members. A server that acts as a user makes an
    upload that belongs to the user, and counts to the server.
    """

    new: NewResumable
    holder: str = ""
    owner: str = ""


class Progress(msgspec.Struct, frozen=True):
    """An upload and its parts. `touched`: the time of the last part, in milliseconds since 1970."""

    row: UploadRow
    kept: Kept
    parts: tuple[PartRow, ...]

    @property
    def offset(self) -> int:
        return sum([part.size for part in self.parts])

    @property
    def touched(self) -> int:
        return max([self.row.created, *[part.created for part in self.parts]])


class Finished(msgspec.Struct, frozen=True):
    """An upload that has become an object. `object`: JSON (`contracts.stored_object.StoredObject`)."""

    id: str
    properties: str
    object: str
    size: int
    finished: int


def begin_resumable(connection: apsw.Connection, row: UploadRow, kept: Kept, most: int) -> None:
    """Add an upload. A quarter of the places is for servers and members, and one holder has at most a tenth.

    Raises: TooManyUploads.
    """
    rows = connection.execute(f"SELECT properties FROM uploads WHERE {OURS}").fetchall()
    holders = [msgspec.json.decode(str(one[0]), type=Kept).holder for one in rows] if kept.holder else []
    share = max(1, most // 10)
    if kept.holder and holders.count(kept.holder) >= share:
        raise TooManyUploads(
            f"A user, or an address, may have {share} unfinished uploads. End some of them.", limit=share
        )
    if len(rows) >= most or (kept.holder and len(holders) - holders.count("") >= most - most // 4):
        raise TooManyUploads(f"A project may have {most} unfinished uploads. End some of them.", limit=most)
    connection.execute(f"INSERT INTO uploads ({UPLOAD}) VALUES (?, ?, ?, ?, ?, ?)", msgspec.structs.astuple(row))


def progress(connection: apsw.Connection, id: str) -> Progress | Finished | None:
    """Return the upload with this id, or None."""
    row: Any = connection.execute(f"SELECT {UPLOAD} FROM uploads WHERE id = ? AND {OURS}", (id,)).fetchone()
    if row is not None:
        upload = UploadRow(*row)
        kept = msgspec.json.decode(upload.properties, type=Kept)
        return Progress(upload, kept, tuple(parts_of_upload(connection, id)))
    query = f"SELECT id, properties, object, size, finished FROM finished_uploads WHERE id = ? AND {OURS}"
    done: Any = connection.execute(query, (id,)).fetchone()
    return None if done is None else Finished(*done)


def set_length(connection: apsw.Connection, id: str, length: int) -> Progress:
    """Set the length of an upload that was begun without one, and return the upload.

    Two requests may bring different lengths at the same time. The first one counts: before this check, the upload could
    have more bytes than its length, and never ended.

    Raises: UploadNotFound, InvalidInput.
    """
    found = progress(connection, id)
    if not isinstance(found, Progress):
        raise no_upload()
    before = found.kept.new.length
    if before == length:
        return found
    if before is not None or length < found.offset:
        raise InvalidInput.at("Upload-Length", "The length of this upload is another one.")
    kept = msgspec.structs.replace(found.kept, new=msgspec.structs.replace(found.kept.new, length=length))
    connection.execute("UPDATE uploads SET properties = ? WHERE id = ?", (msgspec.json.encode(kept).decode(), id))
    return msgspec.structs.replace(found, kept=kept)


def append_part(connection: apsw.Connection, row: UploadRow, part: PartRow, offset: int, quota: Quota) -> None:
    """Add a part, if the upload still ends at `offset`.

    A slow request may store its part when a later request has already continued the upload. Before this check, such a
    part replaced the part of the later request, and the object had wrong bytes.

    Raises: UploadNotFound, UploadOffsetMismatch, StorageQuotaExceeded.
    """
    check_open(connection, row)
    query = "SELECT coalesce(sum(size), 0), coalesce(max(number), 0) FROM upload_parts WHERE upload = ?"
    held, number = cast("Any", connection.execute(query, (row.id,)).fetchone())
    if (held, number) != (offset, part.number - 1):
        raise UploadOffsetMismatch(f"The server has {held} bytes: continue there.", offset=held)
    put_part(connection, row, part, quota)


def finish_resumable(
    connection: apsw.Connection, row: UploadRow, completion: Completion, shown: Callable[[ObjectRow], str]
) -> Finished:
    """Make the parts the object, and note that the upload is finished. `shown`: returns the object as JSON.

    Raises: as `complete_multipart`.
    """
    written = complete_multipart(connection, row, completion)
    done = Finished(row.id, row.properties, shown(written), written.size, completion.now)
    note_finished(connection, msgspec.structs.astuple(done), OURS)
    return done


def expired_resumables(connection: apsw.Connection, before: int, limit: int) -> list[str]:
    """Return the uploads that got no part since this time, oldest first."""
    query = (
        f"SELECT id FROM uploads WHERE {OURS} AND created < ?1 AND NOT EXISTS "
        "(SELECT 1 FROM upload_parts WHERE upload = uploads.id AND created >= ?1) ORDER BY created LIMIT ?2"
    )
    return [str(row[0]) for row in connection.execute(query, (before, limit))]


def forget_finished(connection: apsw.Connection, before: int) -> None:
    """Forget the uploads that were finished before this time."""
    connection.execute("DELETE FROM finished_uploads WHERE finished < ?", (before,))


def no_upload() -> UploadNotFound:
    return UploadNotFound(
        "There is no such upload: it was ended, has expired, or belongs to somebody else. Begin again."
    )
