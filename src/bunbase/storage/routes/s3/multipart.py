"""Uploads in parts: create, upload a part, complete, abort and list."""

from __future__ import annotations

from typing import Any, Final

from bunbase.contracts.multipart import (
    MAX_PARTS,
    Completing,
    MultipartListing,
    NamedPart,
    NewMultipart,
    NewPart,
    PartPage,
    PartPlace,
)
from bunbase.contracts.storage import MAX_UPLOAD_BYTES, Conditions, ObjectChanged, Place, UploadNotFound
from bunbase.pkg.numbers import whole_number
from bunbase.pkg.s3.checksums import Algorithm, algorithm_named, kind_named
from bunbase.pkg.s3.documents import MAX_LARGE_BYTES, completed_parts
from bunbase.pkg.s3.errors import S3Error
from bunbase.storage.routes.s3.answer import Answer, iso_time, owner, quoted, xml_answer
from bunbase.storage.routes.s3.call import S3Call, invalid
from bunbase.storage.routes.s3.listing import coded, encoding_of
from bunbase.storage.routes.s3.objects import missing_or, stored_properties
from bunbase.storage.routes.s3.payload import Body

MAX_LISTED: Final = 1000
MAX_SIZE: Final = 2**63 - 1
NO_PARTS: Final = b"<CompleteMultipartUpload/>"


async def create(call: S3Call) -> Answer:
    content_type, cache_control, metadata, extras = stored_properties(call.headers)
    named = call.headers.get("x-amz-checksum-algorithm", "")
    algorithm = algorithm_named(named) if named else None
    kind = kind_named(algorithm, call.headers.get("x-amz-checksum-type", "")) if algorithm else None
    if algorithm is None and call.headers.get("x-amz-checksum-type"):
        raise S3Error("InvalidRequest", "The x-amz-checksum-type header needs x-amz-checksum-algorithm.")
    new = NewMultipart(
        content_type,
        cache_control,
        metadata,
        extras,
        algorithm.value if algorithm else "",
        kind.value if kind else "",
    )
    upload = await call.storage.begin_multipart(call.caller, call.bucket, call.key, new)
    headers = {}
    if algorithm is not None and kind is not None:
        headers = {"x-amz-checksum-algorithm": algorithm.value, "x-amz-checksum-type": kind.value}
    content = [("Bucket", call.bucket), ("Key", call.key), ("UploadId", upload)]
    return xml_answer("InitiateMultipartUploadResult", content, headers)


async def upload_part(call: S3Call) -> Answer:
    body = Body(call)
    if body.length is None and not call.is_chunked:
        raise S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.")
    if (body.length or 0) > MAX_UPLOAD_BYTES:
        raise S3Error("EntityTooLarge", "A part has at most 5 GiB.")
    begun = await call.storage.begin_part(call.caller, NewPart(part_place(call), body.length, body.md5))
    try:
        sent = body.expected.algorithm
        if begun.algorithm and sent not in (None, Algorithm(begun.algorithm)):
            raise S3Error(
                "InvalidRequest", f"Checksum Type mismatch occurred, expected checksum Type: {begun.algorithm.lower()}"
            )
        body = Body(call, begun.algorithm)
        async for piece in body.pieces():
            await call.storage.feed_upload(call.caller, begun.upload, piece)
        computed = body.finish()
        algorithm = Algorithm(begun.algorithm) if begun.algorithm else sent
        checksum = computed[algorithm] if algorithm is not None else ""
        written = await call.storage.finish_part(call.caller, begun.upload, checksum)
    except BaseException:
        await call.storage.abort_upload(call.caller, begun.upload)
        raise
    headers = {"etag": quoted(written.etag)}
    if algorithm is not None:
        headers[algorithm.header] = checksum
    return Answer(200, headers)


async def complete(call: S3Call) -> Answer:
    body = Body(call, of_body=False)
    asked = completed_parts(await body.whole(MAX_LARGE_BYTES) or NO_PARTS)
    place = _upload_place(call)
    page = await _open_upload(call, place)
    algorithm = page.upload.algorithm if page is not None else ""
    parts = tuple([NamedPart(one.number, one.etag, _checksum_of(one.checksums, algorithm)) for one in asked])
    conditions = Conditions(call.headers.get("if-match"), call.headers.get("if-none-match"))
    completing = Completing(
        place,
        parts,
        conditions.if_match,
        conditions.if_none_match,
        _sent_checksum(call, algorithm),
        _size(call),
    )
    kind = call.headers.get("x-amz-checksum-type", "")
    if page is not None and kind and page.upload.checksum_kind and kind.upper() != page.upload.checksum_kind:
        raise S3Error("InvalidRequest", f"The upload was created with the checksum type {page.upload.checksum_kind}.")
    try:
        done = await call.storage.complete_multipart(call.caller, completing)
    except ObjectChanged as changed:
        raise await missing_or(call, Place(call.bucket, call.key), conditions, changed) from changed
    content = [
        ("Location", call.path),
        ("Bucket", call.bucket),
        ("Key", call.key),
        ("ETag", quoted(done.etag)),
    ]
    if done.checksum is not None:
        content += [
            (Algorithm(done.checksum.algorithm).element, done.checksum.value),
            ("ChecksumType", done.checksum.kind),
        ]
    return xml_answer("CompleteMultipartUploadResult", content)


async def abort(call: S3Call) -> Answer:
    await call.storage.abort_multipart(call.caller, _upload_place(call))
    return Answer(204)


async def list_parts(call: S3Call) -> Answer:
    limit = call.number("max-parts", MAX_LISTED, MAX_LISTED)
    after = call.number("part-number-marker", 0, MAX_PARTS)
    place = PartPlace(call.bucket, call.key, call.parameters["uploadId"], after)
    page = await call.storage.parts(call.caller, place, limit)
    algorithm = Algorithm(page.upload.algorithm) if page.upload.algorithm else None
    content: list[tuple[str, Any]] = [
        ("Bucket", call.bucket),
        ("Key", call.key),
        ("UploadId", place.upload),
        owner(call.owner, "Initiator"),
        owner(call.owner),
        ("StorageClass", "STANDARD"),
        ("PartNumberMarker", str(after)),
        ("NextPartNumberMarker", str(page.items[-1].number if page.items else after)),
        ("MaxParts", str(limit)),
        ("IsTruncated", "true" if page.next is not None else "false"),
    ]
    if algorithm is not None:
        content += [("ChecksumAlgorithm", algorithm.value), ("ChecksumType", page.upload.checksum_kind)]
    for part in page.items:
        fields = [
            ("PartNumber", str(part.number)),
            ("LastModified", iso_time(part.created_at)),
            ("ETag", quoted(part.etag)),
            ("Size", str(part.size)),
        ]
        if algorithm is not None and part.checksum:
            fields.append((algorithm.element, part.checksum))
        content.append(("Part", fields))
    return xml_answer("ListPartsResult", content)


async def list_uploads(call: S3Call) -> Answer:
    asked, encoding = call.parameters, encoding_of(call)
    limit = call.number("max-uploads", MAX_LISTED, MAX_LISTED)
    listing = MultipartListing(
        asked.get("prefix", ""),
        asked.get("delimiter", ""),
        limit,
        asked.get("key-marker", ""),
        asked.get("upload-id-marker", ""),
    )
    page = await call.storage.multiparts(call.caller, call.bucket, listing)
    next_key, next_upload = page.next or ("", "")
    content: list[tuple[str, Any]] = [
        ("Bucket", call.bucket),
        ("KeyMarker", coded(listing.key, encoding)),
        ("UploadIdMarker", listing.upload),
        ("NextKeyMarker", coded(next_key, encoding)),
        ("NextUploadIdMarker", next_upload),
        ("Prefix", coded(listing.prefix, encoding)),
        ("Delimiter", coded(listing.delimiter, encoding)),
        ("MaxUploads", str(limit)),
        ("IsTruncated", "true" if page.next is not None else "false"),
    ]
    if encoding:
        content.append(("EncodingType", encoding))
    for one in page.items:
        fields: list[tuple[str, Any]] = [
            ("Key", coded(one.key, encoding)),
            ("UploadId", one.upload),
            owner(call.owner, "Initiator"),
            owner(call.owner),
            ("StorageClass", "STANDARD"),
            ("Initiated", iso_time(one.created_at)),
        ]
        if one.new.algorithm:
            fields += [("ChecksumAlgorithm", one.new.algorithm), ("ChecksumType", one.new.checksum_kind)]
        content.append(("Upload", fields))
    content += [("CommonPrefixes", [("Prefix", coded(group, encoding))]) for group in page.prefixes]
    return xml_answer("ListMultipartUploadsResult", content)


def part_place(call: S3Call) -> PartPlace:
    """Return the upload and the number of a part. Raises: S3Error (InvalidArgument)."""
    number = call.number("partNumber", 0, MAX_PARTS + 1)
    if not 1 <= number <= MAX_PARTS:
        text = call.parameters.get("partNumber", "")
        raise invalid("partNumber", text, f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive")
    return PartPlace(call.bucket, call.key, call.parameters["uploadId"], number)


def _upload_place(call: S3Call) -> PartPlace:
    return PartPlace(call.bucket, call.key, call.parameters["uploadId"])


async def _open_upload(call: S3Call, place: PartPlace) -> PartPage | None:
    """Return the upload, or None if it was completed already: `complete_multipart` then repeats its answer."""
    try:
        return await call.storage.parts(call.caller, place, 0)
    except UploadNotFound:
        return None


def _checksum_of(checksums: dict[Algorithm, str], algorithm: str) -> str:
    """Return the checksum that the client sent for a part. Raises: S3Error for one of another algorithm."""
    if not checksums:
        return ""
    if not algorithm:
        return next(iter(checksums.values()))
    found = checksums.get(Algorithm(algorithm))
    if found is None:
        raise S3Error("InvalidPart", f"The parts of this upload have checksums of {algorithm}.")
    return found


def _sent_checksum(call: S3Call, algorithm: str) -> str:
    """Return the checksum of the object that the client expects, or "". A composite one may end with `-N`."""
    return call.headers.get(Algorithm(algorithm).header, "").strip() if algorithm else ""


def _size(call: S3Call) -> int | None:
    text = call.headers.get("x-amz-mp-object-size")
    if text is None:
        return None
    size = whole_number(text, MAX_SIZE)
    if size is None:
        raise S3Error("InvalidRequest", "Value for x-amz-mp-object-size header is invalid.")
    return size


HANDLERS: Final = {
    "CreateMultipartUpload": create,
    "UploadPart": upload_part,
    "CompleteMultipartUpload": complete,
    "AbortMultipartUpload": abort,
    "ListParts": list_parts,
    "ListMultipartUploads": list_uploads,
}
