"""Buckets: list, create, delete, and their CORS."""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from typing import Any, Final

from bunbase.contracts.storage import Bucket, BucketChanges, BucketExists, CorsRule, NewBucket
from bunbase.pkg.s3.documents import MAX_SMALL_BYTES, cors_rules, location
from bunbase.pkg.s3.errors import S3Error
from bunbase.storage.routes.s3.answer import REGION, Answer, iso_time, owner, xml_answer
from bunbase.storage.routes.s3.call import S3Call, invalid, is_bucket_name
from bunbase.storage.routes.s3.payload import Body

MAX_LISTED: Final = 10_000


async def list_buckets(call: S3Call) -> Answer:
    """A project has at most 100 buckets, so pages are cut here."""
    prefix, limit = call.parameters.get("prefix", ""), call.number("max-buckets", MAX_LISTED, MAX_LISTED)
    after = _opened_token(call.parameters.get("continuation-token", ""))
    allowed = call.holder.buckets
    every = [
        one
        for one in (await call.storage.buckets(call.caller)).items
        if one.name.startswith(prefix) and one.name > after and (not allowed or one.name in allowed)
    ]
    shown = every[:limit]
    content: list[tuple[str, Any]] = [owner(call.owner), ("Buckets", [_listed(one) for one in shown])]
    if len(every) > len(shown) and shown:
        content.append(("ContinuationToken", base64.urlsafe_b64encode(shown[-1].name.encode()).decode()))
    if prefix:
        content.append(("Prefix", prefix))
    return xml_answer("ListAllMyBucketsResult", content)


async def create_bucket(call: S3Call) -> Answer:
    location(await Body(call).whole(MAX_SMALL_BYTES))
    if not is_bucket_name(call.bucket):
        raise S3Error("InvalidBucketName", "The specified bucket is not valid.", BucketName=call.bucket[:100])
    with suppress(BucketExists):  # of this project: the bucket stays as it is, as in the region us-east-1 of Amazon
        await call.storage.create_bucket(call.caller, NewBucket(name=call.bucket))
    return Answer(200, {"location": f"/{call.bucket}"})


async def head_bucket(call: S3Call) -> Answer:
    await call.storage.bucket(call.caller, call.bucket)
    return Answer(200, {"x-amz-bucket-region": REGION})


async def delete_bucket(call: S3Call) -> Answer:
    await call.storage.delete_bucket(call.caller, call.bucket)
    return Answer(204)


async def get_location(call: S3Call) -> Answer:
    await call.storage.bucket(call.caller, call.bucket)
    return xml_answer("LocationConstraint", "")


async def get_versioning(call: S3Call) -> Answer:
    await call.storage.bucket(call.caller, call.bucket)
    return xml_answer("VersioningConfiguration", "")


async def get_cors(call: S3Call) -> Answer:
    found = await call.storage.bucket(call.caller, call.bucket)
    if not found.cors:
        raise S3Error("NoSuchCORSConfiguration", "The CORS configuration does not exist", BucketName=call.bucket)
    return xml_answer("CORSConfiguration", [("CORSRule", _rule_fields(rule)) for rule in found.cors])


async def put_cors(call: S3Call) -> Answer:
    asked = cors_rules(await Body(call).whole(MAX_SMALL_BYTES))
    rules: Any = tuple(
        [
            CorsRule(one.origins, one.methods, one.headers, one.expose, one.max_age_seconds, one.id)  # type: ignore[arg-type]  # cors_rules has checked the methods
            for one in asked
        ]
    )
    await call.storage.update_bucket(call.caller, call.bucket, BucketChanges(cors=rules))
    return Answer(200)


async def delete_cors(call: S3Call) -> Answer:
    await call.storage.update_bucket(call.caller, call.bucket, BucketChanges(cors=()))
    return Answer(204)


def _listed(bucket: Bucket) -> tuple[str, Any]:
    fields = [("Name", bucket.name), ("CreationDate", iso_time(bucket.created_at)), ("BucketRegion", REGION)]
    return "Bucket", fields


def _rule_fields(rule: CorsRule) -> list[tuple[str, Any]]:
    fields: list[tuple[str, Any]] = [("ID", rule.id)] if rule.id else []
    for name, values in (
        ("AllowedOrigin", rule.origins),
        ("AllowedMethod", rule.methods),
        ("AllowedHeader", rule.headers),
        ("ExposeHeader", rule.expose),
    ):
        fields += [(name, value) for value in values]
    if rule.max_age_seconds is not None:
        fields.append(("MaxAgeSeconds", str(rule.max_age_seconds)))
    return fields


def _opened_token(token: str) -> str:
    """Return the name after which the page begins. Raises: S3Error (InvalidArgument)."""
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError):
        raise invalid("continuation-token", token, "The continuation token provided is incorrect") from None


HANDLERS: Final = {
    "ListBuckets": list_buckets,
    "CreateBucket": create_bucket,
    "HeadBucket": head_bucket,
    "DeleteBucket": delete_bucket,
    "GetBucketLocation": get_location,
    "GetBucketVersioning": get_versioning,
    "GetBucketCors": get_cors,
    "PutBucketCors": put_cors,
    "DeleteBucketCors": delete_cors,
}
