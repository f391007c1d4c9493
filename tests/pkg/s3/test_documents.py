from __future__ import annotations

from typing import Any

import pytest

from bunbase.pkg.s3.checksums import Algorithm
from bunbase.pkg.s3.documents import (
    CompletedPart,
    CorsRule,
    DeletedKey,
    Deletion,
    completed_parts,
    cors_rules,
    deletion,
    keeps_full_control,
    location,
    tags,
    tags_of_header,
)
from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.xml import document

CRC = Algorithm.CRC32.of(b"")
TOO_MANY = "x" * 129


def parts(*numbers: object, etag: str = '"e"', **more: str) -> bytes:
    content: list[Any] = [("Part", [("PartNumber", str(number)), ("ETag", etag), *more.items()]) for number in numbers]
    return document("CompleteMultipartUpload", content)


def keys(*names: str, **more: str) -> bytes:
    content: list[Any] = [("Object", [("Key", name)]) for name in names]
    return document("Delete", [*content, *more.items()])


def tagging(*pairs: tuple[str, str]) -> bytes:
    content: Any = [("TagSet", [("Tag", [("Key", key), ("Value", value)]) for key, value in pairs])]
    return document("Tagging", content)


def cors(**content: str) -> bytes:
    rule = {"AllowedOrigin": "https://*.example.com", "AllowedMethod": "GET", **content}
    return document("CORSConfiguration", [("CORSRule", list(rule.items()))])


def test_the_parts_of_an_upload_are_read() -> None:
    assert completed_parts(parts(1, 9, ChecksumCRC32=CRC)) == (
        CompletedPart(1, "e", {Algorithm.CRC32: CRC}),
        CompletedPart(9, "e", {Algorithm.CRC32: CRC}),
    )


def test_ten_thousand_parts_with_the_longest_checksums_are_read() -> None:
    body = parts(*range(1, 10_001), etag=f'"{"0" * 32}"', ChecksumSHA512=Algorithm.SHA512.of(b""))

    assert len(completed_parts(body)) == 10_000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (parts(), "MalformedXML"),
        (parts(*range(1, 10_002)), "MalformedXML"),
        (parts(2, 1), "InvalidPartOrder"),
        (parts(1, 1), "InvalidPartOrder"),
        (parts(0), "InvalidArgument"),
        (parts(10_001), "InvalidArgument"),
        (parts("1.0"), "InvalidArgument"),
        (parts("9" * 5000), "InvalidArgument"),
        (parts(1, etag=""), "MalformedXML"),
        (parts(1, ChecksumCRC32="x"), "InvalidRequest"),
        (keys("a"), "MalformedXML"),
    ],
)
def test_malformed_parts_have_a_code(body: bytes, code: str) -> None:
    with pytest.raises(S3Error, match=code):
        completed_parts(body)


def test_the_keys_to_delete_are_read() -> None:
    body = document("Delete", [("Quiet", "true"), ("Object", [("Key", " a/\u00e9"), ("VersionId", "null")])])

    assert deletion(body) == Deletion((DeletedKey(" a/\u00e9", "null"),), quiet=True)
    assert deletion(keys("a", "a")) == Deletion((DeletedKey("a"), DeletedKey("a")))


def test_a_thousand_keys_of_the_longest_kind_are_read() -> None:
    assert len(deletion(keys(*["&" * 1024] * 700, *["a" * 1024] * 300)).keys) == 1000


@pytest.mark.parametrize("body", [keys(), keys(*"a" * 1001), keys(""), keys("a", Quiet="maybe"), parts(1)])
def test_a_malformed_deletion_is_refused(body: bytes) -> None:
    with pytest.raises(S3Error, match="MalformedXML"):
        deletion(body)


def test_the_region_of_a_new_bucket_is_read() -> None:
    assert location(b"") == ""
    assert location(document("CreateBucketConfiguration", "")) == ""
    assert location(document("CreateBucketConfiguration", [("LocationConstraint", "eu-central-1")])) == "eu-central-1"


def test_tags_are_read_from_xml_and_from_the_header() -> None:
    expected = {"a": "1", "h\u00e9 b": "", "_.:/=+-@": "x"}

    assert tags(tagging(*expected.items())) == expected
    assert tags_of_header("a=1&h%C3%A9+b=&_.%3A%2F%3D%2B-%40=x") == expected
    assert tags(tagging()) == tags_of_header("") == {}


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([("a", "1")] * 2, "InvalidTag"),
        ([(str(i), "") for i in range(11)], "BadRequest"),
        ([(TOO_MANY, "")], "InvalidTag"),
        ([("a", "x" * 257)], "InvalidTag"),
        ([("a<", "")], "InvalidTag"),
        ([("a", "b\n")], "InvalidTag"),
    ],
)
def test_tags_beyond_the_limits_have_a_code(pairs: list[tuple[str, str]], code: str) -> None:
    with pytest.raises(S3Error, match=code):
        tags(tagging(*pairs))


@pytest.mark.parametrize("value", ["a", "a=%ff", "&".join(f"a{i}=" for i in range(51)), "a=" + "x" * 70_000])
def test_a_malformed_header_of_tags_is_refused(value: str) -> None:
    with pytest.raises(S3Error, match="InvalidArgument"):
        tags_of_header(value)


def test_the_rules_of_cors_are_read() -> None:
    assert cors_rules(cors(AllowedHeader="*", ExposeHeader="ETag", MaxAgeSeconds="60", ID="one")) == (
        CorsRule(("https://*.example.com",), ("GET",), ("*",), ("ETag",), 60, "one"),
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (document("CORSConfiguration", []), "MalformedXML"),
        (document("CORSConfiguration", [("CORSRule", [("AllowedOrigin", "*")])]), "MalformedXML"),
        (cors(AllowedMethod="PATCH"), "InvalidRequest"),
        (cors(AllowedOrigin="https://*.*.com"), "InvalidRequest"),
        (cors(ExposeHeader="*"), "InvalidRequest"),
        (cors(MaxAgeSeconds="soon"), "MalformedXML"),
        (cors(ID="x" * 256), "InvalidRequest"),
    ],
)
def test_malformed_rules_of_cors_have_a_code(body: bytes, code: str) -> None:
    with pytest.raises(S3Error, match=code):
        cors_rules(body)


def acl(*grants: tuple[str, str], owner: str = "me") -> bytes:
    content: Any = [
        ("Grant", [("Grantee", [("ID", holder)]), ("Permission", permission)]) for holder, permission in grants
    ]
    return document("AccessControlPolicy", [("Owner", [("ID", owner)]), ("AccessControlList", content)])


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (acl(("me", "FULL_CONTROL")), True),
        (acl(("me", "FULL_CONTROL"), ("me", "FULL_CONTROL")), True),
        (acl(("me", "FULL_CONTROL"), owner="other"), False),
        (acl(("me", "FULL_CONTROL"), ("other", "READ")), False),
        (acl(("me", "READ")), False),
        (acl(), False),
        (document("AccessControlPolicy", ""), False),
    ],
)
def test_a_list_that_keeps_full_control_is_known(body: bytes, kept: bool) -> None:
    assert keeps_full_control(body, "me") == kept
