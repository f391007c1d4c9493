"""The table of the operations of S3. The router and the page `docs/s3.md` are made from this table.

An operation is found by the method, by the place (service, bucket or object), and by one parameter of the query that
names a part of the place, such as `?tagging`. A few are found by a header or by a second parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from bunbase.pkg.s3.errors import S3Error

COPY_SOURCE: Final = "x-amz-copy-source"


class Level(StrEnum):
    """The place that a request names."""

    SERVICE = "service"
    BUCKET = "bucket"
    OBJECT = "object"


SERVICE, BUCKET, OBJECT = Level.SERVICE, Level.BUCKET, Level.OBJECT


class Operation(msgspec.Struct, frozen=True):
    """`part`: the parameter that names a part of the place; "" for the place itself. `writes`: true if a credential
    that may only read is refused. `supported`: false if the port answers NotImplemented. `note`: for the docs.
    """

    name: str
    level: Level
    method: str
    part: str = ""
    writes: bool = False
    supported: bool = True
    note: str = ""


OPERATIONS: Final = (
    Operation("ListBuckets", SERVICE, "GET"),
    Operation("CreateBucket", BUCKET, "PUT", writes=True, note="every region is accepted and ignored"),
    Operation("HeadBucket", BUCKET, "HEAD"),
    Operation("DeleteBucket", BUCKET, "DELETE", writes=True),
    Operation("GetBucketLocation", BUCKET, "GET", "location"),
    Operation("GetBucketVersioning", BUCKET, "GET", "versioning", note="always empty: buckets keep no versions"),
    Operation("GetBucketAcl", BUCKET, "GET", "acl", note="the project has full control"),
    Operation("PutBucketAcl", BUCKET, "PUT", "acl", writes=True, note="only `private` and `bucket-owner-full-control`"),
    Operation("GetBucketCors", BUCKET, "GET", "cors"),
    Operation("PutBucketCors", BUCKET, "PUT", "cors", writes=True),
    Operation("DeleteBucketCors", BUCKET, "DELETE", "cors", writes=True),
    Operation("ListObjects", BUCKET, "GET"),
    Operation("ListObjectsV2", BUCKET, "GET", "list-type"),
    Operation("ListObjectVersions", BUCKET, "GET", "versions", note="each object is its only version, `null`"),
    Operation("ListMultipartUploads", BUCKET, "GET", "uploads"),
    Operation("DeleteObjects", BUCKET, "POST", "delete", writes=True),
    Operation("PutObject", OBJECT, "PUT", writes=True),
    Operation("CopyObject", OBJECT, "PUT", COPY_SOURCE, writes=True, note="copies no bytes"),
    Operation("GetObject", OBJECT, "GET", note="also by `partNumber`"),
    Operation("HeadObject", OBJECT, "HEAD"),
    Operation("DeleteObject", OBJECT, "DELETE", writes=True),
    Operation("GetObjectAttributes", OBJECT, "GET", "attributes"),
    Operation("GetObjectAcl", OBJECT, "GET", "acl", note="the project has full control"),
    Operation("PutObjectAcl", OBJECT, "PUT", "acl", writes=True, note="only `private` and `bucket-owner-full-control`"),
    Operation("GetObjectTagging", OBJECT, "GET", "tagging"),
    Operation("PutObjectTagging", OBJECT, "PUT", "tagging", writes=True),
    Operation("DeleteObjectTagging", OBJECT, "DELETE", "tagging", writes=True),
    Operation("CreateMultipartUpload", OBJECT, "POST", "uploads", writes=True),
    Operation("UploadPart", OBJECT, "PUT", "uploadId", writes=True),
    Operation(
        "UploadPartCopy", OBJECT, "PUT", "uploadId " + COPY_SOURCE, writes=True, note="reads and writes the bytes"
    ),
    Operation("CompleteMultipartUpload", OBJECT, "POST", "uploadId", writes=True),
    Operation("AbortMultipartUpload", OBJECT, "DELETE", "uploadId", writes=True),
    Operation("ListParts", OBJECT, "GET", "uploadId"),
)


def _unsupported(level: Level, part: str, methods: str, *names: str) -> tuple[Operation, ...]:
    """Return operations that are not supported, one for each method."""
    pairs = zip(methods.split(), names, strict=True)
    return tuple([Operation(name, level, method, part, method != "GET", False) for method, name in pairs])


def _configuration(part: str, name: str) -> tuple[Operation, ...]:
    return _unsupported(BUCKET, part, "GET PUT DELETE", f"Get{name}", f"Put{name}", f"Delete{name}")


UNSUPPORTED: Final = (
    *_configuration("policy", "BucketPolicy"),
    *_configuration("lifecycle", "BucketLifecycleConfiguration"),
    *_configuration("tagging", "BucketTagging"),
    *_configuration("website", "BucketWebsite"),
    *_configuration("replication", "BucketReplication"),
    *_configuration("encryption", "BucketEncryption"),
    *_configuration("analytics", "BucketAnalyticsConfiguration"),
    *_configuration("inventory", "BucketInventoryConfiguration"),
    *_configuration("metrics", "BucketMetricsConfiguration"),
    *_configuration("intelligent-tiering", "BucketIntelligentTieringConfiguration"),
    *_configuration("ownershipControls", "BucketOwnershipControls"),
    *_configuration("publicAccessBlock", "PublicAccessBlock"),
    *_unsupported(BUCKET, "policyStatus", "GET", "GetBucketPolicyStatus"),
    *_unsupported(BUCKET, "versioning", "PUT", "PutBucketVersioning"),
    *_unsupported(BUCKET, "logging", "GET PUT", "GetBucketLogging", "PutBucketLogging"),
    *_unsupported(
        BUCKET,
        "notification",
        "GET PUT",
        "GetBucketNotificationConfiguration",
        "PutBucketNotificationConfiguration",
    ),
    *_unsupported(BUCKET, "requestPayment", "GET PUT", "GetBucketRequestPayment", "PutBucketRequestPayment"),
    *_unsupported(
        BUCKET, "accelerate", "GET PUT", "GetBucketAccelerateConfiguration", "PutBucketAccelerateConfiguration"
    ),
    *_unsupported(BUCKET, "object-lock", "GET PUT", "GetObjectLockConfiguration", "PutObjectLockConfiguration"),
    *_unsupported(BUCKET, "session", "GET", "CreateSession"),
    *_unsupported(BUCKET, "", "POST", "PostObject"),
    *_unsupported(OBJECT, "legal-hold", "GET PUT", "GetObjectLegalHold", "PutObjectLegalHold"),
    *_unsupported(OBJECT, "retention", "GET PUT", "GetObjectRetention", "PutObjectRetention"),
    *_unsupported(OBJECT, "torrent", "GET", "GetObjectTorrent"),
    *_unsupported(OBJECT, "restore", "POST", "RestoreObject"),
    *_unsupported(OBJECT, "select", "POST", "SelectObjectContent"),
    *_unsupported(OBJECT, "renameObject", "PUT", "RenameObject"),
)

BY_PLACE: Final = {(one.level, one.method, one.part): one for one in (*OPERATIONS, *UNSUPPORTED)}
# without the parts that a header names: a parameter with such a name is no part
PARTS: Final = frozenset({one.part for one in (*OPERATIONS, *UNSUPPORTED) if COPY_SOURCE not in one.part} - {""})
METHODS: Final = frozenset({one.method for one in OPERATIONS})


def operation_of(level: Level, method: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> Operation:
    """Return the operation of a request. Raises: S3Error (NotImplemented, MethodNotAllowed)."""
    part = next((name for name in parameters if name in PARTS), "")
    if part == "list-type" and parameters["list-type"] != "2":
        part = ""
    if method == "PUT" and level is Level.OBJECT and COPY_SOURCE in headers and part in ("", "uploadId"):
        part = f"{part} {COPY_SOURCE}".strip()
    found = BY_PLACE.get((level, method, part))
    if found is None and method not in METHODS:
        raise S3Error("MethodNotAllowed", "The specified method is not allowed against this resource.")
    if found is None or not found.supported:
        name = found.name if found else f"{method} {part}".strip()
        raise S3Error("NotImplemented", f"This server does not implement {name}. docs/s3.md lists what it implements.")
    return found
