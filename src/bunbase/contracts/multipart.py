"""The part of the contract of Storage for uploads in several parts, and for tags, which only the S3 port uses.

An upload in parts is begun, gets parts in any order and at the same time, and is completed or aborted. Until then, the
object stays as it was. A part is three steps, like an upload: `begin_part`, `feed_upload` for each piece,
`finish_part`; `abort_upload` ends it. All calls are for servers and members of the project: rules never allow them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.object_extras import NO_EXTRAS, Checksum, ObjectExtras
from bunbase.pkg.errors import Problem

MAX_PARTS: Final = 10_000
MIN_PART_BYTES: Final = 5 << 20  # of all parts but the last
MULTIPART_SECONDS: Final = 7 * 86_400


class InvalidPart(Problem):
    """`number`: the part that is missing, or that has another ETag or checksum."""

    status, code, title = 400, "invalid_part", "One of the parts was not found, or is another one"


class PartTooSmall(Problem):
    """`number`: the part."""

    status, code, title = 400, "part_too_small", "Each part but the last one needs 5 MiB"


class ChecksumMismatch(Problem):
    status, code, title = 400, "checksum_mismatch", "The object has another checksum or size than the request says"


class NewMultipart(msgspec.Struct, frozen=True, omit_defaults=True):
    """An upload in parts. `algorithm`, `checksum_kind`: the way in which the checksum of the object is made; empty for
    no checksum.
    """

    content_type: str = ""
    cache_control: str = ""
    metadata: dict[str, str] = {}
    extras: ObjectExtras = NO_EXTRAS
    algorithm: str = ""
    checksum_kind: str = ""


class PartPlace(msgspec.Struct, frozen=True):
    """`number`: 1 to MAX_PARTS; 0 for the whole upload."""

    bucket: str
    key: str
    upload: str
    number: int = 0


class NewPart(msgspec.Struct, frozen=True):
    """`length`: the declared number of bytes, or None. `md5`: the expected digest in hexadecimal digits, or empty.
    `wait_seconds`: the longest wait for a place, as in NewObject.
    """

    place: PartPlace
    length: int | None = None
    md5: str = ""
    wait_seconds: float = 0.0


class BegunPart(msgspec.Struct, frozen=True):
    """`upload`: the id for `feed_upload` and `finish_part`. `algorithm`: the algorithm of the upload in parts, or
    empty.
    """

    upload: str
    algorithm: str


class WrittenPart(msgspec.Struct, frozen=True):
    """`checksum`: the value in base64, or empty."""

    number: int
    size: int
    etag: str
    checksum: str
    created_at: datetime


class PartPage(msgspec.Struct, frozen=True):
    """`next`: the number after which the next page begins, or None."""

    upload: NewMultipart
    items: tuple[WrittenPart, ...]
    next: int | None


class NamedPart(msgspec.Struct, frozen=True):
    """A part of the request to complete an upload. `checksum`: the value in base64, or empty if the client did not send
    it.
    """

    number: int
    etag: str
    checksum: str = ""


class Completing(msgspec.Struct, frozen=True):
    """A request to complete an upload. `if_match`, `if_none_match`: the headers, as they were sent. `checksum`: the
    expected checksum of the object in base64, or empty. `size`: the expected size, or None.
    """

    place: PartPlace
    parts: tuple[NamedPart, ...]
    if_match: str | None = None
    if_none_match: str | None = None
    checksum: str = ""
    size: int | None = None


class CompletedUpload(msgspec.Struct, frozen=True):
    etag: str
    checksum: Checksum | None


class MultipartListing(msgspec.Struct, frozen=True):
    """A request for the uploads to a bucket. `key`, `upload`: the list begins after this upload; with an empty
    `upload`, after all uploads of this key.
    """

    prefix: str = ""
    delimiter: str = ""
    limit: int = 1000
    key: str = ""
    upload: str = ""


class ListedMultipart(msgspec.Struct, frozen=True):
    key: str
    upload: str
    created_at: datetime
    new: NewMultipart


class MultipartPage(msgspec.Struct, frozen=True):
    """`prefixes`: the groups of this page. `next`: the key and the upload after which the next page begins, or None."""

    items: tuple[ListedMultipart, ...]
    prefixes: tuple[str, ...]
    next: tuple[str, str] | None


class ObjectPart(msgspec.Struct, frozen=True):
    """A part of an object that was uploaded in parts. `checksum`: the value in base64, or empty."""

    number: int
    size: int
    checksum: str


class ObjectParts(msgspec.Struct, frozen=True):
    """All parts of an object; none if it was not uploaded in parts."""

    items: tuple[ObjectPart, ...]


class MultipartMethods(Protocol):
    async def begin_multipart(self, caller: Caller, bucket: str, key: str, new: NewMultipart) -> str:
        """Return the id of a new upload, which expires after MULTIPART_SECONDS.

        Raises: BucketNotFound, InvalidObjectKey, InvalidInput, ContentTypeRefused, TooManyUploads.
        """
        ...

    async def begin_part(self, caller: Caller, new: NewPart) -> BegunPart:
        """Begin a part. Raises: as `begin_upload`; UploadNotFound."""
        ...

    async def finish_part(self, caller: Caller, upload: str, checksum: str) -> WrittenPart:
        """Store the part, and replace an older part with its number. `checksum`: the checksum of its bytes in base64,
        or empty.

        Raises: as `finish_upload`.
        """
        ...

    async def parts(self, caller: Caller, place: PartPlace, limit: int) -> PartPage:
        """Return parts of an upload after the number in `place`. Raises: BucketNotFound, UploadNotFound."""
        ...

    async def complete_multipart(self, caller: Caller, completing: Completing) -> CompletedUpload:
        """Make the named parts the object, in one transaction. A repeated request gets the same answer for a day.

        Raises: BucketNotFound, UploadNotFound, InvalidPart, PartTooSmall, ChecksumMismatch, ObjectChanged,
        ObjectConflict, ObjectTooLarge, ContentTypeRefused, StorageQuotaExceeded.
        """
        ...

    async def abort_multipart(self, caller: Caller, place: PartPlace) -> None:
        """Delete an upload and its parts. Raises: BucketNotFound, UploadNotFound."""
        ...

    async def multiparts(self, caller: Caller, bucket: str, listing: MultipartListing) -> MultipartPage:
        """Return uploads to a bucket, by key and id. Raises: BucketNotFound, InvalidInput."""
        ...

    async def object_parts(self, caller: Caller, bucket: str, key: str) -> ObjectParts:
        """Raises: BucketNotFound, ObjectNotFound, InvalidObjectKey."""
        ...

    async def set_tags(self, caller: Caller, bucket: str, key: str, tags: dict[str, str]) -> None:
        """Replace the tags of an object. Its time of change stays.

        Raises: BucketNotFound, ObjectNotFound, ObjectConflict, InvalidObjectKey, InvalidInput.
        """
        ...
