"""Access to the S3 port: signatures, presigned URLs, and the limits of credentials."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bunbase.contracts.s3_credentials import S3Holder
from tests.storage.routes.s3.answers import refused
from tests.storage.routes.s3.port import BASE_HOST, ONE_BUCKET, OTHER, READER, SECRET, WRITER, Port


def presigned(port: Port, method: str, **params: Any) -> str:
    expires = params.pop("expires", 300)
    client = port.client(signature_version="s3v4")
    return str(client.generate_presigned_url(method, Params=params, ExpiresIn=expires))


def test_a_wrong_secret_and_an_unknown_key_are_refused(port: Port, bucket: str) -> None:
    wrong = S3Holder(WRITER.access_key_id, "prj_a", "another secret", "write", ())
    unknown = S3Holder("BBAKUNKNOWN", "prj_a", SECRET, "write", ())

    assert refused(port.client(wrong).list_buckets) == (403, "SignatureDoesNotMatch")
    assert refused(port.client(unknown).list_buckets) == (403, "InvalidAccessKeyId")
    assert httpx.get(f"{port.url}/{bucket}").status_code == 403
    assert b"<Code>AccessDenied</Code>" in httpx.get(f"{port.url}/{bucket}").content


def test_a_credential_that_may_only_read_changes_nothing(port: Port, bucket: str) -> None:
    port.client().put_object(Bucket=bucket, Key="a", Body=b"x")
    reader, named = port.client(READER), {"Bucket": bucket, "Key": "a"}

    assert reader.get_object(**named)["Body"].read() == b"x"
    assert reader.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    denied = (403, "AccessDenied")
    assert refused(reader.put_object, **named) == denied
    assert refused(reader.delete_object, **named) == denied
    assert refused(reader.delete_objects, Bucket=bucket, Delete={"Objects": [{"Key": "a"}]}) == denied
    assert refused(reader.copy_object, Bucket=bucket, Key="b", CopySource=named) == denied
    assert refused(reader.create_multipart_upload, **named) == denied
    assert refused(reader.put_object_tagging, **named, Tagging={"TagSet": []}) == denied
    assert refused(reader.create_bucket, Bucket="readers") == denied
    assert refused(reader.delete_bucket, Bucket=bucket) == denied


def test_a_credential_of_one_bucket_sees_no_other(port: Port, bucket: str) -> None:
    port.client().put_object(Bucket=bucket, Key="a", Body=b"x")
    one = port.client(ONE_BUCKET)
    one.create_bucket(Bucket="photos")

    assert [found["Name"] for found in one.list_buckets()["Buckets"]] == ["photos"]
    one.put_object(Bucket="photos", Key="a", Body=b"y")
    denied = (403, "AccessDenied")
    assert refused(one.get_object, Bucket=bucket, Key="a") == denied
    source = {"Bucket": bucket, "Key": "a"}
    assert refused(one.copy_object, Bucket="photos", Key="b", CopySource=source) == denied
    id = one.create_multipart_upload(Bucket="photos", Key="c")["UploadId"]
    part = {"Bucket": "photos", "Key": "c", "UploadId": id, "PartNumber": 1}
    assert refused(one.upload_part_copy, **part, CopySource=source) == denied


def test_two_projects_share_nothing(port: Port, bucket: str) -> None:
    port.client().put_object(Bucket=bucket, Key="a", Body=b"x")
    other = port.client(OTHER)

    assert refused(other.get_object, Bucket=bucket, Key="a") == (404, "NoSuchBucket")
    assert bucket not in [found["Name"] for found in other.list_buckets()["Buckets"]]
    other.create_bucket(Bucket=bucket)  # names of buckets belong to a project
    assert "Contents" not in other.list_objects_v2(Bucket=bucket)
    id = port.client().create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    foreign = {"Bucket": bucket, "Key": "k", "UploadId": id}
    assert refused(other.upload_part, **foreign, PartNumber=1, Body=b"x") == (404, "NoSuchUpload")
    assert refused(other.list_parts, **foreign) == (404, "NoSuchUpload")


def test_presigned_urls_read_and_write_for_their_time_only(port: Port, bucket: str) -> None:
    put = httpx.put(presigned(port, "put_object", Bucket=bucket, Key="a b+c/é"), content=b"rye")
    url = presigned(port, "get_object", Bucket=bucket, Key="a b+c/é", ResponseContentType="text/x")
    got = httpx.get(url)

    assert put.status_code == 200
    assert (got.content, got.headers["content-type"]) == (b"rye", "text/x")
    assert httpx.put(url, content=b"no").status_code == 403
    assert httpx.get(url.replace("text%2Fx", "text%2Fy")).status_code == 403
    assert httpx.get(url + "&response-expires=x").status_code == 403
    assert httpx.get(presigned(port, "get_object", Bucket=bucket, Key="b")).status_code == 404


@pytest.mark.parametrize(
    ("age", "expires", "status"),
    [(0, 60, 200), (1200, 1800, 200), (61, 60, 403), (0, 604_801, 400), (-1200, 3600, 403)],
)
def test_a_presigned_url_counts_from_its_own_time(
    port: Port, bucket: str, monkeypatch: pytest.MonkeyPatch, age: int, expires: int, status: int
) -> None:
    port.client().put_object(Bucket=bucket, Key="a", Body=b"x")
    signed_at = datetime.now(UTC) - timedelta(seconds=age)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: signed_at.replace(tzinfo=None))
    request = AWSRequest("GET", f"{port.url}/{bucket}/a")
    S3SigV4QueryAuth(Credentials(WRITER.access_key_id, SECRET), "s3", "us-east-1", expires).add_auth(request)

    assert httpx.get(str(request.url)).status_code == status


def test_signature_version_2_is_refused_with_advice(port: Port, bucket: str) -> None:
    client = port.client(signature_version="s3")
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a"})

    answer = httpx.get(url)

    assert answer.status_code == 400
    assert b"AWS4-HMAC-SHA256" in answer.content


def test_a_bucket_can_be_a_host(port: Port, bucket: str) -> None:
    port.client().put_object(Bucket=bucket, Key="a//b", Body=b"x")
    host = f"{bucket}.{BASE_HOST}"
    request = AWSRequest("GET", f"http://{host}/a//b")
    S3SigV4QueryAuth(Credentials(WRITER.access_key_id, SECRET), "s3", "us-east-1", 60).add_auth(request)
    parts = urlsplit(str(request.url))

    local = urlunsplit(("http", urlsplit(port.url).netloc, parts.path, urlencode(parse_qsl(parts.query)), ""))
    answer = httpx.get(local, headers={"host": host})

    assert (answer.status_code, answer.content) == (200, b"x")


def test_changes_of_buckets_are_in_the_audit_log(port: Port) -> None:
    client = port.client()
    client.create_bucket(Bucket="audited")
    client.put_object(Bucket="audited", Key="a", Body=b"x")
    refused(client.delete_bucket, Bucket="audited")
    client.delete_object(Bucket="audited", Key="a")
    client.delete_bucket(Bucket="audited")

    entries = [one for one in port.door.audited if one[1] == "audited"]
    assert entries == [
        ("bucket.create", "audited", 200),
        ("bucket.delete", "audited", 409),
        ("bucket.delete", "audited", 204),
    ]
