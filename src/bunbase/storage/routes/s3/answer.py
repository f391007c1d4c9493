"""Answers of the S3 port: XML documents, empty answers, and the bytes of objects. Problems become errors of S3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.xml import Content, document

XML: Final = "application/xml"
REGION: Final = "us-east-1"

# code of a Problem → code of S3
CODES: Final = {
    "bucket_not_found": "NoSuchBucket",
    "bucket_exists": "BucketAlreadyOwnedByYou",
    "bucket_not_empty": "BucketNotEmpty",
    "too_many_buckets": "TooManyBuckets",
    "invalid_bucket": "InvalidArgument",
    "invalid_object_key": "InvalidArgument",
    "object_not_found": "NoSuchKey",
    "object_changed": "PreconditionFailed",
    "object_conflict": "ConditionalRequestConflict",
    "range_not_satisfiable": "InvalidRange",
    "object_too_large": "EntityTooLarge",
    "content_type_refused": "InvalidRequest",
    "content_digest_mismatch": "BadDigest",
    "storage_quota_exceeded": "QuotaExceeded",
    "too_many_uploads": "SlowDown",
    "upload_not_found": "NoSuchUpload",
    "object_damaged": "InternalError",
    "invalid_part": "InvalidPart",
    "part_too_small": "EntityTooSmall",
    "checksum_mismatch": "BadDigest",
    "invalid_cursor": "InvalidArgument",
    "invalid_input": "InvalidArgument",
    "invalid_key": "InvalidAccessKeyId",
    "rate_limited": "SlowDown",
    "request_stalled": "RequestTimeout",
    "deadline_exceeded": "RequestTimeout",
    "malformed_request": "InvalidRequest",
    "payload_too_large": "EntityTooLarge",
    "forbidden": "AccessDenied",
    "insufficient_scope": "AccessDenied",
    "rule_denied": "AccessDenied",
    "project_suspended": "AccessDenied",
    "audit_unavailable": "ServiceUnavailable",
}
CONDITION: Final = "At least one of the pre-conditions you specified did not hold"


class Answer(msgspec.Struct):
    """`pieces`: the body of an object, which is sent after `body`."""

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""
    pieces: AsyncIterator[bytes] | None = None


def xml_answer(name: str, content: Content, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(200, {"content-type": XML, **(headers or {})}, document(name, content))


def error_of(problem: Problem) -> S3Error:
    """Return the error of S3 for a Problem."""
    code = CODES.get(problem.code)
    if code is None:
        code = "ServiceUnavailable" if problem.status in (503, 504, 507) else "InternalError"
    extra = {"Condition": "If-None-Match"} if code == "PreconditionFailed" else {}
    if code == "InvalidRange":
        extra = {"ActualObjectSize": str(problem.extra.get("size", 0))}
    message = problem.detail or problem.title
    if isinstance(problem, InvalidInput) and "metadata" in message.lower():
        code = "MetadataTooLarge"
    return S3Error(code, message, **extra)


def iso_time(moment: datetime) -> str:
    """Return a time as in lists: in whole seconds, because headers have no more."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def owner(project: str, name: str = "Owner") -> tuple[str, Any]:
    return name, [("ID", project), ("DisplayName", project)]


def quoted(etag: str) -> str:
    return f'"{etag}"'
