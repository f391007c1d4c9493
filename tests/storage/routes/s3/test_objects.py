"""Objects through the S3 port, with boto3."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from bunbase.contracts.storage import NewObject, Place
from bunbase.pkg.s3.checksums import Algorithm
from bunbase.pkg.s3.xml import FORBIDDEN
from tests.storage.keys import KEYS
from tests.storage.room import SECRET
from tests.storage.routes.s3.answers import refused
from tests.storage.routes.s3.port import Port
from tests.storage.routes.s3.raw import signed

CONTENT = b"rye and spelt"


def short(key: str) -> str:
    return key.encode()[:1000].decode("utf-8", "ignore")


def put(port: Port, bucket: str, key: str = "a", content: bytes = CONTENT, **more: Any) -> Any:
    return port.client().put_object(Bucket=bucket, Key=key, Body=content, **more)


def test_every_key_is_stored_read_listed_copied_and_deleted(port: Port, bucket: str) -> None:
    client = port.client()
    for key in KEYS:
        put(port, bucket, key, key.encode())
        client.copy_object(Bucket=bucket, Key=short("copy/" + key), CopySource={"Bucket": bucket, "Key": key})

    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    listed = {one["Key"] for page in pages for one in page["Contents"]}
    for key in KEYS:
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
        assert client.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(key.encode())
    assert set(KEYS) <= listed
    for key in [key for key in listed if FORBIDDEN.search(key)]:  # XML has no place for these
        client.delete_object(Bucket=bucket, Key=key)
    named = [{"Key": key} for key in sorted(listed) if not FORBIDDEN.search(key)]
    assert len(client.delete_objects(Bucket=bucket, Delete={"Objects": named})["Deleted"]) == len(named)
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


def test_properties_come_back_as_they_were_stored(port: Port, bucket: str) -> None:
    sent: dict[str, Any] = {
        "ContentType": "text/plain; charset=x",
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="a"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "Metadata": {"colour": "brown", "two-words": "a b"},
    }
    put(port, bucket, Tagging="kind=bread&empty=", **sent)
    client = port.client()

    for found in (client.get_object(Bucket=bucket, Key="a"), client.head_object(Bucket=bucket, Key="a")):
        assert {name: found[name] for name in sent} == sent
        assert found["ETag"] == f'"{hashlib.md5(CONTENT).hexdigest()}"'
        assert found["ContentLength"] == len(CONTENT)
    assert client.get_object(Bucket=bucket, Key="a")["TagCount"] == 2
    plain = client.get_object(Bucket=bucket, Key="a", ResponseContentType="text/html", ResponseCacheControl="no-store")
    assert (plain["ContentType"], plain["CacheControl"]) == ("text/html", "no-store")


def test_an_answer_never_runs_scripts_in_a_browser(port: Port, bucket: str) -> None:
    put(port, bucket, ContentType="text/html")

    headers = port.client().get_object(Bucket=bucket, Key="a")["ResponseMetadata"]["HTTPHeaders"]

    assert headers["content-security-policy"].startswith("sandbox")
    assert headers["x-content-type-options"] == "nosniff"


COMPUTED = (Algorithm.CRC32, Algorithm.CRC32C, Algorithm.CRC64NVME, Algorithm.SHA1, Algorithm.SHA256)  # by boto3


@pytest.mark.parametrize("algorithm", COMPUTED)
def test_checksums_are_checked_stored_and_returned(port: Port, bucket: str, algorithm: Algorithm) -> None:
    name, value = algorithm.element, algorithm.of(CONTENT)
    put(port, bucket, ChecksumAlgorithm=algorithm.value)
    client = port.client()

    found = client.get_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    attributes = client.get_object_attributes(Bucket=bucket, Key="a", ObjectAttributes=["Checksum", "ObjectSize"])

    assert found["Body"].read() == CONTENT
    assert (found[name], found["ChecksumType"]) == (value, "FULL_OBJECT")
    assert attributes["Checksum"][name] == value
    wrong = {name: algorithm.of(b"other")}
    assert refused(client.put_object, Bucket=bucket, Key="b", Body=CONTENT, **wrong) == (400, "BadDigest")
    assert refused(client.head_object, Bucket=bucket, Key="b")[0] == 404


@pytest.mark.parametrize("range", ["0-0", "1-3", "5-", "-1", "-99", "12-12", "12-99"])
def test_ranges_are_those_of_the_bytes(port: Port, bucket: str, range: str) -> None:
    put(port, bucket)
    first, _, last = range.partition("-")
    start = int(first) if first else max(0, len(CONTENT) - int(last))
    end = min(len(CONTENT), int(last) + 1) if first and last else len(CONTENT)

    found = port.client().get_object(Bucket=bucket, Key="a", Range=f"bytes={range}")

    assert found["Body"].read() == CONTENT[start:end]
    assert found["ContentRange"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    missing = refused(port.client().get_object, Bucket=bucket, Key="a", Range=f"bytes={len(CONTENT)}-")
    assert missing == (416, "InvalidRange")


def test_conditions_decide_about_reads_and_writes(port: Port, bucket: str) -> None:
    client = port.client()
    etag = put(port, bucket, IfNoneMatch="*")["ETag"]

    assert refused(client.get_object, Bucket=bucket, Key="a", IfNoneMatch=etag)[0] == 304
    assert refused(client.get_object, Bucket=bucket, Key="a", IfMatch='"other"') == (412, "PreconditionFailed")
    assert refused(put, port=port, bucket=bucket, IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refused(put, port=port, bucket=bucket, IfMatch='"other"') == (412, "PreconditionFailed")
    assert refused(put, port=port, bucket=bucket, key="missing", IfMatch=etag) == (404, "NoSuchKey")
    put(port, bucket, content=b"new", IfMatch=etag)
    assert refused(client.delete_object, Bucket=bucket, Key="a", IfMatch=etag) == (412, "PreconditionFailed")
    client.delete_object(Bucket=bucket, Key="a")
    client.delete_object(Bucket=bucket, Key="a")  # a missing object is deleted already


def test_a_copy_keeps_or_replaces_properties(port: Port, bucket: str) -> None:
    client, source = port.client(), {"Bucket": bucket, "Key": "a"}
    etag = put(port, bucket, ContentType="text/x", ContentLanguage="de", Metadata={"k": "v"}, Tagging="t=1")["ETag"]

    client.copy_object(Bucket=bucket, Key="same", CopySource=source)
    new = {"ContentType": "text/y", "Metadata": {"n": "w"}, "Tagging": "t=2"}
    client.copy_object(
        Bucket=bucket, Key="new", CopySource=source, MetadataDirective="REPLACE", TaggingDirective="REPLACE", **new
    )

    same, changed = (client.head_object(Bucket=bucket, Key=key) for key in ("same", "new"))
    assert (same["ContentType"], same["ContentLanguage"], same["Metadata"]) == ("text/x", "de", {"k": "v"})
    assert (changed["ContentType"], changed["Metadata"]) == ("text/y", {"n": "w"})
    assert "ContentLanguage" not in changed
    tags = [client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"][0]["Value"] for key in ("same", "new")]
    assert tags == ["1", "2"]
    itself = {"Bucket": bucket, "Key": "a", "CopySource": source}
    assert refused(client.copy_object, **itself) == (400, "InvalidRequest")
    stale = {"Bucket": bucket, "Key": "b", "CopySource": source, "CopySourceIfNoneMatch": etag}
    assert refused(client.copy_object, **stale) == (412, "PreconditionFailed")
    missing = {"Bucket": bucket, "Key": "b", "CopySource": {"Bucket": bucket, "Key": "missing"}}
    assert refused(client.copy_object, **missing) == (404, "NoSuchKey")


def test_tags_are_replaced_and_deleted_without_a_change_of_the_object(port: Port, bucket: str) -> None:
    client = port.client()
    put(port, bucket)
    before = client.head_object(Bucket=bucket, Key="a")["LastModified"]

    client.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})

    assert client.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == [{"Key": "k", "Value": "v"}]
    assert client.head_object(Bucket=bucket, Key="a")["LastModified"] == before
    client.delete_object_tagging(Bucket=bucket, Key="a")
    assert client.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == []
    many = {"TagSet": [{"Key": str(number), "Value": ""} for number in range(11)]}
    assert refused(client.put_object_tagging, Bucket=bucket, Key="a", Tagging=many)[0] == 400


def test_headers_that_ask_for_something_else_are_refused(port: Port, bucket: str) -> None:
    for more, code in (
        ({"ACL": "public-read"}, "AccessControlListNotSupported"),
        ({"ServerSideEncryption": "aws:kms"}, "NotImplemented"),
        ({"StorageClass": "GLACIER"}, "InvalidStorageClass"),
        ({"WebsiteRedirectLocation": "/b"}, "NotImplemented"),
        ({"ExpectedBucketOwner": "prj_x"}, "AccessDenied"),
        ({"Metadata": {"k": "v" * 3000}}, "MetadataTooLarge"),
    ):
        assert refused(put, port=port, bucket=bucket, **more)[1] == code
    put(port, bucket, ACL="private", ServerSideEncryption="AES256")
    assert refused(put, port=port, bucket=bucket, key="k" * 1025) == (400, "KeyTooLongError")


def test_metadata_of_the_other_api_never_becomes_another_header(port: Port, bucket: str) -> None:
    metadata = {"good": "é", "split": "a\r\nSet-Cookie: x=y", "not a token": "b", "nul": "\0"}

    async def stored() -> None:
        upload = await port.service.begin_upload(SECRET, Place(bucket, "a"), NewObject(metadata=metadata))
        await port.service.finish_upload(SECRET, upload)

    port.wait(stored())
    found = port.client().get_object(Bucket=bucket, Key="a")

    headers = found["ResponseMetadata"]["HTTPHeaders"]
    assert "set-cookie" not in headers
    assert list(found["Metadata"]) == ["good"]
    assert found["MissingMeta"] == 3


def test_a_part_without_its_upload_is_no_object(port: Port, bucket: str) -> None:
    answer = signed(port, "PUT", f"/{bucket}/a?partNumber=1", b"x")

    assert answer.status_code == 400
    assert refused(port.client().head_object, Bucket=bucket, Key="a")[0] == 404
