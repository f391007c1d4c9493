"""Requests to the S3 port that no client of S3 sends by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.resumable import NewResumable
from bunbase.contracts.s3_credentials import S3Holder
from bunbase.contracts.storage import BucketChanges, CorsRule, InvalidBucket
from bunbase.pkg.errors import Unreachable
from bunbase.storage.routes.s3 import app
from tests.storage.routes.s3.answers import refused
from tests.storage.routes.s3.port import SECRET, WRITER, Port
from tests.storage.routes.s3.raw import Raw, signed, signed_head

PAGE = "https://app.example"
SERVER = Caller(CallerKind.SECRET, project=WRITER.project)


@pytest.fixture
def raw(port: Port) -> Iterator[Raw]:
    found = Raw(port)
    yield found
    found.close()


def presigned_put(port: Port, path: str, query: str) -> str:
    """Return a presigned URL with further parameters, which are signed."""
    request = AWSRequest("PUT", f"{port.url}{path}?{query}")
    S3SigV4QueryAuth(Credentials(WRITER.access_key_id, SECRET), "s3", "us-east-1", 60).add_auth(request)
    return str(request.url)


@pytest.mark.parametrize("exposed", ["X-A&#13;&#10;Set-Cookie: a=b", "é", "a b", "x" * 257])
def test_a_cors_rule_cannot_expose_what_no_header_can_have(port: Port, bucket: str, exposed: str) -> None:
    rule = f"<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><ExposeHeader>{exposed}</ExposeHeader>"
    body = f"<CORSConfiguration><CORSRule>{rule}</CORSRule></CORSConfiguration>".encode()

    answer = signed(port, "PUT", f"/{bucket}?cors", body)

    assert (answer.status_code, b"<Code>InvalidArgument</Code>" in answer.content) == (400, True)
    assert signed(port, "GET", f"/{bucket}", origin=PAGE).status_code == 200


@pytest.mark.parametrize("name", ["AllowedOrigin", "AllowedHeader", "ExposeHeader"])
def test_a_cors_rule_has_at_most_a_hundred_texts_of_each_kind(port: Port, bucket: str, name: str) -> None:
    rule = "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>" + f"<{name}>a</{name}>" * 101
    body = f"<CORSConfiguration><CORSRule>{rule}</CORSRule></CORSConfiguration>".encode()

    assert signed(port, "PUT", f"/{bucket}?cors", body).status_code == 400


@pytest.mark.parametrize("field", ["origins", "headers", "expose"])
def test_storage_refuses_control_characters_in_every_text_of_a_cors_rule(port: Port, bucket: str, field: str) -> None:
    rule = msgspec.structs.replace(CorsRule(("*",), ("GET",)), **{field: ("a\r\nb",)})

    with pytest.raises(InvalidBucket):
        port.wait(port.service.update_bucket(SERVER, bucket, BucketChanges(cors=(rule,))))


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 -0100", "Fri, 31 Dec 9999 23:59:59 -9999", "x"])
def test_a_time_that_no_calendar_has_is_refused_before_any_signature_is_checked(port: Port, date: str) -> None:
    credential = f"{WRITER.access_key_id}/99991231/us-east-1/s3/aws4_request"
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature={'0' * 64}",
        "date": date,
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
    }

    assert httpx.get(f"{port.url}/b", headers=headers).status_code == 403


@pytest.mark.parametrize("query", ["x-amz-copy-source", "uploadId%20x-amz-copy-source"])
def test_a_parameter_with_the_name_of_a_header_is_no_copy(port: Port, bucket: str, query: str) -> None:
    assert signed(port, "PUT", f"/{bucket}/a?{query}", b"x").status_code == 200
    assert port.client().get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_headers_in_the_query_of_a_presigned_url_count_as_headers(port: Port, bucket: str) -> None:
    path, source = f"/{bucket}/a", f"/{bucket}/a"

    assert httpx.put(presigned_put(port, path, "x-amz-meta-color=red"), content=b"x").status_code == 200
    assert port.client().head_object(Bucket=bucket, Key="a")["Metadata"] == {"color": "red"}
    for query in ("x-amz-acl=public-read", "X-Amz-Acl=public-read", "x-amz-object-lock-mode=COMPLIANCE"):
        assert httpx.put(presigned_put(port, path, query), content=b"y").status_code in (400, 501)
    assert httpx.put(presigned_put(port, path, "x-amz-meta-color=%0d%0aa"), content=b"y").status_code == 400
    assert port.client().get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    assert httpx.put(presigned_put(port, f"/{bucket}/b", f"x-amz-copy-source={source}")).status_code == 200
    assert port.client().get_object(Bucket=bucket, Key="b")["Body"].read() == b"x"


def test_a_checksum_in_the_query_is_not_that_of_the_body(port: Port, bucket: str) -> None:
    query = "x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32"

    assert httpx.put(presigned_put(port, f"/{bucket}/a", query), content=b"x").status_code == 200


@pytest.mark.parametrize(("method", "path"), [("PUT", "/a%00b"), ("DELETE", "/a%00b"), ("PUT", "/" + "a" * 5000)])
def test_a_name_that_no_bucket_can_have_is_not_in_the_audit_log(port: Port, method: str, path: str) -> None:
    before = list(port.door.audited)

    assert signed(port, method, path).status_code in (400, 404)
    assert port.door.audited == before


def test_a_preflight_does_not_tell_which_buckets_exist(port: Port, bucket: str) -> None:
    headers = {"origin": PAGE, "access-control-request-method": "GET"}

    def asked(name: str) -> tuple[int, bool]:
        url = f"{port.url}/{name}/a?X-Amz-Credential={WRITER.access_key_id}"
        answer = httpx.options(url, headers=headers)
        return answer.status_code, b"<Code>AccessForbidden</Code>" in answer.content

    assert asked("no-such-bucket") == asked(bucket) == (403, True)


@pytest.mark.parametrize("target", ["a", "part"])
def test_a_credential_that_is_deleted_during_an_upload_writes_nothing(
    port: Port, bucket: str, raw: Raw, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    client, path = port.client(), f"/{bucket}/a"
    id = client.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    if target == "part":
        path += f"?partNumber=1&uploadId={id}"
    body = b"0123456789"
    head = signed_head(port, "PUT", path, hashlib.sha256(body).hexdigest(), Content_Length="10", Expect="100-continue")
    raw.send(head)
    assert b" 100 " in raw.socket.recv(1000)  # the signature was checked
    left = {id: one for id, one in port.door.holders.items() if id != WRITER.access_key_id}
    with monkeypatch.context() as deleted:
        deleted.setattr(port.door, "holders", left)
        raw.send(body)
        answer = raw.answer()

    assert b" 403 " in answer.partition(b"\r\n")[0]
    assert b"InvalidAccessKeyId" in answer
    assert refused(client.head_object, Bucket=bucket, Key="a")[0] == 404
    assert "Parts" not in client.list_parts(Bucket=bucket, Key="a", UploadId=id)


def test_a_credential_that_is_deleted_during_a_download_gets_no_more_bytes(
    port: Port, bucket: str, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 24 << 20  # more than the buffers of the two sockets hold
    port.client().put_object(Bucket=bucket, Key="a", Body=bytes(size))
    monkeypatch.setattr(app, "CHECK_SECONDS", 0.0)
    raw.send(signed_head(port, "GET", f"/{bucket}/a", hashlib.sha256(b"").hexdigest()))
    assert b" 200 " in raw.socket.recv(1000)
    left = {id: one for id, one in port.door.holders.items() if id != WRITER.access_key_id}
    with monkeypatch.context() as deleted:
        deleted.setattr(port.door, "holders", left)
        received = 0
        while piece := raw.socket.recv(1 << 20):
            received += len(piece)

    assert received < size


def test_a_download_goes_on_while_the_credential_cannot_be_looked_up(
    port: Port, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port.client().put_object(Bucket=bucket, Key="a", Body=bytes(3 << 20))
    monkeypatch.setattr(app, "CHECK_SECONDS", 0.0)
    asked, holder = [], port.door.holder

    async def unreachable_later(access_key_id: str, address: str) -> S3Holder:
        asked.append(access_key_id)
        if len(asked) > 1:
            raise Unreachable("Platform does not answer.")
        return await holder(access_key_id, address)

    monkeypatch.setattr(port.door, "holder", unreachable_later)
    assert port.client().get_object(Bucket=bucket, Key="a")["Body"].read() == bytes(3 << 20)
    assert len(asked) > 2


def test_the_port_does_not_reach_resumable_uploads(port: Port, bucket: str) -> None:
    begun: Any = port.wait(port.service.begin_resumable(SERVER, NewResumable(bucket, "a", 10)))
    named = {"Bucket": bucket, "Key": "a", "UploadId": begun.id}
    client, missing = port.client(), (404, "NoSuchUpload")

    assert refused(client.upload_part, **named, PartNumber=1, Body=b"x") == missing
    assert refused(client.list_parts, **named) == missing
    assert refused(client.abort_multipart_upload, **named) == missing
