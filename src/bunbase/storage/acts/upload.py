"""One upload that runs now, and the checks of its headers, its type and its size."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from typing import Final

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.object_extras import HEADERS, MAX_TAGS, Checksum, ObjectExtras
from bunbase.contracts.object_extras import MAX_HEADER as MAX_EXTRA_HEADER
from bunbase.contracts.storage import (
    MAX_HEADER,
    MAX_METADATA_BYTES,
    MAX_UPLOAD_BYTES,
    ContentTypeRefused,
    InvalidLink,
    NewObject,
    ObjectTooLarge,
    Place,
    TooManyUploads,
    UploadNotFound,
)
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import ID
from bunbase.storage.blobs.format import Sealer
from bunbase.storage.blobs.store import BlobWriter, new_blob_id
from bunbase.storage.links import REFUSED
from bunbase.storage.rules import HEADER_TEXT, OpenBucket
from bunbase.storage.serving.media_types import fits, matches, sniffed, valid_type
from bunbase.storage.shares import share_holder
from bunbase.storage.store.multipart import UploadRow
from bunbase.storage.store.objects import Properties

OWNER: Final = re.compile(ID)


class Upload:
    """One upload, of an object or of a part. `room`: the bytes that the project still has for it. `ruled`: rules decide
    about the caller. `most`: the limit of the size, if the bucket has a larger one. `part`: the upload in parts and the
    number, if this is a part.
    """

    def __init__(self, caller: Caller, place: Place, key: bytes, new: NewObject, ruled: bool) -> None:
        self.id = secrets.token_urlsafe(16)
        self.caller = caller
        self.place = place
        self.key = key
        self.new = new
        self.ruled = ruled
        self.content_type = valid_type(new.content_type)
        self.metadata = msgspec.json.encode(new.metadata).decode()
        self.blob = new_blob_id()
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.size = 0
        self.limit = 0
        self.most = MAX_UPLOAD_BYTES
        self.part: tuple[UploadRow, int] | None = None
        self.room = 0
        self.beginning = b""
        self.types: tuple[str, ...] = ()
        self.turn = asyncio.Lock()
        self.bucket = 0  # the number of the bucket; another bucket may get its name
        self.holder = share_holder(caller)
        self.began_at = self.touched_at = 0.0
        self.root: tuple[int, bytes]
        self.sealer: Sealer
        self.writer: BlobWriter

    def properties(self, size: int, etag: str, checksum: Checksum | None = None) -> Properties:
        extras = encoded_extras(msgspec.structs.replace(self.new.extras, checksum=checksum))
        return Properties(size, etag, self.content_type, self.new.cache_control, self.metadata, extras)

    def sealed(self, data: bytes) -> list[bytes]:
        self.md5.update(data)
        return self.sealer.seal(data)


def check_headers(new: NewObject) -> None:
    """Raises: InvalidInput."""
    for name, value in (("Content-Type", new.content_type), ("Cache-Control", new.cache_control)):
        if len(value) > MAX_HEADER or not HEADER_TEXT.fullmatch(value):
            raise InvalidInput.at(name, f"This header has at most {MAX_HEADER} printable ASCII characters.")
    check_metadata(new.metadata, "X-Bunbase-Metadata")
    check_extras(new.extras)
    if new.owner and not OWNER.fullmatch(new.owner):
        raise InvalidInput.at("X-Bunbase-Owner", "This is not the id of a user.")


def check_root(one: Upload, roots: dict[int, bytes]) -> None:
    """Check that the blob can be opened with the keys of the project, which a restore may have replaced meanwhile.

    Raises: UploadNotFound.
    """
    if roots.get(one.root[0]) != one.root[1]:
        raise UploadNotFound("The project was restored meanwhile: begin again.")


def check_extras(extras: ObjectExtras) -> None:
    """Raises: InvalidInput."""
    for name, value in extras.headers.items():
        if name not in HEADERS or len(value) > MAX_EXTRA_HEADER or not HEADER_TEXT.fullmatch(value):
            raise InvalidInput.at(name, f"This header has at most {MAX_EXTRA_HEADER} printable ASCII characters.")
    if len(extras.tags) > MAX_TAGS:
        raise InvalidInput.at("tags", f"An object has at most {MAX_TAGS} tags.")


def encoded_extras(extras: ObjectExtras) -> str:
    """Return the extras as they are stored."""
    return msgspec.json.encode(extras).decode()


def check_metadata(metadata: dict[str, str], path: str) -> None:
    """Raises: InvalidInput."""
    if len(msgspec.json.encode(metadata)) > MAX_METADATA_BYTES:
        raise InvalidInput.at(path, f"Metadata may have {MAX_METADATA_BYTES} bytes of JSON.")


def check_type(one: Upload) -> None:
    """Raises: ContentTypeRefused if the first bytes contradict the declared type, in a bucket that limits types."""
    if one.types and not fits(one.content_type, one.beginning):
        raise refused_content(one.content_type, one.beginning, one.types)


def check_replaced(one: Upload, bucket: OpenBucket) -> None:
    """Check an upload again if its bucket was deleted meanwhile, and another one has the name: a link is only for the
    old bucket, and the limits of the new one hold. Raises: InvalidLink, ObjectTooLarge, ContentTypeRefused.
    """
    if bucket.id == one.bucket:
        return
    if one.place.link:
        raise InvalidLink(REFUSED)
    if one.size > bucket.spec.max_bytes:
        limit = bucket.spec.max_bytes
        raise ObjectTooLarge(f"An object of this bucket has at most {limit} bytes.", limit=limit)
    if not matches(one.content_type, bucket.spec.mime):
        raise refused_type(one.content_type, bucket.spec.mime)
    one.types = bucket.spec.mime
    check_type(one)


def too_many(detail: str, limit: int) -> TooManyUploads:
    return TooManyUploads(detail, limit=limit, retry_after_seconds=1)


def refused_type(found: str, types: tuple[str, ...]) -> ContentTypeRefused:
    """Return the problem of an object whose declared type the bucket does not accept."""
    accepted = ", ".join(types)
    detail = f"The type of the object is {found}; the bucket accepts {accepted}. Send the type as Content-Type."
    return ContentTypeRefused(detail, content_type=found)


def refused_content(declared: str, beginning: bytes, types: tuple[str, ...]) -> ContentTypeRefused:
    """Return the problem of an object whose type is refused, or whose first bytes contradict the declared type."""
    if not matches(declared, types):
        return refused_type(declared, types)
    found = sniffed(beginning)
    shown = f"as {found}" if found else "as something else"
    return ContentTypeRefused(
        f"The object is declared as {declared}, but its content begins {shown}.", content_type=found or declared
    )
