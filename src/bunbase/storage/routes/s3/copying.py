"""CopyObject and UploadPartCopy."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from bunbase.contracts.multipart import NewPart
from bunbase.contracts.storage import (
    MAX_UPLOAD_BYTES,
    CopyExtras,
    Copying,
    KeptPlace,
    ObjectChanged,
    Piece,
    Place,
    Reading,
)
from bunbase.pkg.s3.checksums import Algorithm, encoded
from bunbase.pkg.s3.errors import S3Error
from bunbase.storage.routes.s3.answer import Answer, iso_time, quoted, xml_answer
from bunbase.storage.routes.s3.call import S3Call, checked_key, conditions_of, invalid
from bunbase.storage.routes.s3.multipart import part_place
from bunbase.storage.routes.s3.objects import missing_or, opened, sent_tags, stored_properties
from bunbase.storage.routes.s3.operations import COPY_SOURCE

SOURCE_RANGE: Final = re.compile(r"bytes=([0-9]{1,15})-([0-9]{1,15})")
VERSION: Final = "?versionId="
CONDITIONS: Final = "x-amz-copy-source-"
COPY, REPLACE = "COPY", "REPLACE"


async def copy_object(call: S3Call) -> Answer:
    source = _source(call)
    replaces, retags = _directive(call, "metadata"), _directive(call, "tagging")
    if (source.bucket, source.key) == (call.bucket, call.key) and not (replaces or retags):
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes.",
        )
    copying = Copying(KeptPlace(source.bucket, source.key), KeptPlace(call.bucket, call.key))
    extras = CopyExtras(
        conditions_of(call.headers, CONDITIONS),
        msgspec.structs.replace(conditions_of(call.headers), if_modified_since=None, if_unmodified_since=None),
    )
    if replaces:
        content_type, cached, metadata, new = stored_properties(call.headers)
        copying = msgspec.structs.replace(copying, content_type=content_type, cache_control=cached, metadata=metadata)
        extras = msgspec.structs.replace(extras, headers=new.headers)
    if retags:
        extras = msgspec.structs.replace(extras, tags=sent_tags(call.headers))
    try:
        written = (await call.storage.copy_object(call.caller, copying, False, extras)).object
    except ObjectChanged as changed:
        raise await missing_or(call, Place(call.bucket, call.key), extras.target, changed) from changed
    content = [("LastModified", iso_time(written.updated_at)), ("ETag", quoted(written.etag))]
    checksum = (await opened(call, Reading(Place(call.bucket, call.key), head=True))).extras.checksum
    if checksum is not None:
        content += [(Algorithm(checksum.algorithm).element, checksum.value), ("ChecksumType", checksum.kind)]
    return xml_answer("CopyObjectResult", content)


async def upload_part_copy(call: S3Call) -> Answer:
    """Read the bytes of the source and store them as a part: a part has its own MD5, which needs all bytes."""
    source = _source(call)
    begun = await call.storage.begin_part(call.caller, NewPart(part_place(call)))
    parts: Any = None
    try:
        parts = call.storage.read(call.caller, await _reading(call, source))
        running = Algorithm(begun.algorithm).new() if begun.algorithm else None
        async for piece in parts:
            if isinstance(piece, Piece):
                if running is not None:
                    running.update(piece.data)
                await call.storage.feed_upload(call.caller, begun.upload, piece.data)
        checksum = encoded(running) if running is not None else ""
        written = await call.storage.finish_part(call.caller, begun.upload, checksum)
    except BaseException:
        await call.storage.abort_upload(call.caller, begun.upload)
        raise
    finally:
        if parts is not None:
            await parts.aclose()
    content = [("LastModified", iso_time(written.created_at)), ("ETag", quoted(written.etag))]
    if begun.algorithm:
        content.append((Algorithm(begun.algorithm).element, written.checksum))
    return xml_answer("CopyPartResult", content)


async def _reading(call: S3Call, source: Place) -> Reading:
    """Return the request for the bytes of the source. Raises: S3Error (InvalidArgument, InvalidRange)."""
    conditions = conditions_of(call.headers, CONDITIONS)
    found = await opened(call, Reading(source, conditions, head=True))
    if found.status == 304:
        raise S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    size, text = found.object.size, call.headers.get("x-amz-copy-source-range", "")
    if not text:
        if size > MAX_UPLOAD_BYTES:
            raise S3Error("InvalidRequest", "A part has at most 5 GiB: name a range with x-amz-copy-source-range.")
        return Reading(source)
    match = SOURCE_RANGE.fullmatch(text)
    if match is None:
        message = "The x-amz-copy-source-range value must be of the form bytes=first-last."
        raise invalid("x-amz-copy-source-range", text, message)
    first, last = int(match[1]), int(match[2])
    if first > last or last >= size:
        raise S3Error("InvalidRange", f"Range specified is not valid for source object of size: {size}")
    return Reading(source, range=f"bytes={first}-{last}")


def _source(call: S3Call) -> Place:
    """Return the bucket and the key of x-amz-copy-source. Raises: S3Error."""
    text = call.headers[COPY_SOURCE]
    name, separator, version = text.rpartition(VERSION)
    if not separator:
        name = text
    elif version not in ("null", ""):
        raise S3Error("NoSuchVersion", "The specified version does not exist: buckets keep no versions.")
    bucket, _, key = unquote_to_bytes(name.removeprefix("/")).partition(b"/")
    if not bucket or not key:
        raise invalid(COPY_SOURCE, text, "The copy source must name a bucket and a key, as bucket/key.")
    found = Place(bucket.decode("utf-8", "replace"), checked_key(key))
    call.check_bucket(found.bucket)
    return found


def _directive(call: S3Call, what: str) -> bool:
    """True if the request replaces the metadata or the tags. Raises: S3Error (InvalidArgument)."""
    name = f"x-amz-{what}-directive"
    value = call.headers.get(name, COPY)
    if value not in (COPY, REPLACE):
        raise invalid(name, value, f"{name} must be COPY or REPLACE.")
    return value == REPLACE


HANDLERS: Final = {"CopyObject": copy_object, "UploadPartCopy": upload_part_copy}
