"""Uploads in parts through the S3 port, with boto3."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bunbase.pkg.s3.checksums import Algorithm, composite, full_object
from bunbase.storage.acts.multipart import MultipartActs
from tests.storage.routes.s3.answers import refused
from tests.storage.routes.s3.port import Port

PARTS = (b"a" * 70_000, b"b" * 65_536, b"c")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MultipartActs, "min_part_bytes", 1)


def uploaded(port: Port, bucket: str, key: str = "k", **more: Any) -> tuple[str, list[dict[str, Any]]]:
    """Begin an upload and send PARTS. Return its id, and the parts as they are named at the end."""
    client = port.client()
    id = client.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]
    algorithm = {"ChecksumAlgorithm": more["ChecksumAlgorithm"]} if "ChecksumAlgorithm" in more else {}
    named = []
    for number, content in enumerate(PARTS, 1):
        answer = client.upload_part(Bucket=bucket, Key=key, UploadId=id, PartNumber=number, Body=content, **algorithm)
        sums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        named.append({"PartNumber": number, "ETag": answer["ETag"], **sums})
    return id, named


def completing(bucket: str, id: str, named: list[dict[str, Any]], key: str = "k") -> dict[str, Any]:
    return {"Bucket": bucket, "Key": key, "UploadId": id, "MultipartUpload": {"Parts": named}}


@pytest.mark.usefixtures("small_parts")
def test_parts_become_one_object_also_if_the_request_is_repeated(port: Port, bucket: str) -> None:
    client = port.client()
    id, named = uploaded(port, bucket, ContentType="text/x", Metadata={"k": "v"}, Tagging="t=1")

    first = client.complete_multipart_upload(**completing(bucket, id, named))
    again = client.complete_multipart_upload(**completing(bucket, id, named))

    digests = b"".join([hashlib.md5(content).digest() for content in PARTS])
    assert first["ETag"] == again["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    found = client.get_object(Bucket=bucket, Key="k")
    assert found["Body"].read() == b"".join(PARTS)
    assert (found["ContentType"], found["Metadata"], found["TagCount"]) == ("text/x", {"k": "v"}, 1)
    across = client.get_object(Bucket=bucket, Key="k", Range="bytes=69999-135536")["Body"].read()
    assert across == b"".join(PARTS)[69999:135537]
    second = client.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert (second["Body"].read(), second["PartsCount"]) == (PARTS[1], 3)
    assert refused(client.get_object, Bucket=bucket, Key="k", PartNumber=4) == (400, "InvalidPart")
    client.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    client.delete_object(Bucket=bucket, Key="k")
    assert client.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"".join(PARTS)
    assert client.complete_multipart_upload(**completing(bucket, id, named))["ETag"] == first["ETag"]
    assert refused(client.head_object, Bucket=bucket, Key="k")[0] == 404  # a repeated request writes nothing
    other = completing(bucket, id, named, "other")
    assert refused(client.complete_multipart_upload, **other) == (404, "NoSuchUpload")


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("condition", [{}, {"IfNoneMatch": "*"}])
def test_two_requests_that_complete_an_upload_at_once_get_the_same_answer(
    port: Port, bucket: str, condition: dict[str, str]
) -> None:
    client = port.client(max_pool_connections=8)
    with ThreadPoolExecutor(8) as pool:
        for number in range(5):
            id, named = uploaded(port, bucket, f"k{number}", ChecksumAlgorithm="CRC32")
            asked = completing(bucket, id, named, f"k{number}") | condition
            done = list(pool.map(lambda _, asked=asked: client.complete_multipart_upload(**asked), range(8)))

            assert len({(one["ETag"], one["ChecksumCRC32"]) for one in done}) == 1


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        (Algorithm.CRC32, "COMPOSITE"),
        (Algorithm.CRC32, "FULL_OBJECT"),
        (Algorithm.CRC32C, "FULL_OBJECT"),
        (Algorithm.CRC64NVME, "FULL_OBJECT"),
        (Algorithm.SHA1, "COMPOSITE"),
        (Algorithm.SHA256, "COMPOSITE"),
    ],
)
def test_the_checksum_of_an_object_is_made_of_its_parts(
    port: Port, bucket: str, algorithm: Algorithm, kind: str
) -> None:
    client = port.client()
    id, named = uploaded(port, bucket, ChecksumAlgorithm=algorithm.value, ChecksumType=kind)
    sums = [algorithm.of(content) for content in PARTS]
    if kind == "COMPOSITE":
        expected = composite(algorithm, sums)
    else:
        expected = algorithm.of(b"".join(PARTS))
        assert expected == full_object(algorithm, zip(sums, map(len, PARTS), strict=True))
    listed = client.list_parts(Bucket=bucket, Key="k", UploadId=id)
    wrong = [{**named[0], algorithm.element: algorithm.of(b"other")}, *named[1:]]

    assert refused(client.complete_multipart_upload, **completing(bucket, id, wrong))[0] == 400
    done = client.complete_multipart_upload(**completing(bucket, id, named), **{algorithm.element: expected})

    assert [part[algorithm.element] for part in listed["Parts"]] == sums
    assert (done[algorithm.element], done["ChecksumType"]) == (expected, kind)
    head = client.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[algorithm.element] == expected
    second = client.get_object(Bucket=bucket, Key="k", PartNumber=2, ChecksumMode="ENABLED")
    assert (second["Body"].read(), second[algorithm.element]) == (PARTS[1], sums[1])
    parts = client.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"], MaxParts=2)
    assert [part[algorithm.element] for part in parts["ObjectParts"]["Parts"]] == sums[:2]
    assert parts["ObjectParts"]["IsTruncated"]


def test_an_upload_that_cannot_be_completed_changes_nothing(port: Port, bucket: str) -> None:
    client = port.client()
    id, named = uploaded(port, bucket)
    shop = completing(bucket, id, named)

    assert refused(client.complete_multipart_upload, **shop) == (400, "EntityTooSmall")
    other = [{**named[0], "ETag": '"' + "0" * 32 + '"'}]
    assert refused(client.complete_multipart_upload, **completing(bucket, id, other)) == (400, "InvalidPart")
    missing = [{"PartNumber": 9, "ETag": named[0]["ETag"]}]
    assert refused(client.complete_multipart_upload, **completing(bucket, id, missing)) == (400, "InvalidPart")
    backwards = completing(bucket, id, named[::-1])
    assert refused(client.complete_multipart_upload, **backwards) == (400, "InvalidPartOrder")
    wrong_key = completing(bucket, id, named, "other")
    assert refused(client.complete_multipart_upload, **wrong_key) == (404, "NoSuchUpload")
    last = completing(bucket, id, named[2:])
    assert refused(client.complete_multipart_upload, **last, IfMatch='"x"') == (404, "NoSuchKey")
    assert refused(client.complete_multipart_upload, **last, MpuObjectSize=2)[0] == 400
    client.complete_multipart_upload(**last, IfNoneMatch="*")
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"c"


def test_uploads_and_parts_are_listed_in_pages_and_aborted(port: Port, bucket: str) -> None:
    client = port.client()
    ids = {key: uploaded(port, bucket, key)[0] for key in ("a/1", "a/2", "b")}

    first = client.list_multipart_uploads(Bucket=bucket, MaxUploads=2)
    rest = client.list_multipart_uploads(
        Bucket=bucket, KeyMarker=first["NextKeyMarker"], UploadIdMarker=first["NextUploadIdMarker"]
    )
    grouped = client.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    parts = client.list_parts(Bucket=bucket, Key="b", UploadId=ids["b"], MaxParts=2)
    more = client.list_parts(Bucket=bucket, Key="b", UploadId=ids["b"], PartNumberMarker=parts["NextPartNumberMarker"])

    assert [one["Key"] for one in first["Uploads"] + rest["Uploads"]] == ["a/1", "a/2", "b"]
    assert first["IsTruncated"]
    assert not rest["IsTruncated"]
    assert [one["Prefix"] for one in grouped["CommonPrefixes"]] == ["a/"]
    assert [one["Key"] for one in grouped["Uploads"]] == ["b"]
    assert [part["PartNumber"] for part in parts["Parts"] + more["Parts"]] == [1, 2, 3]
    for key, id in ids.items():
        client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=id)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    gone = {"Bucket": bucket, "Key": "b", "UploadId": ids["b"]}
    assert refused(client.abort_multipart_upload, **gone) == (404, "NoSuchUpload")
    assert refused(client.upload_part, **gone, PartNumber=1, Body=b"x") == (404, "NoSuchUpload")


@pytest.mark.usefixtures("small_parts")
def test_a_part_is_a_range_of_another_object(port: Port, bucket: str) -> None:
    client, content = port.client(), bytes(range(256)) * 400
    client.put_object(Bucket=bucket, Key="source", Body=content)
    id = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    asked = {"Bucket": bucket, "Key": "k", "UploadId": id, "CopySource": f"{bucket}/source"}

    copied = client.upload_part_copy(**asked, PartNumber=1, CopySourceRange="bytes=1000-70000")
    named = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    beyond = refused(client.upload_part_copy, **asked, PartNumber=2, CopySourceRange=f"bytes=0-{len(content)}")
    client.complete_multipart_upload(**completing(bucket, id, named))

    assert beyond == (416, "InvalidRange")
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == content[1000:70001]


def test_the_transfer_of_boto3_uploads_in_parts_of_its_own_size(port: Port, bucket: str) -> None:
    content = hashlib.sha512(b"seed").digest() * 150_000  # 9.6 MB, so two parts of 8 MiB at most
    port.client().upload_fileobj(io.BytesIO(content), bucket, "large")

    target = io.BytesIO()
    port.client().download_fileobj(bucket, "large", target)

    assert target.getvalue() == content


@pytest.mark.usefixtures("small_parts")
def test_numbers_of_parts_may_have_gaps_up_to_ten_thousand(port: Port, bucket: str) -> None:
    client = port.client()
    id = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    for number in (1, 999, 1001, 10_000):
        client.upload_part(Bucket=bucket, Key="k", UploadId=id, PartNumber=number, Body=b"x")

    tag = f'"{hashlib.md5(b"x").hexdigest()}"'
    named = [{"PartNumber": number, "ETag": tag} for number in (1, 999, 1001, 10_000)]
    client.complete_multipart_upload(**completing(bucket, id, named))

    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"xxxx"
    too_many = {"Bucket": bucket, "Key": "k", "UploadId": id, "PartNumber": 10_001, "Body": b"x"}
    assert refused(client.upload_part, **too_many)[0] == 400
