from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime

import pytest

from bunbase.pkg.s3.checksums import Algorithm
from bunbase.pkg.s3.chunked import SMALL_CHUNKS, Decoder, decoder, without_coding
from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.signature import ChunkKey, Payload, Protection, signing_key
from tests.pkg.s3.signing import SECRET, Request, check

# the examples of "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks"
THEN = datetime(2013, 5, 24, tzinfo=UTC)
SCOPE = "20130524/us-east-1/s3/aws4_request"
SIZE = 66_560
CHECKSUM = "x-amz-checksum-crc32c"


def published(sha256: str, names: str, signature: str, **more: str) -> Request:
    headers = {
        "host": "s3.amazonaws.com",
        "x-amz-content-sha256": sha256,
        "x-amz-date": "20130524T000000Z",
        "x-amz-decoded-content-length": str(SIZE),
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "content-encoding": "aws-chunked",
        **{name.replace("_", "-"): value for name, value in more.items()},
        "authorization": f"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{SCOPE},SignedHeaders={names},"
        f"Signature={signature}",
    }
    sent = tuple((name.encode(), value.encode()) for name, value in headers.items())
    return Request("PUT", b"/examplebucket/chunkObject.txt", b"", sent)


SIGNED = published(
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
    "x-amz-storage-class",
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    content_length="66824",
)
SIGNED_BODY = (
    b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"
    + b"a" * 65_536
    + b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
)
TRAILED = published(
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;"
    "x-amz-trailer",
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    x_amz_trailer=CHECKSUM,
)
TRAILED_BODY = (
    b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n"
    + b"a" * 65_536
    + b"\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
    + b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    + b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)


def decode(subject: Decoder, body: bytes, step: int) -> bytes:
    found = b""
    for at in range(0, len(body), step):
        found += b"".join(subject.feed(body[at : at + step]))
    subject.finish()
    return found


def of(request: Request) -> Decoder:
    _, payload = check(request, THEN)
    return decoder(payload, {name.decode(): value.decode() for name, value in request.headers})


@pytest.mark.parametrize("step", [1, 999, 1 << 20])
@pytest.mark.parametrize(
    ("request_", "body"), [(SIGNED, SIGNED_BODY), (TRAILED, TRAILED_BODY)], ids=["plain", "trailer"]
)
def test_the_published_bodies_are_decoded_whatever_the_pieces_are(request_: Request, body: bytes, step: int) -> None:
    assert decode(of(request_), body, step) == b"a" * SIZE


def test_the_published_checksum_is_that_of_the_bytes() -> None:
    subject = of(TRAILED)

    decode(subject, TRAILED_BODY, 1 << 20)

    assert subject.finish() == {CHECKSUM: Algorithm.CRC32C.of(b"a" * SIZE)}


KEY = ChunkKey(signing_key(SECRET, SCOPE), "20130524T000000Z", SCOPE, "0" * 64)
UNSIGNED = Payload(Protection.UNSIGNED_CHUNKS_TRAILER, "", None)


def encode(data: bytes, sizes: list[int], key: ChunkKey | None, trailers: dict[str, str]) -> bytes:
    """Encode as a client does. `key`: signs the chunks and the trailer."""
    out, at, previous = [], 0, key.seed if key else ""
    for size in [*sizes, 0]:
        chunk = data[at : at + size]
        at += size
        head = f"{len(chunk):x}"
        if key:
            previous = key.sign("PAYLOAD", previous, hashlib.sha256(b"").hexdigest(), hashlib.sha256(chunk).hexdigest())
            head += f";chunk-signature={previous}"
        out.append(head.encode() + b"\r\n" + chunk + (b"\r\n" if chunk else b""))
    lines = "".join(f"{name}:{value}\n" for name, value in trailers.items())
    out.append(lines.replace("\n", "\r\n").encode())
    if key and trailers:
        signature = key.sign("TRAILER", previous, hashlib.sha256(lines.encode()).hexdigest())
        out.append(f"x-amz-trailer-signature:{signature}\r\n".encode())
    return b"".join(out) + b"\r\n"


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("protection", [one for one in Protection if one.chunked])
def test_random_bodies_come_back(protection: Protection, seed: int) -> None:
    draw = random.Random(seed)
    sizes = [draw.choice([1, 2, 100, 8192, 70_000]) for _ in range(draw.randrange(6))]
    data = draw.randbytes(sum(sizes))
    key = KEY if protection.signed_chunks else None
    trailers = {CHECKSUM: Algorithm.CRC32C.of(data)} if protection.trailer else {}
    subject = Decoder(Payload(protection, "", key), len(data), tuple(trailers))

    found = decode(subject, encode(data, sizes, key, trailers), draw.choice([7, 1000, 1 << 20]))

    assert (found, subject.trailers) == (data, trailers)


@pytest.mark.parametrize("protection", [Protection.SIGNED_CHUNKS, Protection.SIGNED_CHUNKS_TRAILER])
def test_a_signed_body_with_a_changed_byte_is_refused(protection: Protection) -> None:
    trailers = {CHECKSUM: Algorithm.CRC32C.of(b"hello world")} if protection.trailer else {}
    body = encode(b"hello world", [5, 6], KEY, trailers)

    for at in range(len(body)):
        for mask in (1, 2, 0x20, 0x80):
            mutant = body[:at] + bytes([body[at] ^ mask]) + body[at + 1 :]
            subject = Decoder(Payload(protection, "", KEY), 11, tuple(trailers))
            try:
                found = decode(subject, mutant, 1 << 20)
            except S3Error:
                continue
            assert (found, subject.trailers) == (b"hello world", trailers)
            assert mutant.lower() == body.lower()  # the name of a trailer in another case


@pytest.mark.parametrize("protection", [one for one in Protection if one.chunked])
def test_each_cut_of_a_body_is_refused(protection: Protection) -> None:
    trailers = {CHECKSUM: "sOO8/Q=="} if protection.trailer else {}
    key = KEY if protection.signed_chunks else None
    body = encode(b"hello world", [5, 6], key, trailers)

    for end in range(len(body)):
        with pytest.raises(S3Error):
            decode(Decoder(Payload(protection, "", key), 11, tuple(trailers)), body[:end], 1 << 20)


def test_chunks_in_another_order_are_refused() -> None:
    body = encode(b"aaaabbbb", [4, 4], KEY, {})
    size = len(b"4;chunk-signature=" + b"0" * 64 + b"\r\naaaa\r\n")

    with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
        Decoder(Payload(Protection.SIGNED_CHUNKS, "", KEY), 8, ()).feed(body[size : 2 * size] + body[:size])


@pytest.mark.parametrize(
    ("body", "size", "announced", "code"),
    [
        (b"5\r\nhello\r\n0\r\n\r\n", 6, (), "IncompleteBody"),
        (b"5\r\nhello\r\n0\r\n\r\n", 4, (), "IncompleteBody"),
        (b"5\r\nhello!\r\n0\r\n\r\n", 5, (), "IncompleteBody"),
        (b"5\nhello\r\n0\r\n\r\n", 5, (), "IncompleteBody"),
        (b"5\r\nhello\r\n0\r\n\r\nmore", 5, (), "IncompleteBody"),
        (b"-5\r\nhello\r\n0\r\n\r\n", 5, (), "IncompleteBody"),
        (b"+5\r\nhello\r\n0\r\n\r\n", 5, (), "IncompleteBody"),
        (b"0x5\r\nhello\r\n0\r\n\r\n", 5, (), "IncompleteBody"),
        (b"5;chunk-signature=" + b"0" * 64 + b"\r\nhello\r\n0\r\n\r\n", 5, (), "IncompleteBody"),
        (b"fffffffffffffffff\r\n", 5, (), "IncompleteBody"),
        (b"ffffffffffffffff\r\n", 5, (), "IncompleteBody"),
        (b"5" * 2000, 5, (), "IncompleteBody"),
        (b"5\r\nhello\r\n0\r\n\r\n", 5, (CHECKSUM,), "MalformedTrailerError"),
        (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:a\r\n\r\n", 5, (), "MalformedTrailerError"),
        (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:a\r\n\r\n", 5, (CHECKSUM,), "MalformedTrailerError"),
        (
            b"5\r\nhello\r\n0\r\n" + b"x-amz-checksum-crc32c:a\r\n" * 2 + b"\r\n",
            5,
            (CHECKSUM,),
            "MalformedTrailerError",
        ),
        (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32c\r\n\r\n", 5, (CHECKSUM,), "MalformedTrailerError"),
        (b"5\r\nhello\r\n0\r\nx-amz-trailer-signature:a\r\n\r\n", 5, (), "MalformedTrailerError"),
    ],
)
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_a_malformed_body_has_a_code(body: bytes, size: int, announced: tuple[str, ...], code: str, step: int) -> None:
    with pytest.raises(S3Error, match=code):
        decode(Decoder(UNSIGNED, size, announced), body, step)


def test_a_line_feed_before_the_end_of_a_line_of_the_trailer_is_accepted() -> None:
    subject = Decoder(UNSIGNED, 0, (CHECKSUM,))

    decode(subject, b"0\r\nX-Amz-Checksum-CRC32C: sOO8/Q==\n\r\n\r\n", 1 << 20)

    assert subject.trailers == {CHECKSUM: "sOO8/Q=="}


def test_many_chunks_of_one_byte_are_refused() -> None:
    subject = Decoder(UNSIGNED, 1 << 20, ())

    subject.feed(b"1\r\na\r\n" * (SMALL_CHUNKS + 1))
    with pytest.raises(S3Error, match="InvalidChunkSizeError"):
        subject.feed(b"1\r\na\r\n" * 2)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "MissingContentLength"),
        ({"x-amz-decoded-content-length": "-1"}, "MissingContentLength"),
        ({"x-amz-decoded-content-length": "9" * 15}, "EntityTooLarge"),
        ({"x-amz-decoded-content-length": "1", "x-amz-trailer": ",".join("abcdefghi")}, "InvalidRequest"),
    ],
)
def test_a_chunked_body_needs_its_size(headers: dict[str, str], code: str) -> None:
    with pytest.raises(S3Error, match=code):
        decoder(UNSIGNED, headers)


def test_a_trailer_needs_a_body_with_a_trailer() -> None:
    with pytest.raises(S3Error, match="InvalidRequest"):
        decoder(
            Payload(Protection.SIGNED_CHUNKS, "", KEY),
            {"x-amz-decoded-content-length": "1", "x-amz-trailer": CHECKSUM},
        )


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("aws-chunked", ""),
        ("gzip", "gzip"),
        ("aws-chunked,gzip", "gzip"),
        ("gzip, AWS-Chunked, br", "gzip, br"),
        ("", ""),
    ],
)
def test_the_coding_of_the_transport_is_not_stored(value: str, stored: str) -> None:
    assert without_coding(value) == stored
