"""Lists of objects: versions 1 and 2, and the list of versions, in which each object is its only version."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from bunbase.contracts.storage import Listing, ObjectPage
from bunbase.pkg.s3.errors import S3Error
from bunbase.storage.routes.s3.answer import Answer, iso_time, owner, quoted, xml_answer
from bunbase.storage.routes.s3.call import S3Call, invalid

MAX_KEYS: Final = 1000
URL: Final = "url"

Fields = list[tuple[str, Any]]


async def list_objects(call: S3Call) -> Answer:
    asked, encoding = call.parameters, encoding_of(call)
    limit, marker = call.number("max-keys", MAX_KEYS, MAX_KEYS), asked.get("marker", "")
    page = await _page(call, limit, marker)
    content: Fields = [
        ("Name", call.bucket),
        ("Prefix", asked.get("prefix", "")),  # as it was sent: clients of version 1 do not decode it
        ("Marker", coded(marker, encoding)),
        ("MaxKeys", str(limit)),
        *_delimiter(call, encoding),
        ("IsTruncated", _truncated(page)),
    ]
    if page.next is not None and asked.get("delimiter"):
        content.append(("NextMarker", coded(_last(page), encoding)))
    content += [("Contents", [*fields, owner(call.owner)]) for fields in _objects(page, encoding)]
    return xml_answer("ListBucketResult", [*content, *_groups(page, encoding)])


async def list_objects_v2(call: S3Call) -> Answer:
    asked, encoding = call.parameters, encoding_of(call)
    limit, after = call.number("max-keys", MAX_KEYS, MAX_KEYS), asked.get("start-after", "")
    token = asked.get("continuation-token")
    page = await _page(call, limit, after, token or None)
    content: Fields = [
        ("Name", call.bucket),
        ("Prefix", coded(asked.get("prefix", ""), encoding)),
        ("MaxKeys", str(limit)),
        *_delimiter(call, encoding),
        ("KeyCount", str(len(page.items) + len(page.prefixes))),
        ("IsTruncated", _truncated(page)),
    ]
    if token is not None:
        content.append(("ContinuationToken", token))
    if page.next is not None:
        content.append(("NextContinuationToken", page.next))
    if after:
        content.append(("StartAfter", coded(after, encoding)))
    owned = [owner(call.owner)] if asked.get("fetch-owner", "").lower() == "true" else []
    content += [("Contents", [*fields, *owned]) for fields in _objects(page, encoding)]
    return xml_answer("ListBucketResult", [*content, *_groups(page, encoding)])


async def list_versions(call: S3Call) -> Answer:
    asked, encoding = call.parameters, encoding_of(call)
    limit, marker = call.number("max-keys", MAX_KEYS, MAX_KEYS), asked.get("key-marker", "")
    page = await _page(call, limit, marker)
    content: Fields = [
        ("Name", call.bucket),
        ("Prefix", coded(asked.get("prefix", ""), encoding)),
        ("KeyMarker", coded(marker, encoding)),
        ("VersionIdMarker", asked.get("version-id-marker", "")),
        ("MaxKeys", str(limit)),
        *_delimiter(call, encoding),
        ("IsTruncated", _truncated(page)),
    ]
    if page.next is not None:
        content += [("NextKeyMarker", coded(_last(page), encoding)), ("NextVersionIdMarker", "null")]
    version = [("VersionId", "null"), ("IsLatest", "true")]
    content += [("Version", [*version, *fields, owner(call.owner)]) for fields in _objects(page, encoding)]
    return xml_answer("ListVersionsResult", [*content, *_groups(page, encoding)])


def encoding_of(call: S3Call) -> str:
    """Return the encoding of keys in the answer, or "". Raises: S3Error (InvalidArgument)."""
    found = call.parameters.get("encoding-type", "")
    if found not in ("", URL):
        raise invalid("encoding-type", found, "Invalid Encoding Method specified in Request")
    return found


def coded(text: str, encoding: str) -> str:
    """Return a key for an answer: percent-encoded if the client has asked for it, because XML has no control
    characters.
    """
    return quote(text, safe="/") if encoding else text


async def _page(call: S3Call, limit: int, after: str, token: str | None = None) -> ObjectPage:
    """Raises: S3Error (InvalidArgument), and the problems of Storage."""
    asked = call.parameters
    if limit == 0:
        await call.storage.bucket(call.caller, call.bucket)
        return ObjectPage((), (), None)
    listing = Listing(asked.get("prefix", ""), asked.get("delimiter", ""), limit, token, after)
    try:
        return await call.storage.objects(call.caller, call.bucket, listing)
    except UnicodeError:
        raise S3Error("InvalidArgument", "A prefix is text in UTF-8.") from None


def _objects(page: ObjectPage, encoding: str) -> list[Fields]:
    return [
        [
            ("Key", coded(one.key, encoding)),
            ("LastModified", iso_time(one.updated_at)),
            ("ETag", quoted(one.etag)),
            ("Size", str(one.size)),
            ("StorageClass", "STANDARD"),
        ]
        for one in page.items
    ]


def _groups(page: ObjectPage, encoding: str) -> Fields:
    return [("CommonPrefixes", [("Prefix", coded(group, encoding))]) for group in page.prefixes]


def _delimiter(call: S3Call, encoding: str) -> Fields:
    found: Fields = [("EncodingType", encoding)] if encoding else []
    delimiter = call.parameters.get("delimiter", "")
    return [("Delimiter", coded(delimiter, encoding)), *found] if delimiter else found


def _truncated(page: ObjectPage) -> str:
    return "true" if page.next is not None else "false"


def _last(page: ObjectPage) -> str:
    """Return the last key or group of a page, in the order of bytes."""
    ends = [one.key for one in page.items[-1:]] + list(page.prefixes[-1:])
    return max(ends, key=lambda text: text.encode(), default="")


HANDLERS: Final = {
    "ListObjects": list_objects,
    "ListObjectsV2": list_objects_v2,
    "ListObjectVersions": list_versions,
}
