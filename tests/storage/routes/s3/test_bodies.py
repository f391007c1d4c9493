"""Bodies that lie, stop in the middle, or must not be read at all. An upload that fails leaves the object as it was."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing

import pytest

from bunbase.contracts.storage import BucketChanges
from tests.storage.room import SECRET
from tests.storage.routes.s3.answers import refused
from tests.storage.routes.s3.port import Port
from tests.storage.routes.s3.raw import Raw, signed_head

UNSIGNED = "UNSIGNED-PAYLOAD"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@pytest.fixture
def raw(port: Port) -> Iterator[Raw]:
    with closing(Raw(port)) as raw:
        yield raw


def chunked(port: Port, path: str, decoded: int, length: int) -> bytes:
    return signed_head(
        port,
        "PUT",
        path,
        TRAILER,
        Content_Length=str(length),
        Content_Encoding="aws-chunked",
        X_Amz_Decoded_Content_Length=str(decoded),
        X_Amz_Trailer="x-amz-checksum-crc32",
    )


def test_a_client_that_waits_is_asked_to_continue_only_after_its_signature_was_checked(
    port: Port, bucket: str, raw: Raw
) -> None:
    good = signed_head(port, "PUT", f"/{bucket}/a", UNSIGNED, Content_Length="3", Expect="100-continue")
    raw.send(good)
    assert raw.answer().startswith(b"HTTP/1.1 100")
    raw.send(b"rye")
    assert raw.answer().startswith(b"HTTP/1.1 200")

    for wrong, status in (
        (good.replace(b"Signature=", b"Signature=0"), b"400"),
        (good.replace(f"/{bucket}/a".encode(), f"/{bucket}/b".encode(), 1), b"403"),
        (signed_head(port, "PUT", "/missing-bucket/a", UNSIGNED, Content_Length="3", Expect="100-continue"), b"404"),
    ):
        with closing(Raw(port)) as other:
            other.send(wrong)
            assert other.answer().startswith(b"HTTP/1.1 " + status)


def test_a_wrong_hash_or_checksum_leaves_the_object_as_it_was(port: Port, bucket: str, raw: Raw) -> None:
    port.client().put_object(Bucket=bucket, Key="a", Body=b"old")
    wrong = hashlib.sha256(b"other").hexdigest()

    raw.send(signed_head(port, "PUT", f"/{bucket}/a", wrong, Content_Length="3") + b"rye")
    assert b"XAmzContentSHA256Mismatch" in raw.answer()
    for body, code in (
        (b"3\r\nrye\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", b"BadDigest"),
        (b"3\r\nrye\r\n0\r\n\r\n", b"MalformedTrailerError"),
        (b"3\r\nrye\r\n0\r\nx-amz-checksum-sha1:AAAA\r\n\r\n", b"MalformedTrailerError"),
        (b"2\r\nry\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", b"IncompleteBody"),
        (b"4\r\nryes\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", b"IncompleteBody"),
        (b"zz\r\nrye", b"IncompleteBody"),
    ):
        with closing(Raw(port)) as other:
            other.send(chunked(port, f"/{bucket}/a", 3, len(body)) + body)
            assert code in other.answer(), body

    assert port.client().get_object(Bucket=bucket, Key="a")["Body"].read() == b"old"
    assert port.service.uploads.running == {}


def test_a_chunked_body_without_signatures_is_stored_with_its_trailer(port: Port, bucket: str, raw: Raw) -> None:
    sum = b64encode(zlib.crc32(b"rye").to_bytes(4, "big")).decode()
    body = f"2\r\nry\r\n1\r\ne\r\n0\r\nx-amz-checksum-crc32:{sum}\r\n\r\n".encode()
    raw.send(chunked(port, f"/{bucket}/a", 3, len(body)) + body)

    assert raw.answer().startswith(b"HTTP/1.1 200")
    found = port.client().get_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    assert (found["Body"].read(), found["ChecksumCRC32"]) == (b"rye", sum)
    assert "ContentEncoding" not in found


def test_a_body_that_stops_leaves_nothing(port: Port, bucket: str, raw: Raw) -> None:
    raw.send(signed_head(port, "PUT", f"/{bucket}/a", UNSIGNED, Content_Length="10") + b"rye")
    raw.socket.shutdown(1)

    while raw.answer():
        pass
    assert refused(port.client().head_object, Bucket=bucket, Key="a")[0] == 404


def test_a_body_needs_a_length_and_a_small_document(port: Port, bucket: str, raw: Raw) -> None:
    raw.send(signed_head(port, "PUT", f"/{bucket}/a", UNSIGNED))
    assert b"MissingContentLength" in raw.answer()
    with closing(Raw(port)) as other:
        other.send(signed_head(port, "PUT", f"/{bucket}/b", UNSIGNED, Transfer_Encoding="chunked"))
        other.send(b"3\r\nrye\r\n0\r\n\r\n")
        assert other.answer().startswith(b"HTTP/1.1 200")

    large = b"<Tagging>" + b" " * (70 << 10) + b"</Tagging>"
    with closing(Raw(port)) as other:
        head = signed_head(port, "PUT", f"/{bucket}/a?tagging", UNSIGNED, Content_Length=str(len(large)))
        other.send(head + large)
        assert b"MalformedXML" in other.answer()


def test_the_limits_of_the_bucket_hold(port: Port) -> None:
    port.client().create_bucket(Bucket="limited")
    port.wait(port.service.update_bucket(SECRET, "limited", BucketChanges(max_bytes=5, mime=("image/*",))))
    client = port.client()

    long = refused(client.put_object, Bucket="limited", Key="a", Body=b"123456", ContentType="image/x")
    page = refused(client.put_object, Bucket="limited", Key="a", Body=b"x", ContentType="text/html")
    disguised = refused(client.put_object, Bucket="limited", Key="a", Body=b"<p>", ContentType="image/x")

    assert (long, page[0], disguised[0]) == ((400, "EntityTooLarge"), 400, 400)
    id = client.create_multipart_upload(Bucket="limited", Key="k", ContentType="image/x")["UploadId"]
    part = client.upload_part(Bucket="limited", Key="k", UploadId=id, PartNumber=1, Body=b"<p>")
    named = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    asked = {"Bucket": "limited", "Key": "k", "UploadId": id, "MultipartUpload": named}
    assert refused(client.complete_multipart_upload, **asked)[0] == 400
