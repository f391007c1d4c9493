"""The contract of Storage: files of any size, which are called objects, in buckets.

A key is 1 to 1024 bytes of UTF-8. A key is data and never a path: `a//b`, `..` and a trailing `/` are ordinary, and
keys that differ in one byte are different objects. Lists are in the order of these bytes.

An upload is three steps, since a call of a contract has no stream of arguments: `begin_upload`, `feed_upload` for each
piece, `finish_upload`. A download is a stream: one Opened, then Pieces.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final, Literal, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.images import Transform
from bunbase.contracts.multipart import MultipartMethods
from bunbase.contracts.object_changes import ObjectChanges
from bunbase.contracts.object_extras import NO_EXTRAS, Checksum, ObjectExtras
from bunbase.contracts.resumable import ResumableMethods
from bunbase.contracts.storage_copies import FileCopies, FilesKey
from bunbase.contracts.stored_object import Milliseconds
from bunbase.contracts.stored_object import StoredObject as StoredObject
from bunbase.pkg.errors import Problem
from bunbase.pkg.rpc.wire import waits_for_news

BUCKET_NAME: Final = "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
MAX_BUCKETS: Final = 100
MAX_KEY_BYTES: Final = 1024
MAX_OBJECT_BYTES: Final = 5 << 40  # of an object that is uploaded in parts
MAX_UPLOAD_BYTES: Final = 5 << 30  # of one upload, and of one part
MAX_TYPES: Final = 50
MAX_METADATA_BYTES: Final = 2 << 10
MAX_HEADER: Final = 200  # Cache-Control, Content-Type and a file name each have at most this number of characters
MAX_KEYS: Final = 1000  # one call of `delete_objects` may have at most this number of keys
MAX_LINK_SECONDS: Final = 7 * 24 * 3600
PIECE_BYTES: Final = 1 << 20  # a piece of `feed_upload` or `read` has at most this size


class BucketNotFound(Problem):
    status, code, title = 404, "bucket_not_found", "There is no such bucket"


class BucketExists(Problem):
    status, code, title = 409, "bucket_exists", "There is a bucket with this name already"


class BucketNotEmpty(Problem):
    status, code, title = 409, "bucket_not_empty", "This bucket still has objects"


class TooManyBuckets(Problem):
    """`limit`: the largest number of buckets of a project."""

    status, code, title = 409, "too_many_buckets", "The project has too many buckets"


class InvalidBucket(Problem):
    """`path`: the place of the mistake in the definition of the bucket."""

    status, code, title = 422, "invalid_bucket", "This definition of a bucket is not valid"


class InvalidObjectKey(Problem):
    status, code, title = 400, "invalid_object_key", "This is not a key of an object"


class ObjectNotFound(Problem):
    """There is no such object, or a rule hides it."""

    status, code, title = 404, "object_not_found", "There is no such object"


class ObjectChanged(Problem):
    """A condition of the request (If-Match, If-None-Match, If-Unmodified-Since) does not hold."""

    status, code, title = 412, "object_changed", "A condition of the request does not hold"


class ObjectConflict(Problem):
    status, code, title = 409, "object_conflict", "Other writes changed this object at the same time"


class RangeNotSatisfiable(Problem):
    """`size`: the number of bytes of the object."""

    status, code, title = 416, "range_not_satisfiable", "The object has no bytes in this range"

    def headers(self) -> dict[str, str]:
        return {**super().headers(), "content-range": f"bytes */{self.extra.get('size', 0)}"}


class ObjectTooLarge(Problem):
    """`limit`: the largest allowed number of bytes."""

    status, code, title = 413, "object_too_large", "This object is too large for the bucket"


class ContentTypeRefused(Problem):
    """`content_type`: the refused type, as it was declared or as the first bytes show it."""

    status, code, title = 415, "content_type_refused", "The bucket does not accept this type of content"


class ContentDigestMismatch(Problem):
    status, code, title = 422, "content_digest_mismatch", "The content does not have the digest that was sent"


class StorageQuotaExceeded(Problem):
    """`limit`: the bytes or objects that the project may have."""

    status, code, title = 507, "storage_quota_exceeded", "The project has no room for more objects"


class TooManyUploads(Problem):
    """`limit`: the uploads that may run at the same time in a project."""

    status, code, title = 429, "too_many_uploads", "Too many uploads run in this project at the same time"


class UploadNotFound(Problem):
    status, code, title = 404, "upload_not_found", "This upload has ended"


class InvalidLink(Problem):
    status, code, title = 403, "invalid_link", "This signed link is not valid, or has expired"


class ObjectDamaged(Problem):
    status, code, title = 500, "object_damaged", "The stored bytes of this object are damaged or missing"


class StorageUnreadable(Problem):
    status, code, title = 503, "storage_unreadable", "The project's list of objects cannot be read"


class StorageUnreachable(Problem):
    status, code, title = 503, "storage_unreachable", "The stored bytes cannot be reached now"


class StorageBusy(Problem):
    status, code, title = 503, "storage_busy", "Storage has too much work now"


class BucketRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The sources of the rules, in CEL. Without a rule, only the secret key and members of the project may do the act.

    Variables: `auth`, `object` (stored), `next` (proposed), `now` and `request`. An object has `key`, `bucket`, `size`,
    `content_type`, `owner`, `metadata`, `created` and `updated`. A `list` rule is a filter.
    """

    list: str | None = None
    get: str | None = None
    create: str | None = None
    update: str | None = None
    delete: str | None = None


MimeType = Annotated[str, msgspec.Meta(max_length=100)]


MAX_CORS_TEXT: Final = 256
MAX_CORS_TEXTS: Final = 100
CorsText = Annotated[str, msgspec.Meta(max_length=MAX_CORS_TEXT)]
CorsTexts = Annotated[tuple[CorsText, ...], msgspec.Meta(max_length=MAX_CORS_TEXTS)]


class CorsRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The pages that may use presigned URLs of the S3 port. `origins`, `headers`: texts with at most one `*`.
    `expose`: the headers of answers that pages may read.
    """

    origins: CorsTexts
    methods: tuple[Literal["GET", "PUT", "HEAD", "POST", "DELETE"], ...]
    headers: CorsTexts = ()
    expose: CorsTexts = ()
    max_age_seconds: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] | None = None
    id: CorsText = ""


CorsRules = Annotated[tuple[CorsRule, ...], msgspec.Meta(max_length=100)]


class BucketSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a bucket.

    `public`: true if everybody may read each object without a key. `max_bytes`: the limit of one object.
    `mime`: the accepted types, such as `image/*` or `application/pdf`; empty accepts every type. `cache_control`: the
    header of objects that were stored without such a header; empty for `no-cache`. `cors`: the rules for pages that use
    the S3 port.
    """

    public: bool = False
    max_bytes: Annotated[int, msgspec.Meta(ge=1, le=MAX_OBJECT_BYTES)] = MAX_UPLOAD_BYTES
    mime: Annotated[tuple[MimeType, ...], msgspec.Meta(max_length=MAX_TYPES)] = ()
    cache_control: Annotated[str, msgspec.Meta(max_length=MAX_HEADER)] = ""
    rules: BucketRules = BucketRules()
    cors: CorsRules = ()


class NewBucket(BucketSpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(pattern=BUCKET_NAME)]


class BucketChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The settings to replace; the others stay."""

    public: bool | msgspec.UnsetType = msgspec.UNSET
    max_bytes: Annotated[int, msgspec.Meta(ge=1, le=MAX_OBJECT_BYTES)] | msgspec.UnsetType = msgspec.UNSET
    mime: Annotated[tuple[MimeType, ...], msgspec.Meta(max_length=MAX_TYPES)] | msgspec.UnsetType = msgspec.UNSET
    cache_control: Annotated[str, msgspec.Meta(max_length=MAX_HEADER)] | msgspec.UnsetType = msgspec.UNSET
    rules: BucketRules | msgspec.UnsetType = msgspec.UNSET
    cors: CorsRules | msgspec.UnsetType = msgspec.UNSET


class Bucket(BucketSpec, frozen=True, kw_only=True):
    name: str
    created_at: Milliseconds


class Buckets(msgspec.Struct, frozen=True):
    """All buckets of a project, by name. `next`: always null, because a project has at most MAX_BUCKETS buckets."""

    items: tuple[Bucket, ...]
    next: None = None


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The place of an object. `link`: the token of a signed link, or empty."""

    bucket: str
    key: str
    link: str = ""


class Conditions(msgspec.Struct, frozen=True, omit_defaults=True):
    """The conditional headers of a request, as they were sent; None for a header that is missing."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_unmodified_since: str | None = None


ALWAYS: Final = Conditions()


class NewObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """The headers of an upload. `length`: the declared number of bytes, or None if the client did not send it.

    `md5`: the expected digest in hexadecimal digits, or empty. `owner`: the id of the user who owns a new object; only
    servers and members of the project may set it. `extras`: the properties that only the S3 port sets. `wait_seconds`:
    the longest wait for a place, if too many uploads run in the project.
    """

    content_type: str = ""
    length: int | None = None
    cache_control: str = ""
    metadata: dict[str, str] = {}
    conditions: Conditions = Conditions()
    md5: str = ""
    extras: ObjectExtras = NO_EXTRAS
    wait_seconds: float = 0.0
    owner: str = ""


class WrittenObject(msgspec.Struct, frozen=True):
    """`created`: true if the key had no object before."""

    object: StoredObject
    created: bool


class Reading(msgspec.Struct, frozen=True):
    """A request for an object.

    `range`, `if_range`: the headers as they were sent. `head`: true if the caller wants only the headers. `part`: the
    number of the only part that the caller wants, or 0 for all parts. `transform`: the variant of an image that the
    caller wants instead of the object, which may raise the problems of contracts.images.
    """

    place: Place
    conditions: Conditions = Conditions()
    range: str = ""
    if_range: str = ""
    head: bool = False
    part: int = 0
    transform: Transform | None = None


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """The beginning of a download. `status`: 200, 206 or 304. The Pieces hold the bytes from `start` to before `end`.

    `public`: true if shared caches may keep the answer. `link_seconds`: the time for which a signed link is still
    valid; None if there is no link. `cache_control`: the header to send, without `public` or `private`. `parts`: the
    number of parts of an object that was uploaded in parts, otherwise 0. `part_checksum`: the checksum of the part that
    was asked for, in base64, or empty. `vary`: the header of the request on which the choice of the variant depended.
    Of a variant of an image, `object` has the size, type, ETag and name of the variant.
    """

    status: int
    object: StoredObject
    start: int
    end: int
    public: bool
    cache_control: str
    link_seconds: int | None = None
    extras: ObjectExtras = NO_EXTRAS
    parts: int = 0
    part_checksum: str = ""
    vary: str = ""


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    data: bytes


class Listing(msgspec.Struct, frozen=True):
    """A request for a list.

    `delimiter`: keys that have this text after the prefix form groups. All keys of a group are equal up to the end of
    the delimiter. `after`: the list begins after this key, or after the whole group with this name.
    """

    prefix: str = ""
    delimiter: str = ""
    limit: int = 100
    cursor: str | None = None
    after: str = ""


class ObjectPage(msgspec.Struct, frozen=True):
    """`prefixes`: the groups of this page. If more pages follow, a page may still have few items or none, because
    BunBase checks only a limited number of objects against the rule for each page.
    """

    items: tuple[StoredObject, ...]
    prefixes: tuple[str, ...]
    next: str | None


class KeptPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The place of an object in a body."""

    bucket: Annotated[str, msgspec.Meta(max_length=63)]
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_KEY_BYTES)]


class Copying(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}):
    """A copy or a move. Fields that are left out are taken from the source. `overwrite`: false to refuse a target that
    exists.
    """

    source: KeptPlace
    to: KeptPlace
    overwrite: bool = True
    content_type: Annotated[str, msgspec.Meta(max_length=MAX_HEADER)] | None = None
    cache_control: Annotated[str, msgspec.Meta(max_length=MAX_HEADER)] | None = None
    metadata: dict[str, str] | None = None


class CopyExtras(msgspec.Struct, frozen=True, omit_defaults=True):
    """The options of a copy that only requests to the S3 port have. `source`, `target`: the conditions on both
    objects. `headers`, `tags`: the new values of ObjectExtras; None to take those of the source.
    """

    source: Conditions = ALWAYS
    target: Conditions = ALWAYS
    headers: dict[str, str] | None = None
    tags: dict[str, str] | None = None


PLAIN_COPY: Final = CopyExtras()


class DeletedObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """`deleted`: true if the object does not exist now. `code`: the code of the problem if it still exists."""

    key: str
    deleted: bool
    code: str | None = None


class NewLink(KeptPlace, frozen=True, forbid_unknown_fields=True):
    """A signed link to make. `content_type`, `max_bytes`: only for uploads, which must then have this type and at most
    this size.
    """

    method: Literal["GET", "PUT"] = "GET"
    expires_in: Annotated[int, msgspec.Meta(ge=1, le=MAX_LINK_SECONDS)] = 3600
    content_type: Annotated[str, msgspec.Meta(max_length=MAX_HEADER)] | None = None
    max_bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_UPLOAD_BYTES)] | None = None


class SignedLink(msgspec.Struct, frozen=True):
    """`path`: the path and the query to append to the address of the server."""

    method: str
    path: str
    token: str
    expires_at: Milliseconds


class StorageUsage(msgspec.Struct, frozen=True):
    """The present size of a project. `waiting_bytes`: the bytes of deleted objects that are still on disk.
    `upload_bytes`, `upload_parts`: the bytes and the number of the parts of uploads that are not complete. They count
    to the limits too.
    """

    objects: int
    bytes: int
    waiting_bytes: int
    upload_bytes: int
    upload_parts: int
    max_objects: int
    max_bytes: int


class Storage(MultipartMethods, ResumableMethods, FileCopies, Protocol):
    """Every call takes the project from the Caller. Each call may raise RuleDenied, Forbidden, InsufficientScope,
    StorageUnreadable, StorageBusy, ProjectRestoring and the problems of BunKMS. RuleDenied, DiskFull and
    ProjectRestoring are defined in contracts.bundoc.
    """

    async def buckets(self, caller: Caller) -> Buckets: ...

    async def bucket(self, caller: Caller, name: str) -> Bucket:
        """Raises: BucketNotFound."""
        ...

    async def create_bucket(self, caller: Caller, new: NewBucket) -> Bucket:
        """Raises: BucketExists, TooManyBuckets, InvalidBucket, InvalidRule."""
        ...

    async def update_bucket(self, caller: Caller, name: str, changes: BucketChanges) -> Bucket:
        """Raises: BucketNotFound, InvalidBucket, InvalidRule."""
        ...

    async def delete_bucket(self, caller: Caller, name: str) -> None:
        """Delete an empty bucket. Raises: BucketNotFound, BucketNotEmpty."""
        ...

    async def begin_upload(self, caller: Caller, place: Place, new: NewObject) -> str:
        """Run all checks that need no bytes, and return the id of a new upload.

        Raises: BucketNotFound, InvalidObjectKey, InvalidInput, InvalidLink, ContentTypeRefused, ObjectTooLarge,
        ObjectChanged, StorageQuotaExceeded, DiskFull, TooManyUploads.
        """
        ...

    async def feed_upload(self, caller: Caller, upload: str, data: bytes) -> None:
        """Add at most PIECE_BYTES bytes. After a Problem the upload has ended.

        Raises: UploadNotFound, ContentTypeRefused, ObjectTooLarge, StorageQuotaExceeded, DiskFull,
        StorageUnreachable.
        """
        ...

    async def finish_upload(self, caller: Caller, upload: str, checksum: Checksum | None = None) -> WrittenObject:
        """Store the object, and the checksum that the S3 port has computed. When this returns, its bytes and its row
        are on disk. An upload that fails leaves nothing.

        Raises: UploadNotFound, ContentDigestMismatch, ObjectChanged, ObjectConflict, BucketNotFound, DiskFull,
        StorageUnreachable.
        """
        ...

    async def abort_upload(self, caller: Caller, upload: str) -> None:
        """End an upload and delete its bytes. Idempotent."""
        ...

    def read(self, caller: Caller, reading: Reading) -> AsyncIterator[Opened | Piece]:
        """Yield one Opened, then the bytes in Pieces.

        Raises: BucketNotFound, ObjectNotFound, ObjectChanged, RangeNotSatisfiable, InvalidObjectKey, InvalidLink; also
        after the Opened ObjectDamaged and StorageUnreachable.
        """
        ...

    async def delete_object(self, caller: Caller, place: Place, conditions: Conditions = ALWAYS) -> None:
        """Raises: BucketNotFound, ObjectNotFound, ObjectChanged, ObjectConflict, InvalidObjectKey."""
        ...

    async def delete_objects(self, caller: Caller, bucket: str, keys: tuple[str, ...]) -> tuple[DeletedObject, ...]:
        """Delete each object that the caller may delete; missing objects count as deleted.

        Raises: BucketNotFound, InvalidInput.
        """
        ...

    async def copy_object(
        self, caller: Caller, copying: Copying, moves: bool, extras: CopyExtras = PLAIN_COPY
    ) -> WrittenObject:
        """Copy an object without copying its bytes. `moves`: also delete the source, in the same transaction.

        Raises: BucketNotFound, ObjectNotFound, ObjectChanged, ObjectConflict, InvalidObjectKey, ContentTypeRefused,
        ObjectTooLarge, StorageQuotaExceeded.
        """
        ...

    async def objects(self, caller: Caller, bucket: str, listing: Listing) -> ObjectPage:
        """Raises: BucketNotFound, InvalidCursor, InvalidInput."""
        ...

    async def sign(self, caller: Caller, link: NewLink) -> SignedLink:
        """Raises: BucketNotFound, InvalidObjectKey, InvalidInput."""
        ...

    @waits_for_news
    async def changes(self, caller: Caller, since: int, limit: int, wait_seconds: float) -> ObjectChanges:
        """Return changes of objects after `since`, oldest first. If there are none, wait up to `wait_seconds`.

        Raises: contracts.bundoc.problems.ResyncRequired, InvalidInput.
        """
        ...

    async def stored(self, caller: Caller) -> StorageUsage:
        """Return the present size of the project."""
        ...

    async def files_key(self, caller: Caller) -> FilesKey | None:
        """Return the state of the key of the list of objects; None if the project has no buckets."""
        ...

    async def rotate_files_key(self, caller: Caller) -> FilesKey | None:
        """Start to encrypt the list of objects under a new key; reads and writes continue."""
        ...

    async def drop_project(self, project: str) -> None:
        """Delete all objects of a project that is being deleted, and its key. Idempotent."""
        ...
