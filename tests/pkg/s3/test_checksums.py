from __future__ import annotations

import hashlib
import random
from base64 import b64encode

import botocore.session
import pytest
from botocore.httpchecksum import _CHECKSUM_CLS

from bunbase.pkg.s3.checksums import (
    Algorithm,
    Announced,
    Kind,
    algorithm_named,
    announced,
    check_md5,
    check_value,
    composite,
    encoded,
    full_object,
    kind_named,
    multipart_etag,
)
from bunbase.pkg.s3.errors import S3Error

# the checksums of "123456789": the check values of the catalogue of parametrised CRC algorithms, and those of hashes
CHECKS = {
    Algorithm.CRC32: "cbf43926",
    Algorithm.CRC32C: "e3069283",
    Algorithm.CRC64NVME: "ae8b14860a799888",
    Algorithm.MD5: "25f9e794323b453885f5181f1b624d0b",
    Algorithm.SHA1: "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    Algorithm.SHA256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
}
# the hashes of no bytes, from the sanity checks of xxHash
EMPTY = {
    Algorithm.XXHASH64: "ef46db3751d8e999",
    Algorithm.XXHASH3: "2d06800538d394c2",
    Algorithm.XXHASH128: "99aa06d3014798d86001c324468d497f",
    Algorithm.SHA512: "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
}
COMBINED = [Algorithm.CRC32, Algorithm.CRC32C, Algorithm.CRC64NVME]


@pytest.mark.parametrize("algorithm", CHECKS)
def test_the_published_check_values_are_computed(algorithm: Algorithm) -> None:
    assert algorithm.of(b"123456789") == b64encode(bytes.fromhex(CHECKS[algorithm])).decode()


@pytest.mark.parametrize("algorithm", EMPTY)
def test_the_published_hashes_of_no_bytes_are_computed(algorithm: Algorithm) -> None:
    assert algorithm.of(b"") == b64encode(bytes.fromhex(EMPTY[algorithm])).decode()


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("seed", range(5))
def test_a_checksum_of_pieces_is_that_of_the_whole_and_that_of_botocore(algorithm: Algorithm, seed: int) -> None:
    draw = random.Random(seed)
    pieces = [draw.randbytes(draw.choice([0, 1, 63, 4096, 100_001])) for _ in range(4)]
    running = algorithm.new()

    for piece in pieces:
        running.update(memoryview(piece))

    whole = b"".join(pieces)
    assert encoded(running) == algorithm.of(whole)
    if algorithm is not Algorithm.MD5:  # which botocore does not compute
        assert algorithm.of(whole) == _CHECKSUM_CLS[algorithm.lower()]().handle(whole)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_checksum_has_the_size_that_its_form_is_checked_with(algorithm: Algorithm) -> None:
    value = algorithm.of(b"")

    assert announced({algorithm.header: value}) == Announced(algorithm, value)
    with pytest.raises(S3Error, match="InvalidRequest"):
        announced({algorithm.header: b64encode(b"x" * (algorithm.size + 1)).decode()})


def test_every_algorithm_of_botocore_is_there() -> None:
    session = botocore.session.get_session()
    names = session.get_service_model("s3").shape_for("ChecksumAlgorithm").enum

    assert set(names) == set(Algorithm)


@pytest.mark.parametrize("algorithm", COMBINED)
@pytest.mark.parametrize("seed", range(5))
def test_the_checksum_of_a_whole_object_is_combined_from_its_parts(algorithm: Algorithm, seed: int) -> None:
    draw = random.Random(seed)
    parts = [draw.randbytes(draw.choice([0, 1, 7, 65_536, 100_001])) for _ in range(draw.randrange(1, 8))]

    combined = full_object(algorithm, [(algorithm.of(part), len(part)) for part in parts])

    assert combined == algorithm.of(b"".join(parts))


def test_a_large_object_is_combined_without_its_bytes() -> None:
    zeros = Algorithm.CRC32.of(b"\0" * 4096)

    assert full_object(Algorithm.CRC32, [(zeros, 4096)] * 256) == Algorithm.CRC32.of(b"\0" * (1 << 20))


@pytest.mark.parametrize("algorithm", [one for one in Algorithm if one not in COMBINED])
def test_a_hash_cannot_be_combined(algorithm: Algorithm) -> None:
    with pytest.raises(S3Error, match="InvalidRequest"):
        full_object(algorithm, [(algorithm.of(b""), 0)])
    with pytest.raises(S3Error, match="InvalidRequest"):
        kind_named(algorithm, "FULL_OBJECT")


def test_a_composite_checksum_is_that_of_the_checksums() -> None:
    parts = [b"a" * 10, b"b" * 20]
    digests = b"".join(hashlib.sha256(part).digest() for part in parts)

    value = composite(Algorithm.SHA256, map(Algorithm.SHA256.of, parts))

    assert value == b64encode(hashlib.sha256(digests).digest()).decode() + "-2"


def test_the_kinds_of_a_multipart_upload_are_those_of_s3() -> None:
    assert kind_named(Algorithm.CRC64NVME, "") is Kind.FULL_OBJECT
    assert kind_named(Algorithm.CRC32, "") is Kind.COMPOSITE
    assert kind_named(Algorithm.CRC32C, "full_object") is Kind.FULL_OBJECT
    assert kind_named(Algorithm.SHA256, "COMPOSITE") is Kind.COMPOSITE
    with pytest.raises(S3Error, match="InvalidRequest"):
        kind_named(Algorithm.CRC64NVME, "COMPOSITE")


def test_the_etag_of_a_multipart_upload_is_the_md5_of_md5s() -> None:
    parts = [hashlib.md5(text).hexdigest() for text in (b"a", b"b")]

    assert multipart_etag(parts) == hashlib.md5(bytes.fromhex("".join(parts))).hexdigest() + "-2"


CRC = Algorithm.CRC32.of(b"abc")
MD5 = b64encode(hashlib.md5(b"abc").digest()).decode()


@pytest.mark.parametrize(
    ("headers", "trailers", "found"),
    [
        ({}, (), Announced()),
        ({"content-md5": MD5}, (), Announced(md5=hashlib.md5(b"abc").digest())),
        ({"x-amz-checksum-crc32": CRC}, (), Announced(Algorithm.CRC32, CRC)),
        ({}, ("x-amz-checksum-crc32",), Announced(Algorithm.CRC32, in_trailer=True)),
        ({"x-amz-sdk-checksum-algorithm": "SHA1"}, (), Announced(Algorithm.SHA1)),
        ({"x-amz-checksum-mode": "ENABLED"}, (), Announced()),
    ],
)
def test_the_checksums_of_a_request_are_read(
    headers: dict[str, str], trailers: tuple[str, ...], found: Announced
) -> None:
    assert announced(headers, trailers) == found


@pytest.mark.parametrize(
    ("headers", "trailers", "code"),
    [
        ({"x-amz-checksum-crc32": CRC, "x-amz-checksum-crc32c": CRC}, (), "InvalidRequest"),
        ({"x-amz-checksum-crc32": CRC}, ("x-amz-checksum-crc32",), "InvalidRequest"),
        ({"x-amz-checksum-crc32": "AAAA"}, (), "InvalidRequest"),
        ({"x-amz-checksum-crc32": "!!!!!!=="}, (), "InvalidRequest"),
        ({"x-amz-checksum-crc32": "é"}, (), "InvalidRequest"),
        ({"x-amz-checksum-crc32": CRC, "x-amz-sdk-checksum-algorithm": "SHA1"}, (), "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "CRC16"}, (), "InvalidRequest"),
        ({"content-md5": ""}, (), "InvalidDigest"),
        ({"content-md5": "AAAA"}, (), "InvalidDigest"),
        ({"content-md5": "é"}, (), "InvalidDigest"),
    ],
)
def test_a_malformed_checksum_has_a_code(headers: dict[str, str], trailers: tuple[str, ...], code: str) -> None:
    with pytest.raises(S3Error, match=code):
        announced(headers, trailers)


def test_a_checksum_of_other_bytes_is_refused() -> None:
    check_value(Algorithm.CRC32, CRC, CRC)
    check_md5(b"", b"x")
    with pytest.raises(S3Error, match="BadDigest"):
        check_value(Algorithm.CRC32, CRC, "AAAAAA==")
    with pytest.raises(S3Error, match="BadDigest"):
        check_md5(b"x", b"y")


def test_names_of_algorithms_are_read_in_any_case() -> None:
    assert algorithm_named("crc64nvme") is Algorithm.CRC64NVME
