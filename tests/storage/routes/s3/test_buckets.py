"""Buckets, their CORS, and the operations that the port does not implement."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from bunbase.storage.routes.s3.app import HANDLERS
from bunbase.storage.routes.s3.operations import OPERATIONS, UNSUPPORTED, Level, operation_of
from bunbase.storage.routes.s3.page import table
from tests.storage.routes.s3.answers import refused
from tests.storage.routes.s3.port import Port
from tests.storage.routes.s3.raw import signed

DOCS = Path(__file__).parents[4] / "docs" / "s3.md"
CORS = {
    "CORSRules": [
        {
            "AllowedOrigins": ["https://*.example.com"],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedHeaders": ["content-*"],
            "ExposeHeaders": ["etag"],
            "MaxAgeSeconds": 60,
        }
    ]
}


def test_buckets_are_made_found_listed_and_deleted(port: Port) -> None:
    client = port.client()
    for name in ("list-a", "list-b", "list-c"):
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    first = client.list_buckets(Prefix="list-", MaxBuckets=2)
    rest = client.list_buckets(Prefix="list-", ContinuationToken=first["ContinuationToken"])

    assert [one["Name"] for one in first["Buckets"] + rest["Buckets"]] == ["list-a", "list-b", "list-c"]
    assert client.get_bucket_location(Bucket="list-a")["LocationConstraint"] is None
    assert "Status" not in client.get_bucket_versioning(Bucket="list-a")
    assert client.get_bucket_acl(Bucket="list-a")["Grants"][0]["Permission"] == "FULL_CONTROL"
    client.put_object(Bucket="list-a", Key="a", Body=b"x")
    client.create_bucket(Bucket="list-a")  # the bucket stays as it is
    assert client.list_objects_v2(Bucket="list-a")["KeyCount"] == 1
    assert refused(client.delete_bucket, Bucket="list-a") == (409, "BucketNotEmpty")
    client.create_multipart_upload(Bucket="list-b", Key="k")
    client.delete_bucket(Bucket="list-b")  # uploads that were not completed end with their bucket
    assert refused(client.head_bucket, Bucket="list-b")[0] == 404


@pytest.mark.parametrize("name", ["UPPER", "a", "a..b", "a.-b", "192.168.5.1", "a_b", "-ab", "x" * 64])
def test_wrong_names_of_buckets_are_refused(port: Port, name: str) -> None:
    answer = signed(port, "PUT", f"/{name}")

    assert (answer.status_code, b"InvalidBucketName" in answer.content) == (400, True)


def test_pages_of_allowed_origins_may_use_presigned_urls(port: Port, bucket: str) -> None:
    client = port.client(signature_version="s3v4")
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration=CORS)
    client.put_object(Bucket=bucket, Key="a", Body=b"x")
    url = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a"})
    asked = {
        "origin": "https://app.example.com",
        "access-control-request-method": "PUT",
        "access-control-request-headers": "content-type",
    }

    allowed = httpx.options(url, headers=asked)

    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://app.example.com"
    assert allowed.headers["access-control-allow-headers"] == "content-type"
    assert allowed.headers["access-control-max-age"] == "60"
    stored = httpx.put(url, content=b"y", headers={"origin": "https://app.example.com"})
    assert stored.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "access-control-allow-origin" not in httpx.put(url, content=b"y", headers={"origin": "https://evil"}).headers
    for change in (
        {"origin": "https://example.com.evil"},
        {"access-control-request-method": "DELETE"},
        {"access-control-request-headers": "x-other"},
    ):
        assert httpx.options(url, headers=asked | change).status_code == 403
    assert httpx.options(f"{port.url}/{bucket}/a", headers=asked).status_code == 403
    assert httpx.options(url, headers={"origin": "https://app.example.com"}).status_code == 400
    assert httpx.options(url, headers=asked | {"access-control-request-method": "PATCH"}).status_code == 400
    assert client.get_bucket_cors(Bucket=bucket)["CORSRules"] == CORS["CORSRules"]
    client.delete_bucket_cors(Bucket=bucket)
    assert refused(client.get_bucket_cors, Bucket=bucket) == (404, "NoSuchCORSConfiguration")


def test_a_preflight_is_decided_by_the_rules_alone_also_with_a_signature(port: Port, bucket: str) -> None:
    port.client().put_bucket_cors(Bucket=bucket, CORSConfiguration=CORS)
    asked = {"origin": "https://app.example.com", "access-control-request-method": "PUT"}

    for authorization in ("", "AWS4-HMAC-SHA256 Credential=BBAKWRITER/20200101/eu/s3/aws4_request, Signature=0"):
        answer = signed(port, "OPTIONS", f"/{bucket}/a", b"", **asked)
        if authorization:
            answer = httpx.options(f"{port.url}/{bucket}/a", headers=asked | {"authorization": authorization})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    refusal = signed(port, "OPTIONS", f"/{bucket}/a", b"", **asked | {"origin": "https://evil"})
    assert refusal.status_code == 403
    for element in (b"<Code>AccessForbidden</Code>", b"<Method>PUT</Method>", b"<ResourceType>OBJECT</ResourceType>"):
        assert element in refusal.content
    unknown = httpx.options(f"{port.url}/{bucket}/a", headers=asked | {"authorization": "AWS4 Credential=BBAKNONE/x"})
    assert unknown.status_code == 403


def test_a_page_reads_errors_and_unchanged_answers_too(port: Port, bucket: str) -> None:
    client = port.client()
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration=CORS)
    client.put_object(Bucket=bucket, Key="a", Body=b"x")
    page, origin = {"origin": "https://app.example.com"}, "access-control-allow-origin"

    missing = signed(port, "GET", f"/{bucket}/missing", b"", **page)
    unchanged = signed(port, "GET", f"/{bucket}/a", b"", **page | {"if-none-match": "*"})

    assert [(one.status_code, one.headers.get(origin)) for one in (missing, unchanged)] == [
        (404, page["origin"]),
        (304, page["origin"]),
    ]
    unsigned = httpx.get(f"{port.url}/{bucket}/a", headers=page)
    assert (unsigned.status_code, unsigned.headers.get(origin)) == (403, None)


def test_every_other_operation_is_not_implemented(port: Port, bucket: str) -> None:
    for operation in UNSUPPORTED:
        path = f"/{bucket}/key" if operation.level is Level.OBJECT else f"/{bucket}"

        answer = signed(port, operation.method, path + (f"?{operation.part}" if operation.part else ""))

        assert (answer.status_code, operation.name) == (501, operation.name)
        assert b"<Code>NotImplemented</Code>" in answer.content
        assert re.search(rb"<RequestId>\w+</RequestId>", answer.content)


def test_each_operation_has_one_handler() -> None:
    assert set(HANDLERS) == {one.name for one in OPERATIONS}
    assert len({one.name for one in (*OPERATIONS, *UNSUPPORTED)}) == len(OPERATIONS) + len(UNSUPPORTED)
    for one in OPERATIONS:
        parts = one.part.split()
        headers = {"x-amz-copy-source": "b/k"} if "x-amz-copy-source" in parts else {}
        sent = {part: "2" for part in parts if part != "x-amz-copy-source"}
        assert operation_of(one.level, one.method, sent, headers) is one


def test_the_docs_have_the_table_of_the_code() -> None:
    assert table() in DOCS.read_text("utf-8")
