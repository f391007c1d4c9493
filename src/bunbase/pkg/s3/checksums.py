"""Checksums of objects and of parts: incremental, and combined for the parts of a multipart upload.

A checksum of several parts is COMPOSITE (the checksum of their checksums, with `-N` behind) or FULL_OBJECT (that of
all their bytes, which only CRCs can combine). Values are Base64, as in headers and in XML.
Source: "Checking object integrity in Amazon S3"; the CRCs other than CRC-32 and the XXHashes come from awscrt.
"""

from __future__ import annotations

import binascii
import enum
import hashlib
import hmac
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, TypeAlias

import msgspec
from awscrt import checksums as crt

from bunbase.pkg.s3.errors import S3Error

Buffer: TypeAlias = bytes | bytearray | memoryview

MD5: Final = "content-md5"
PREFIX: Final = "x-amz-checksum-"
ETAG: Final = re.compile(r'"?([0-9a-f]{32})"?')


class Kind(enum.StrEnum):
    """How the checksum of a multipart upload is made of those of its parts."""

    COMPOSITE = "COMPOSITE"
    FULL_OBJECT = "FULL_OBJECT"


class Running(Protocol):
    """A checksum that is being computed. Call `digest` once, at the end."""

    def update(self, data: Buffer, /) -> object: ...

    def digest(self) -> bytes: ...


class _Crc:
    def __init__(self, crc: Callable[[Buffer, int], int], size: int) -> None:
        self.crc, self.size, self.value = crc, size, 0

    def update(self, data: Buffer) -> None:
        self.value = self.crc(data, self.value)

    def digest(self) -> bytes:
        return self.value.to_bytes(self.size, "big")


class _XxHash:
    def __init__(self, new: Callable[[], crt.XXHash]) -> None:
        self.hash = new()

    def update(self, data: Buffer) -> None:
        self.hash.update(bytes(data))  # awscrt takes no memoryview here

    def digest(self) -> bytes:
        digest: bytes = self.hash.finalize()
        return digest


class Algorithm(enum.StrEnum):
    """The algorithms of S3, by their names in headers and in XML. `value` is also the end of the header's name."""

    CRC32 = "CRC32"
    CRC32C = "CRC32C"
    CRC64NVME = "CRC64NVME"
    SHA1 = "SHA1"
    SHA256 = "SHA256"
    SHA512 = "SHA512"
    MD5 = "MD5"
    XXHASH64 = "XXHASH64"
    XXHASH3 = "XXHASH3"
    XXHASH128 = "XXHASH128"

    @property
    def header(self) -> str:
        """The name of the header and of the trailer, such as `x-amz-checksum-crc32`."""
        return PREFIX + self.value.lower()

    @property
    def element(self) -> str:
        """The name of the XML element, such as `ChecksumCRC32`."""
        return f"Checksum{self.value}"

    @property
    def size(self) -> int:
        """The bytes of the checksum."""
        return _SIZES[self]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that a multipart upload can have; the first is the default."""
        if self is Algorithm.CRC64NVME:
            return (Kind.FULL_OBJECT,)
        return (Kind.COMPOSITE, Kind.FULL_OBJECT) if self in _COMBINE else (Kind.COMPOSITE,)

    def new(self) -> Running:
        """Return a checksum of no bytes."""
        return _NEW[self]()

    def of(self, data: Buffer) -> str:
        """Return the checksum of `data` in Base64."""
        running = self.new()
        running.update(data)
        return encoded(running)


_SIZES: Final = {
    Algorithm.CRC32: 4,
    Algorithm.CRC32C: 4,
    Algorithm.CRC64NVME: 8,
    Algorithm.SHA1: 20,
    Algorithm.SHA256: 32,
    Algorithm.SHA512: 64,
    Algorithm.MD5: 16,
    Algorithm.XXHASH64: 8,
    Algorithm.XXHASH3: 8,
    Algorithm.XXHASH128: 16,
}
_NEW: Final[dict[Algorithm, Callable[[], Running]]] = {
    Algorithm.CRC32: lambda: _Crc(zlib.crc32, 4),
    Algorithm.CRC32C: lambda: _Crc(crt.crc32c, 4),
    Algorithm.CRC64NVME: lambda: _Crc(crt.crc64nvme, 8),
    Algorithm.SHA1: lambda: hashlib.sha1(usedforsecurity=False),
    Algorithm.SHA256: hashlib.sha256,
    Algorithm.SHA512: hashlib.sha512,
    Algorithm.MD5: lambda: hashlib.md5(usedforsecurity=False),
    Algorithm.XXHASH64: lambda: _XxHash(crt.XXHash.new_xxhash64),
    Algorithm.XXHASH3: lambda: _XxHash(crt.XXHash.new_xxhash3_64),
    Algorithm.XXHASH128: lambda: _XxHash(crt.XXHash.new_xxhash3_128),
}
_COMBINE: Final[dict[Algorithm, Callable[[int, int, int], int]]] = {
    Algorithm.CRC32: crt.combine_crc32,
    Algorithm.CRC32C: crt.combine_crc32c,
    Algorithm.CRC64NVME: crt.combine_crc64nvme,
}
_BY_HEADER: Final = {algorithm.header: algorithm for algorithm in Algorithm}


class Announced(msgspec.Struct, frozen=True):
    """The checksums that a client announces for a body.

    `algorithm`: None if there is none. `value`: "" if it comes in the trailer, or is only to be computed. `md5`: the
    digest in Content-MD5, or b"".
    """

    algorithm: Algorithm | None = None
    value: str = ""
    in_trailer: bool = False
    md5: bytes = b""


def encoded(running: Running) -> str:
    return b64encode(running.digest()).decode()


def algorithm_named(name: str) -> Algorithm:
    """Return the algorithm of x-amz-sdk-checksum-algorithm or x-amz-checksum-algorithm. Raises: S3Error."""
    try:
        return Algorithm(name.strip().upper())
    except ValueError:
        names = ", ".join(Algorithm)
        raise S3Error("InvalidRequest", f"The checksum algorithm must be one of {names}.") from None


def kind_named(algorithm: Algorithm, name: str) -> Kind:
    """Return the kind of x-amz-checksum-type, or the default if `name` is empty. Raises: S3Error (InvalidRequest)."""
    if not name:
        return algorithm.kinds[0]
    for kind in algorithm.kinds:
        if kind == name.strip().upper():
            return kind
    raise S3Error("InvalidRequest", f"The checksum type {name[:32]} cannot be used with {algorithm}.")


def announced(headers: Mapping[str, str], trailers: Iterable[str] = ()) -> Announced:
    """Return the checksums that a request announces. `trailers`: the names in x-amz-trailer, in lower case.

    Raises: S3Error (InvalidRequest, InvalidDigest).
    """
    md5 = _md5(headers[MD5]) if MD5 in headers else b""
    values = {_BY_HEADER[name]: headers[name].strip() for name in headers if name in _BY_HEADER}
    trailing = [_BY_HEADER[name] for name in trailers if name in _BY_HEADER]
    if len(values) + len(trailing) > 1:
        raise S3Error("InvalidRequest", "Send a single x-amz-checksum- header or trailer.")
    named = headers.get("x-amz-sdk-checksum-algorithm", "")
    wanted = algorithm_named(named) if named else None
    if trailing:
        return Announced(_same(wanted, trailing[0]), in_trailer=True, md5=md5)
    for algorithm, value in values.items():
        check_form(algorithm, value)
        return Announced(_same(wanted, algorithm), value, md5=md5)
    return Announced(wanted, md5=md5)


def check_form(algorithm: Algorithm, value: str) -> None:
    """Raises: S3Error (InvalidRequest) if the value cannot be a checksum of this algorithm."""
    try:
        if len(b64decode(value, validate=True)) == algorithm.size:
            return
    except (binascii.Error, ValueError):
        pass
    raise S3Error("InvalidRequest", f"Value for {algorithm.header} header is invalid.")


def check_value(algorithm: Algorithm, given: str, computed: str) -> None:
    """Raises: S3Error (BadDigest) if a checksum is not that of the bytes that arrived."""
    if not hmac.compare_digest(given.encode(), computed.encode()):
        raise S3Error("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def check_md5(given: bytes, computed: bytes) -> None:
    """Raises: S3Error (BadDigest) if Content-MD5 is not that of the bytes that arrived."""
    if given and not hmac.compare_digest(given, computed):
        raise S3Error(
            "BadDigest",
            "The Content-MD5 you specified did not match what we received.",
            ExpectedDigest=given.hex(),
            CalculatedDigest=computed.hex(),
        )


def composite(algorithm: Algorithm, parts: Iterable[str]) -> str:
    """Return the checksum of the checksums of parts, with the number of parts behind a hyphen."""
    running, count = algorithm.new(), 0
    for part in parts:
        running.update(b64decode(part))
        count += 1
    return f"{encoded(running)}-{count}"


def full_object(algorithm: Algorithm, parts: Iterable[tuple[str, int]]) -> str:
    """Return the checksum of the whole object. `parts`: the checksum and the size in bytes of each part, in order.

    Raises: S3Error (InvalidRequest) if the algorithm cannot combine checksums.
    """
    combine = _COMBINE.get(algorithm)
    if combine is None:
        raise S3Error("InvalidRequest", f"The checksum type FULL_OBJECT cannot be used with {algorithm}.")
    total = 0
    for value, size in parts:
        total = combine(total, int.from_bytes(b64decode(value), "big"), size)
    return b64encode(total.to_bytes(algorithm.size, "big")).decode()


def multipart_etag(parts: Iterable[str]) -> str:
    """Return the ETag of a multipart upload, without quotes. `parts`: the MD5 of each part in hexadecimal."""
    digests = [bytes.fromhex(part) for part in parts]
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


def _same(wanted: Algorithm | None, sent: Algorithm) -> Algorithm:
    if wanted not in (None, sent):
        raise S3Error("InvalidRequest", "x-amz-sdk-checksum-algorithm names another algorithm than the checksum sent.")
    return sent


def _md5(text: str) -> bytes:
    try:
        digest = b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise S3Error("InvalidDigest", "The Content-MD5 you specified was invalid: it is the Base64 of 16 bytes.")
    return digest
