"""Answers in which ceph/s3-tests found a difference from Amazon S3."""

from __future__ import annotations

from typing import Any

import pytest

from bunbase.pkg.s3.checksums import Algorithm
from bunbase.storage.acts.multipart import MultipartActs
from tests.storage.routes.s3.answers import refused
from tests.storage.routes.s3.port import Port


def test_an_empty_token_begins_the_list(port: Port, bucket: str) -> None:
    client = port.client()
    client.put_object(Bucket=bucket, Key="a", Body=b"x")

    page = client.list_objects_v2(Bucket=bucket, ContinuationToken="")

    assert ([one["Key"] for one in page["Contents"]], page["ContinuationToken"]) == (["a"], "")


@pytest.mark.parametrize("prefix", ["\n", "a b+c%", "é"])
def test_boto3_shows_the_prefix_as_it_was_sent(port: Port, bucket: str, prefix: str) -> None:
    client = port.client()

    found = [lists(Bucket=bucket, Prefix=prefix)["Prefix"] for lists in (client.list_objects, client.list_objects_v2)]

    assert found == [prefix, prefix]


def test_a_bucket_can_be_made_again_and_keeps_its_objects(port: Port, bucket: str) -> None:
    client = port.client()
    client.put_object(Bucket=bucket, Key="a", Body=b"x")

    client.create_bucket(Bucket=bucket)

    assert client.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_tags_in_the_header_may_have_no_value_and_are_listed_by_their_keys(port: Port, bucket: str) -> None:
    client = port.client()

    client.put_object(Bucket=bucket, Key="a", Body=b"x", Tagging="second&first=1")

    tags = client.get_object_tagging(Bucket=bucket, Key="a")["TagSet"]
    assert tags == [{"Key": "first", "Value": "1"}, {"Key": "second", "Value": ""}]


def test_a_body_of_unknown_length_is_stored(port: Port, bucket: str) -> None:
    client = port.new_client()
    client.meta.events.register("before-sign.s3.PutObject", _without_length)

    client.put_object(Bucket=bucket, Key="a", Body=b"hello")

    assert client.get_object(Bucket=bucket, Key="a")["Body"].read() == b"hello"


def _without_length(request: Any, **_: Any) -> None:
    request.headers["Transfer-Encoding"] = "chunked"


def test_an_upload_without_parts_cannot_be_completed(port: Port, bucket: str) -> None:
    client = port.client()
    place = {"Bucket": bucket, "Key": "a"}
    upload = client.create_multipart_upload(**place)["UploadId"]

    assert refused(client.complete_multipart_upload, **place, UploadId=upload) == (400, "MalformedXML")


@pytest.mark.parametrize(("algorithm", "kind"), [(Algorithm.CRC32, "FULL_OBJECT"), (Algorithm.SHA256, "COMPOSITE")])
def test_a_part_is_read_with_its_own_checksum(
    port: Port, bucket: str, algorithm: Algorithm, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MultipartActs, "min_part_bytes", 1)
    client, place = port.client(), {"Bucket": bucket, "Key": "a"}
    named = {"ChecksumAlgorithm": algorithm.value}
    upload = {**place, "UploadId": client.create_multipart_upload(**place, **named, ChecksumType=kind)["UploadId"]}
    parts = []
    for number, content in enumerate((b"one", b"two"), 1):
        sent = client.upload_part(**upload, PartNumber=number, Body=content, **named)
        parts.append({"PartNumber": number, "ETag": sent["ETag"], algorithm.element: sent[algorithm.element]})
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    for number, content in enumerate((b"one", b"two"), 1):
        for read in (client.get_object, client.head_object):
            found = read(**place, PartNumber=number, ChecksumMode="ENABLED")
            assert (found[algorithm.element], found["ChecksumType"]) == (algorithm.of(content), kind)
    assert algorithm.element not in client.get_object(**place, Range="bytes=1-2")
