"""PutObject, GetObject, HeadObject, DeleteObject and DeleteObjects."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from bunbase.contracts.multipart import InvalidPart
from bunbase.contracts.object_extras import HEADERS, ObjectExtras
from bunbase.contracts.storage import (
    MAX_KEY_BYTES,
    MAX_UPLOAD_BYTES,
    Conditions,
    NewObject,
    ObjectChanged,
    ObjectNotFound,
    Opened,
    Piece,
    Place,
    Reading,
    UploadNotFound,
)
from bunbase.pkg.errors import Problem
from bunbase.pkg.s3.checksums import Algorithm
from bunbase.pkg.s3.chunked import without_coding
from bunbase.pkg.s3.documents import MAX_LARGE_BYTES, DeletedKey, deletion, tags_of_header
from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.signature import Protection
from bunbase.storage.routes.s3.answer import Answer, error_of, quoted, xml_answer
from bunbase.storage.routes.s3.call import (
    METADATA,
    S3Call,
    check_version,
    checked_key,
    conditions_of,
    invalid,
    sent_metadata,
)
from bunbase.storage.routes.s3.payload import Body
from bunbase.storage.serving.conditions import last_modified
from bunbase.storage.serving.headers import POLICY
from bunbase.storage.serving.media_types import TOKEN

DEFAULT_TYPE: Final = "binary/octet-stream"
ALWAYS: Final = Conditions()
MAX_METADATA: Final = 2 << 10
TOKEN_NAME: Final = re.compile(TOKEN)
CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# parameter of a signed request → header of the answer
OVERRIDES: Final = {
    "response-content-type": "content-type",
    "response-content-language": "content-language",
    "response-content-disposition": "content-disposition",
    "response-content-encoding": "content-encoding",
    "response-cache-control": "cache-control",
    "response-expires": "expires",
}


async def put_object(call: S3Call) -> Answer:
    if "partNumber" in call.parameters:
        raise invalid("uploadId", "", "A part needs the parameter uploadId.")
    body = Body(call)
    if body.length is None and not call.is_chunked:
        raise S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.")
    if (body.length or 0) > MAX_UPLOAD_BYTES:
        raise S3Error("EntityTooLarge", "One upload has at most 5 GiB: upload larger objects in parts.")
    content_type, cache_control, metadata, extras = stored_properties(call.headers)
    conditions = conditions_of(call.headers)
    new = NewObject(content_type, body.length, cache_control, metadata, conditions, body.md5, extras)
    place = Place(call.bucket, call.key)
    try:
        upload = await call.storage.begin_upload(call.caller, place, new)
        try:
            async for piece in body.pieces():
                await call.storage.feed_upload(call.caller, upload, piece)
            checksum = body.checksum(body.finish())
            written = await call.storage.finish_upload(call.caller, upload, checksum)
        except BaseException:
            await call.storage.abort_upload(call.caller, upload)
            raise
    except ObjectChanged as changed:
        raise await missing_or(call, place, conditions, changed) from changed
    except UploadNotFound:
        raise S3Error("RequestTimeout", "The bytes came too slowly, and the upload was given up.") from None
    headers = {"etag": quoted(written.object.etag)}
    if checksum is not None:
        headers[Algorithm(checksum.algorithm).header] = checksum.value
        headers["x-amz-checksum-type"] = checksum.kind
    return Answer(200, headers)


async def get_object(call: S3Call) -> Answer:
    return await _read(call, head=False)


async def head_object(call: S3Call) -> Answer:
    return await _read(call, head=True)


async def delete_object(call: S3Call) -> Answer:
    check_version(call)
    place, conditions = Place(call.bucket, call.key), conditions_of(call.headers)
    with suppress(ObjectNotFound):  # a deletion of a missing object succeeds
        await call.storage.delete_object(call.caller, place, conditions)
    return Answer(204)


async def delete_objects(call: S3Call) -> Answer:
    body = Body(call)
    protected = call.payload.protection in (Protection.HASHED, Protection.SIGNED_CHUNKS)
    if not (body.expected.md5 or body.expected.algorithm or protected):
        raise S3Error("InvalidRequest", "Missing required header for this request: Content-MD5 or a checksum.")
    asked = deletion(await body.whole(MAX_LARGE_BYTES))
    failed: dict[str, S3Error] = {}
    plain: list[str] = []
    for one in asked.keys:
        error = await _deleted_alone(call, one)
        if isinstance(error, S3Error):
            failed[one.key] = error
        elif error is None:
            plain.append(one.key)
    if plain:
        for result in await call.storage.delete_objects(call.caller, call.bucket, tuple(dict.fromkeys(plain))):
            if not result.deleted:
                failed[result.key] = S3Error("ConditionalRequestConflict", "Another write changed the object.")
    else:
        await call.storage.bucket(call.caller, call.bucket)
    content: list[tuple[str, Any]] = []
    for one in asked.keys:
        found = failed.get(one.key)
        if found is not None:
            content.append(("Error", [("Key", one.key), ("Code", found.code), ("Message", found.message)]))
        elif not asked.quiet:
            content.append(("Deleted", [("Key", one.key)]))
    return xml_answer("DeleteResult", content)


async def _deleted_alone(call: S3Call, one: DeletedKey) -> S3Error | bool | None:
    """Return None for a key that can be deleted together with others, True if it was deleted here, or the error."""
    try:
        checked_key(one.key.encode())
        if one.version_id not in (None, "null"):
            raise S3Error("NoSuchVersion", "The specified version does not exist: buckets keep no versions.")
        if one.etag is None:
            return None
        await call.storage.delete_object(call.caller, Place(call.bucket, one.key), Conditions(if_match=one.etag))
    except S3Error as error:
        return error
    except ObjectNotFound:
        return True
    except Problem as problem:
        if problem.code == "bucket_not_found":
            raise
        return error_of(problem)
    return True


def stored_properties(headers: Mapping[str, str]) -> tuple[str, str, dict[str, str], ObjectExtras]:
    """Return the type, the Cache-Control, the metadata and the extras that the headers of a request set.

    Raises: S3Error.
    """
    metadata = sent_metadata(headers)
    if sum([len(name) + len(value.encode()) for name, value in metadata.items()]) > MAX_METADATA:
        raise S3Error("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size of 2 KiB.")
    kept = {name: headers[name] for name in HEADERS if headers.get(name)}
    if "content-encoding" in kept:
        kept["content-encoding"] = without_coding(kept["content-encoding"])
    extras = ObjectExtras({name: value for name, value in kept.items() if value}, sent_tags(headers))
    return headers.get("content-type") or DEFAULT_TYPE, headers.get("cache-control", ""), metadata, extras


def sent_tags(headers: Mapping[str, str]) -> dict[str, str]:
    return tags_of_header(headers["x-amz-tagging"]) if "x-amz-tagging" in headers else {}


async def missing_or(call: S3Call, place: Place, conditions: Conditions, changed: ObjectChanged) -> Problem:
    """Return ObjectNotFound if If-Match failed since there is no object; otherwise the problem itself."""
    if conditions.if_match is None:
        return changed
    try:
        await opened(call, Reading(place, head=True))
    except ObjectNotFound as missing:
        return missing
    return changed


async def opened(call: S3Call, reading: Reading) -> Opened:
    """Return the beginning of a download without its bytes. Raises: the problems of `read`."""
    parts = call.storage.read(call.caller, reading)
    try:
        found = await anext(parts)
    finally:
        await closed(parts)
    assert isinstance(found, Opened)
    return found


async def _read(call: S3Call, head: bool) -> Answer:
    check_version(call)
    part = 0
    if "partNumber" in call.parameters:
        part = call.number("partNumber", 0, 10_000)
        if part < 1:
            raise invalid("partNumber", call.parameters["partNumber"], "Part number must be from 1 to 10,000.")
    headers = call.headers
    reading = Reading(
        Place(call.bucket, call.key),
        conditions_of(headers),
        headers.get("range", ""),
        headers.get("if-range", ""),
        head,
        part,
    )
    parts = call.storage.read(call.caller, reading)
    try:
        found = await anext(parts)
    except InvalidPart as missing:
        raise S3Error("InvalidPart", missing.detail) from None
    assert isinstance(found, Opened)
    sent = download_headers(call, found, part)
    if found.status == 304:
        await closed(parts)
        return Answer(304, {name: sent[name] for name in ("etag", "last-modified")})
    for name, header in OVERRIDES.items():
        if name in call.parameters:
            sent[header] = _header_text(name, call.parameters[name])
    return Answer(found.status, sent, b"", _bytes_of(parts))


def download_headers(call: S3Call, found: Opened, part: int) -> dict[str, str]:
    """Return the headers of an object. A browser never runs scripts of an object, because other ports of this host may
    have cookies.
    """
    stored, extras = found.object, found.extras
    sent = {
        "etag": quoted(stored.etag),
        "last-modified": last_modified(stored.updated_at),
        "content-type": stored.content_type,
        "content-length": str(found.end - found.start),
        "accept-ranges": "bytes",
        "content-security-policy": POLICY,
        **extras.headers,
        **_metadata_headers(stored.metadata),
    }
    if found.cache_control:
        sent["cache-control"] = found.cache_control
    if extras.tags:
        sent["x-amz-tagging-count"] = str(len(extras.tags))
    if part and found.parts:
        sent["x-amz-mp-parts-count"] = str(found.parts)
    whole = found.end - found.start == stored.size
    if found.status == 206:
        sent["content-range"] = f"bytes {found.start}-{found.end - 1}/{stored.size}"
    checksum = extras.checksum
    if part and found.part_checksum and checksum is not None:
        checksum, whole = msgspec.structs.replace(checksum, value=found.part_checksum), True
    if checksum is not None and whole and call.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
        sent[Algorithm(checksum.algorithm).header] = checksum.value
        sent["x-amz-checksum-type"] = checksum.kind
    return sent


async def closed(parts: Any) -> None:
    """End a download, of which the rest is not wanted."""
    await parts.aclose()


async def _bytes_of(parts: AsyncIterator[Opened | Piece]) -> AsyncIterator[bytes]:
    try:
        async for part in parts:
            if isinstance(part, Piece):
                yield part.data
    finally:
        await closed(parts)


def _header_text(name: str, text: str) -> str:
    if len(text) > MAX_KEY_BYTES or not text.isprintable():
        raise invalid(name, text, "A header has at most 1024 printable characters.")
    return text


def _metadata_headers(metadata: dict[str, str]) -> dict[str, str]:
    """Return the headers of metadata. The other API stores names and values that headers cannot have: these are counted
    in `x-amz-missing-meta`, as Amazon does.
    """
    sent = {
        METADATA + name: value
        for name, value in metadata.items()
        if TOKEN_NAME.fullmatch(name) and not CONTROLS.search(value)
    }
    missing = len(metadata) - len(sent)
    return {**sent, "x-amz-missing-meta": str(missing)} if missing else sent


HANDLERS: Final = {
    "PutObject": put_object,
    "GetObject": get_object,
    "HeadObject": head_object,
    "DeleteObject": delete_object,
    "DeleteObjects": delete_objects,
}
