"""The tags, the attributes and the access control lists of objects and buckets."""

from __future__ import annotations

from typing import Any, Final

from bunbase.contracts.multipart import MAX_PARTS
from bunbase.contracts.storage import Opened, Place, Reading
from bunbase.pkg.s3.checksums import Algorithm
from bunbase.pkg.s3.documents import MAX_SMALL_BYTES, keeps_full_control, tags
from bunbase.pkg.s3.errors import S3Error
from bunbase.storage.routes.s3.answer import Answer, owner, xml_answer
from bunbase.storage.routes.s3.call import S3Call, check_version, conditions_of
from bunbase.storage.routes.s3.objects import opened
from bunbase.storage.routes.s3.payload import Body
from bunbase.storage.serving.conditions import last_modified

ATTRIBUTES: Final = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")
FULL_CONTROL: Final = "FULL_CONTROL"
MAX_ACL_BYTES: Final = 64 << 10


async def get_tagging(call: S3Call) -> Answer:
    found = await _opened(call)
    shown = [("Tag", [("Key", key), ("Value", value)]) for key, value in found.extras.tags.items()]
    return xml_answer("Tagging", [("TagSet", shown)])


async def put_tagging(call: S3Call) -> Answer:
    check_version(call)
    asked = tags(await Body(call).whole(MAX_SMALL_BYTES))
    await call.storage.set_tags(call.caller, call.bucket, call.key, asked)
    return Answer(200)


async def delete_tagging(call: S3Call) -> Answer:
    check_version(call)
    await call.storage.set_tags(call.caller, call.bucket, call.key, {})
    return Answer(204)


async def get_attributes(call: S3Call) -> Answer:
    wanted = {name.strip() for name in call.headers.get("x-amz-object-attributes", "").split(",") if name.strip()}
    if not wanted or not wanted <= set(ATTRIBUTES):
        raise S3Error("InvalidArgument", "x-amz-object-attributes must name attributes: " + ", ".join(ATTRIBUTES))
    found = await _opened(call)
    checksum = found.extras.checksum
    content: list[tuple[str, Any]] = []
    if "ETag" in wanted:
        content.append(("ETag", found.object.etag))
    if "Checksum" in wanted and checksum is not None:
        fields = [(Algorithm(checksum.algorithm).element, checksum.value), ("ChecksumType", checksum.kind)]
        content.append(("Checksum", fields))
    if "ObjectParts" in wanted and found.parts:
        content.append(("ObjectParts", await _parts(call, checksum.algorithm if checksum is not None else "")))
    if "StorageClass" in wanted:
        content.append(("StorageClass", "STANDARD"))
    if "ObjectSize" in wanted:
        content.append(("ObjectSize", str(found.object.size)))
    headers = {"last-modified": last_modified(found.object.updated_at)}
    return xml_answer("GetObjectAttributesResponse", content, headers)


async def get_acl(call: S3Call) -> Answer:
    await (_opened(call) if call.key else call.storage.bucket(call.caller, call.bucket))
    name, fields = owner(call.owner, "Grantee")
    grantee = f'{name} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"'
    grant = [(grantee, fields), ("Permission", FULL_CONTROL)]
    return xml_answer("AccessControlPolicy", [owner(call.owner), ("AccessControlList", [("Grant", grant)])])


async def put_acl(call: S3Call) -> Answer:
    """Accept only lists that change nothing, as s3cmd sends them. `check_headers` has refused others in headers."""
    await (_opened(call) if call.key else call.storage.bucket(call.caller, call.bucket))
    asked = await Body(call).whole(MAX_ACL_BYTES)
    if asked and not keeps_full_control(asked, call.owner):
        raise S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs: send x-amz-acl: private.")
    return Answer(200)


async def _parts(call: S3Call, algorithm: str) -> list[tuple[str, Any]]:
    sent = call.headers
    after = _number(sent.get("x-amz-part-number-marker", ""), 0)
    limit = _number(sent.get("x-amz-max-parts", ""), 1000)
    every = (await call.storage.object_parts(call.caller, call.bucket, call.key)).items
    left = [part for part in every if part.number > after]
    shown = left[:limit]
    fields: list[tuple[str, Any]] = [
        ("PartsCount", str(len(every))),
        ("PartNumberMarker", str(after)),
        ("NextPartNumberMarker", str(shown[-1].number if shown else after)),
        ("MaxParts", str(limit)),
        ("IsTruncated", "true" if len(left) > len(shown) else "false"),
    ]
    for part in shown:
        one = [("PartNumber", str(part.number)), ("Size", str(part.size))]
        if algorithm and part.checksum:
            one.append((Algorithm(algorithm).element, part.checksum))
        fields.append(("Part", one))
    return fields


async def _opened(call: S3Call) -> Opened:
    check_version(call)
    return await opened(call, Reading(Place(call.bucket, call.key), conditions_of({}), head=True))


def _number(text: str, default: int) -> int:
    """Raises: S3Error (InvalidArgument)."""
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise S3Error("InvalidArgument", "The number of parts and the marker must be whole numbers.")
    return min(int(text), MAX_PARTS)


HANDLERS: Final = {
    "GetObjectTagging": get_tagging,
    "PutObjectTagging": put_tagging,
    "DeleteObjectTagging": delete_tagging,
    "GetObjectAttributes": get_attributes,
    "GetObjectAcl": get_acl,
    "GetBucketAcl": get_acl,
    "PutObjectAcl": put_acl,
    "PutBucketAcl": put_acl,
}
