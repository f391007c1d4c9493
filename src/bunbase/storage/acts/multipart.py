"""Begin, complete, abort and list uploads in several parts.

Completing an upload is one transaction: its parts become the blobs of the object, and no byte is copied. A client that
did not get the answer may send the request again, and two requests at the same time get the same answer: a completed
upload leaves a note for a day.
"""

from __future__ import annotations

import secrets
from functools import partial

import apsw
import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.multipart import (
    MIN_PART_BYTES,
    ChecksumMismatch,
    CompletedUpload,
    Completing,
    InvalidPart,
    ListedMultipart,
    MultipartListing,
    MultipartPage,
    NewMultipart,
    PartPage,
    PartPlace,
    PartTooSmall,
)
from bunbase.contracts.object_extras import Checksum
from bunbase.contracts.storage import (
    Conditions,
    NewObject,
    ObjectConflict,
    ObjectTooLarge,
)
from bunbase.pkg import metrics
from bunbase.pkg.s3.checksums import Algorithm, Kind, composite, full_object, multipart_etag
from bunbase.storage.acts.access import owner_of
from bunbase.storage.acts.downloads import Downloads, Stored
from bunbase.storage.acts.parts import described_part
from bunbase.storage.acts.sweeping import Sweeping
from bunbase.storage.acts.upload import check_headers, encoded_extras, refused_content, refused_type
from bunbase.storage.holdings import ATTEMPTS, Holdings, checked_key
from bunbase.storage.rules import OpenBucket, time_of
from bunbase.storage.serving.conditions import check_write
from bunbase.storage.serving.media_types import SNIFFED_BYTES, fits, matches, valid_type
from bunbase.storage.shares import share_holder
from bunbase.storage.store.blobs import Moved
from bunbase.storage.store.file import ProjectFile
from bunbase.storage.store.multipart import (
    Completion,
    KeptMultipart,
    PartRow,
    UploadRow,
    begin_multipart,
    end_multipart,
    finish_multipart,
    finished_multipart,
    multipart,
    multiparts_from,
    numbered,
    parts_of_upload,
)
from bunbase.storage.store.objects import ObjectRow, Properties, find

AFTER_ALL = "\U0010ffff"  # after the id of every upload
BATCH = 200


class MultipartActs:
    """`min_part_bytes`: the least size of all parts but the last one."""

    min_part_bytes = MIN_PART_BYTES

    def __init__(self, holdings: Holdings, downloads: Downloads, sweeping: Sweeping) -> None:
        self.holdings = holdings
        self.downloads = downloads
        self.sweeping = sweeping

    async def begin(self, caller: Caller, bucket_name: str, key: str, new: NewMultipart) -> str:
        caller.check(Act.OBJECT_WRITE)
        sent = checked_key(key)
        check_headers(NewObject(new.content_type, None, new.cache_control, new.metadata, extras=new.extras))
        new = msgspec.structs.replace(new, content_type=valid_type(new.content_type))
        async with self.holdings.bucket_of(caller.project, bucket_name) as (file, bucket):
            if not matches(new.content_type, bucket.spec.mime):
                raise refused_type(new.content_type, bucket.spec.mime)
            holder, id = share_holder(caller), secrets.token_urlsafe(24)
            kept = KeptMultipart(**msgspec.structs.asdict(new), holder=holder.name)
            properties, now = msgspec.json.encode(kept).decode(), self.holdings.now_ms()
            row = UploadRow(id, bucket.id, sent, properties, owner_of(caller), now)
            most = self.holdings.settings.max_multipart_uploads
            await file.write(partial(begin_multipart, row=row, holder=holder, most=most))
        return id

    async def parts(self, caller: Caller, place: PartPlace, limit: int) -> PartPage:
        caller.check(Act.OBJECT_READ)
        key = checked_key(place.key)
        async with self.holdings.bucket_of(caller.project, place.bucket) as (file, bucket):

            def look(connection: apsw.Connection) -> tuple[UploadRow, list[PartRow]]:
                upload = multipart(connection, place.upload, bucket.id, key)
                return upload, parts_of_upload(connection, upload.id, place.number, limit + 1)

            row, found = await file.read(look)
        items = tuple([described_part(part) for part in found[:limit]])
        next = items[-1].number if items and len(found) > limit else None
        return PartPage(_new(row), items, next)

    async def complete(self, caller: Caller, completing: Completing) -> CompletedUpload:
        caller.check(Act.OBJECT_WRITE)
        place = completing.place
        key = checked_key(place.key)
        for number in range(ATTEMPTS):
            of_bucket = self.holdings.bucket_of(caller.project, place.bucket)
            async with of_bucket as (file, bucket), file.attempt(number):
                try:
                    return await self._completed(caller, file, bucket, key, completing)
                except Moved:
                    continue
        raise ObjectConflict("Other writes changed the object again and again; try again.")

    async def abort(self, caller: Caller, place: PartPlace) -> None:
        caller.check(Act.OBJECT_WRITE)
        key = checked_key(place.key)
        async with self.holdings.bucket_of(caller.project, place.bucket) as (file, bucket):

            def end(connection: apsw.Connection) -> None:
                multipart(connection, place.upload, bucket.id, key)
                end_multipart(connection, place.upload, self.holdings.now_ms())

            await file.write(end)
        self.sweeping.note(caller.project)

    async def uploads(self, caller: Caller, bucket_name: str, listing: MultipartListing) -> MultipartPage:
        caller.check(Act.OBJECT_READ)
        async with self.holdings.bucket_of(caller.project, bucket_name) as (file, bucket):
            return await file.read(lambda connection: _page(connection, bucket.id, listing))

    async def _completed(
        self, caller: Caller, file: ProjectFile, bucket: OpenBucket, key: bytes, completing: Completing
    ) -> CompletedUpload:
        """Raises: Moved, and the problems of `complete_multipart`."""
        id = completing.place.upload

        def look(connection: apsw.Connection) -> CompletedUpload | tuple[UploadRow, list[PartRow], ObjectRow | None]:
            before = finished_multipart(connection, id, bucket.id, key)
            if before is not None:
                return before
            row = find(connection, bucket.id, key)
            return multipart(connection, id, bucket.id, key), parts_of_upload(connection, id), row

        looked = await file.read(look)
        if isinstance(looked, CompletedUpload):
            return looked
        upload, found, row = looked
        new = _new(upload)
        parts = self._chosen(found, completing)
        size = sum([part.size for part in parts])
        _check_size(completing, size, bucket)
        updated = None if row is None else time_of(row.updated)
        conditions = Conditions(completing.if_match, completing.if_none_match)
        check_write(conditions, None if row is None else row.etag, updated)
        await self._check_type(caller.project, file, bucket, new, parts)
        checksum = _checksum(new, parts, completing)
        extras = encoded_extras(msgspec.structs.replace(new.extras, checksum=checksum))
        metadata, etag = msgspec.json.encode(new.metadata).decode(), multipart_etag([part.etag for part in parts])
        properties = Properties(size, etag, new.content_type, new.cache_control, metadata, extras)
        state, now = None if row is None else row.state, self.holdings.now_ms()
        completion = Completion(state, properties, numbered(parts), upload.owner, now, self.holdings.quota)
        done, is_first = await file.write(lambda connection: finish_multipart(connection, upload, completion, checksum))
        if is_first:
            metrics.storage_writes.labels("multipart").inc()
            self.sweeping.note(caller.project)
        return done

    def _chosen(self, found: list[PartRow], completing: Completing) -> list[PartRow]:
        """Return the parts that the request names. Raises: InvalidPart, PartTooSmall."""
        known = {part.number: part for part in found}
        chosen = []
        for named in completing.parts:
            part = known.get(named.number)
            if part is None or part.etag != named.etag or (named.checksum and named.checksum != part.checksum):
                raise InvalidPart(
                    f"Upload part {named.number} again, or name it with its ETag and checksum.", number=named.number
                )
            chosen.append(part)
        for part in chosen[:-1]:
            if part.size < self.min_part_bytes:
                raise PartTooSmall(f"Part {part.number} has {part.size} bytes.", number=part.number)
        return chosen

    async def _check_type(
        self, project: str, file: ProjectFile, bucket: OpenBucket, new: NewMultipart, parts: list[PartRow]
    ) -> None:
        """Check the type as for an upload, since the bucket may have changed. Raises: ContentTypeRefused."""
        types = bucket.spec.mime
        if not types:
            return
        stored = Stored(list(numbered(parts)), file.roots)
        beginning = await self.downloads.beginning(project, stored, SNIFFED_BYTES)
        if not matches(new.content_type, types) or not fits(new.content_type, beginning):
            raise refused_content(new.content_type, beginning, types)


def _new(row: UploadRow) -> NewMultipart:
    return msgspec.json.decode(row.properties, type=NewMultipart)


def _check_size(completing: Completing, size: int, bucket: OpenBucket) -> None:
    """Raises: ChecksumMismatch, ObjectTooLarge."""
    if completing.size is not None and completing.size != size:
        raise ChecksumMismatch(f"The parts have {size} bytes, and the request says {completing.size}.")
    if size > bucket.spec.max_bytes:
        limit = bucket.spec.max_bytes
        raise ObjectTooLarge(f"An object of this bucket has at most {limit} bytes.", limit=limit)


def _checksum(new: NewMultipart, parts: list[PartRow], completing: Completing) -> Checksum | None:
    """Return the checksum of the object, if the upload was begun with an algorithm. Raises: ChecksumMismatch."""
    if not new.algorithm:
        return None
    algorithm, kind = Algorithm(new.algorithm), Kind(new.checksum_kind)
    if kind is Kind.FULL_OBJECT:
        value = full_object(algorithm, [(part.checksum, part.size) for part in parts])
    else:
        value = composite(algorithm, [part.checksum for part in parts])
    if completing.checksum and completing.checksum not in (value, value.partition("-")[0]):
        raise ChecksumMismatch(f"The {algorithm} of the object is {value}.")
    return Checksum(algorithm.value, value, kind.value)


def _page(connection: apsw.Connection, bucket: int, listing: MultipartListing) -> MultipartPage:
    prefix, delimiter = listing.prefix.encode(), listing.delimiter.encode()
    items: list[ListedMultipart] = []
    groups: list[str] = []
    at, last = _start(listing), ("", "")
    while True:
        rows = multiparts_from(connection, bucket, at, BATCH)
        for row in rows:
            at = row.key, row.id
            if not row.key.startswith(prefix):
                if row.key > prefix:
                    return MultipartPage(tuple(items), tuple(groups), None)
                continue
            group = _group(row.key, prefix, delimiter)
            if group and (group in groups or group == listing.key):
                continue
            if len(items) + len(groups) >= listing.limit:
                return MultipartPage(tuple(items), tuple(groups), last if listing.limit else None)
            if group:
                groups.append(group)
                last = group, ""
            else:
                key = row.key.decode()
                items.append(ListedMultipart(key, row.id, time_of(row.created), _new(row)))
                last = key, row.id
        if len(rows) < BATCH:
            return MultipartPage(tuple(items), tuple(groups), None)


def _start(listing: MultipartListing) -> tuple[bytes, str]:
    key = listing.key.encode()
    if not key or key < listing.prefix.encode():
        return listing.prefix.encode(), ""
    return key, listing.upload or AFTER_ALL


def _group(key: bytes, prefix: bytes, delimiter: bytes) -> str:
    at = key.find(delimiter, len(prefix)) if delimiter else -1
    return "" if at < 0 else key[: at + len(delimiter)].decode()
