"""The XML bodies of requests. Each function returns checked values, and raises an S3Error for anything else."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from bunbase.pkg.s3.checksums import Algorithm, check_form
from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.xml import Element, malformed, parse

MAX_PARTS: Final = 10_000
MAX_DELETED: Final = 1000
MAX_TAGS: Final = 10
MAX_CORS_RULES: Final = 100
MAX_SMALL_BYTES: Final = 64 << 10
MAX_LARGE_BYTES: Final = 4 << 20  # 10,000 parts with SHA-512 have 2.5 MB; 1,000 keys of 1,024 bytes have 1.1 MB
METHODS: Final = ("GET", "PUT", "HEAD", "POST", "DELETE")
NUMBER: Final = re.compile(r"[0-9]{1,9}")
# letters and digits of every language, spaces and some marks
TAG: Final = re.compile(r"[\w .:/=+\-@]*")


class CompletedPart(msgspec.Struct, frozen=True):
    """`etag`: without quotes. `checksums`: the values that the client sent, in Base64."""

    number: int
    etag: str
    checksums: dict[Algorithm, str] = {}


class DeletedKey(msgspec.Struct, frozen=True):
    """`etag`: deletes the object only if it has this ETag; None for any."""

    key: str
    version_id: str | None = None
    etag: str | None = None


class Deletion(msgspec.Struct, frozen=True):
    """`quiet`: the answer names only failures."""

    keys: tuple[DeletedKey, ...]
    quiet: bool = False


class CorsRule(msgspec.Struct, frozen=True):
    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age_seconds: int | None = None
    id: str = ""


def completed_parts(body: bytes) -> tuple[CompletedPart, ...]:
    """Return the parts of CompleteMultipartUpload, in ascending order. Raises: S3Error."""
    elements = parse(body, "CompleteMultipartUpload", MAX_LARGE_BYTES).all("Part")
    if not 1 <= len(elements) <= MAX_PARTS:
        raise malformed(f"it must have 1 to {MAX_PARTS} parts")
    parts = tuple(_part(element) for element in elements)
    if any(one.number >= following.number for one, following in pairwise(parts)):
        raise S3Error("InvalidPartOrder", "The parts must be in ascending order of their numbers, each once.")
    return parts


def deletion(body: bytes) -> Deletion:
    """Return the keys of DeleteObjects. Raises: S3Error."""
    root = parse(body, "Delete", MAX_LARGE_BYTES)
    elements = root.all("Object")
    if not 1 <= len(elements) <= MAX_DELETED:
        raise malformed(f"it must have 1 to {MAX_DELETED} objects")
    keys = tuple(
        DeletedKey(_needed(one, "Key"), one.one("VersionId") or None, one.one("ETag") or None) for one in elements
    )
    return Deletion(keys, _boolean(root.one("Quiet")))


def location(body: bytes) -> str:
    """Return the region of CreateBucketConfiguration, "" if there is none. Raises: S3Error."""
    if not body.strip():
        return ""
    return (parse(body, "CreateBucketConfiguration", MAX_SMALL_BYTES).one("LocationConstraint") or "").strip()


def tags(body: bytes) -> dict[str, str]:
    """Return the tags of PutObjectTagging. Raises: S3Error (MalformedXML, InvalidTag, BadRequest)."""
    sets = parse(body, "Tagging", MAX_SMALL_BYTES).all("TagSet")
    if len(sets) != 1:
        raise malformed("it must have one TagSet")
    return _checked_tags([(_needed(tag, "Key"), tag.one("Value") or "") for tag in sets[0].all("Tag")])


def tags_of_header(value: str) -> dict[str, str]:
    """Return the tags of x-amz-tagging, which has the form of a query. Raises: S3Error."""
    if len(value) > MAX_SMALL_BYTES:
        raise S3Error("InvalidArgument", "The header x-amz-tagging is too long.", ArgumentName="x-amz-tagging")
    try:
        pairs = parse_qsl(value, keep_blank_values=True, strict_parsing=bool(value), max_num_fields=50, errors="strict")
    except ValueError:
        message = "The header x-amz-tagging must have the form of a query: key=value&key=value."
        raise S3Error("InvalidArgument", message, ArgumentName="x-amz-tagging") from None
    return _checked_tags(pairs)


def cors_rules(body: bytes) -> tuple[CorsRule, ...]:
    """Return the rules of CORSConfiguration. Raises: S3Error (MalformedXML, InvalidRequest)."""
    elements = parse(body, "CORSConfiguration", MAX_SMALL_BYTES).all("CORSRule")
    if not 1 <= len(elements) <= MAX_CORS_RULES:
        raise malformed(f"it must have 1 to {MAX_CORS_RULES} rules")
    return tuple(_cors_rule(element) for element in elements)


def keeps_full_control(body: bytes, owner: str) -> bool:
    """True if an AccessControlPolicy grants full control to the owner, and nothing to others. Raises: S3Error."""
    root = parse(body, "AccessControlPolicy", MAX_SMALL_BYTES)
    owners = [one.one("ID") for one in root.all("Owner")]
    grants = [grant for one in root.all("AccessControlList") for grant in one.all("Grant")]
    holders = [one.one("ID") for grant in grants for one in grant.all("Grantee")]
    permissions = [grant.one("Permission") for grant in grants]
    return set(owners) <= {owner} and set(holders) == {owner} and set(permissions) == {"FULL_CONTROL"}


def _part(element: Element) -> CompletedPart:
    text = _needed(element, "PartNumber").strip()
    if not NUMBER.fullmatch(text) or not 1 <= int(text) <= MAX_PARTS:
        raise S3Error(
            "InvalidArgument",
            f"PartNumber must be a number from 1 to {MAX_PARTS}.",
            ArgumentName="partNumber",
            ArgumentValue=text[:32],
        )
    checksums = {}
    for algorithm in Algorithm:
        value = element.one(algorithm.element)
        if value is not None:
            check_form(algorithm, value)
            checksums[algorithm] = value
    return CompletedPart(int(text), _needed(element, "ETag").strip().strip('"'), checksums)


def _cors_rule(element: Element) -> CorsRule:
    origins, methods, headers, expose = (
        tuple(one.text.strip() for one in element.all(name))
        for name in ("AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader")
    )
    if not origins or not methods:
        raise malformed("each rule needs AllowedOrigin and AllowedMethod")
    for method in methods:
        if method not in METHODS:
            raise S3Error("InvalidRequest", f"AllowedMethod must be one of {', '.join(METHODS)}.")
    for pattern in (*origins, *headers):
        if pattern.count("*") > 1:
            raise S3Error("InvalidRequest", "AllowedOrigin and AllowedHeader can have one * only.")
    if any("*" in name for name in expose):
        raise S3Error("InvalidRequest", "ExposeHeader cannot have a *.")
    age = element.one("MaxAgeSeconds")
    if age is not None and not NUMBER.fullmatch(age.strip()):
        raise malformed("MaxAgeSeconds must be a number")
    name = element.one("ID") or ""
    if len(name) > 255:
        raise S3Error("InvalidRequest", "The ID of a rule can have at most 255 characters.")
    return CorsRule(origins, methods, headers, expose, None if age is None else int(age), name)


def _checked_tags(pairs: list[tuple[str, str]]) -> dict[str, str]:
    if len(pairs) > MAX_TAGS:
        raise S3Error("BadRequest", f"Object tags cannot be greater than {MAX_TAGS}")
    found: dict[str, str] = {}
    for key, value in pairs:
        if key in found:
            raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key", TagKey=key)
        if not 1 <= len(key) <= 128 or not TAG.fullmatch(key):
            raise S3Error("InvalidTag", "The TagKey you have provided is invalid", TagKey=key[:128])
        if len(value) > 256 or not TAG.fullmatch(value):
            raise S3Error("InvalidTag", "The TagValue you have provided is invalid", TagKey=key)
        found[key] = value
    return found


def _needed(element: Element, name: str) -> str:
    text = element.one(name)
    if not text:
        raise malformed(f"{element.name} needs {name}")
    return text


def _boolean(text: str | None) -> bool:
    value = (text or "false").strip().lower()
    if value not in ("true", "false"):
        raise malformed("Quiet must be true or false")
    return value == "true"
