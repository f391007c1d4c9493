"""Signature Version 4 on the side of the server: in the header Authorization, and in the query of a presigned URL.

The life of one request: `parse` reads the signature and the scope, and makes the text that the client must have
signed. The caller finds the secret of `SignedRequest.access_key`. `verify` compares the signatures and the times, and
returns how the body is protected. The body itself is checked while it arrives: `checksums` has the plain hash,
`chunked` the signatures of chunks.

The path and the query are those of the wire, so a proxy may sit in front if it keeps the path and the header Host.
Source: "Authenticating Requests (AWS Signature Version 4)" in the API reference of Amazon S3.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.signature_fields import (
    ALGORITHM,
    Fields,
    fields_of_header,
    fields_of_query,
    is_presigned,
    parse_time,
)
from bunbase.pkg.s3.uri import Pair, canonical_path, canonical_query, query_pairs

MAX_SKEW_SECONDS: Final = 900
MAX_SHOWN: Final = 4096  # characters of a text that an error shows
HEX_SHA256: Final = re.compile(r"[0-9a-f]{64}")
EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()


class Protection(enum.StrEnum):
    """How the body of a request is protected; the values are those of x-amz-content-sha256."""

    HASHED = "sha256"  # the header is the hash of the body
    UNSIGNED = "UNSIGNED-PAYLOAD"
    SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    UNSIGNED_CHUNKS_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    @property
    def chunked(self) -> bool:
        """True if the body has the coding aws-chunked."""
        return self not in (Protection.HASHED, Protection.UNSIGNED)

    @property
    def signed_chunks(self) -> bool:
        return self in (Protection.SIGNED_CHUNKS, Protection.SIGNED_CHUNKS_TRAILER)

    @property
    def trailer(self) -> bool:
        return self in (Protection.SIGNED_CHUNKS_TRAILER, Protection.UNSIGNED_CHUNKS_TRAILER)


class SignedRequest(msgspec.Struct, frozen=True):
    """A request with a signature that nobody has verified yet.

    `time`, `expires_seconds`: presigned URLs count from `time`. `scope`: date, region, service and end.
    `sha256`: the hash of the body if the protection is HASHED, otherwise "".
    """

    access_key: str
    scope: str
    region: str
    time: datetime
    signature: str
    signed_headers: tuple[str, ...]
    protection: Protection
    sha256: str
    presigned: bool
    expires_seconds: int
    canonical_request: str
    string_to_sign: str


class ChunkKey(msgspec.Struct, frozen=True):
    """The values that sign the chunks of a body. `seed`: the signature of the request, which precedes the first."""

    key: bytes
    time: str
    scope: str
    seed: str

    def sign(self, kind: str, previous: str, *hashes: str) -> str:
        text = "\n".join((f"{ALGORITHM}-{kind}", self.time, self.scope, previous, *hashes))
        return hmac.digest(self.key, text.encode(), "sha256").hex()


class Payload(msgspec.Struct, frozen=True):
    """How the body of a verified request is protected. `chunk_key`: only if the chunks are signed."""

    protection: Protection
    sha256: str
    chunk_key: ChunkKey | None


def parse(method: str, raw_path: bytes, raw_query: bytes, headers: Iterable[Pair]) -> SignedRequest:
    """Return the signature of a request and the text that it must sign.

    `headers`: all headers of the request, in their order.
    Raises: S3Error, with AccessDenied if the request is not signed.
    """
    by_name: dict[str, list[bytes]] = {}
    for name, value in headers:
        by_name.setdefault(name.decode("latin-1").lower(), []).append(value)
    pairs = query_pairs(raw_query)
    presigned = is_presigned(pairs)
    if presigned and "authorization" in by_name:
        raise S3Error("InvalidArgument", "Sign the request in the header or in the query, but not in both.")
    fields = fields_of_query(pairs) if presigned else fields_of_header(by_name)
    if "x-amz-security-token" in by_name or (presigned and fields.token):
        raise S3Error("InvalidToken", "This server issues no session tokens: leave x-amz-security-token out.")
    _check_signed_headers(fields.signed_headers, by_name)
    content_sha256 = _content_sha256(by_name, fields)
    canonical = "\n".join(
        (
            method,
            canonical_path(raw_path),
            canonical_query([pair for pair in pairs if not presigned or pair[0] != b"X-Amz-Signature"]),
            *(f"{name}:{_value(by_name[name])}" for name in fields.signed_headers),
            "",
            ";".join(fields.signed_headers),
            content_sha256,
        )
    )
    hashed = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    protection = _protection(content_sha256)
    return SignedRequest(
        access_key=fields.access_key,
        scope=fields.scope,
        region=fields.region,
        time=parse_time(fields.time),
        signature=fields.signature,
        signed_headers=fields.signed_headers,
        protection=protection,
        sha256=content_sha256 if protection is Protection.HASHED else "",
        presigned=presigned,
        expires_seconds=fields.expires_seconds,
        canonical_request=canonical,
        string_to_sign=f"{ALGORITHM}\n{fields.time}\n{fields.scope}\n{hashed}",
    )


def verify(signed: SignedRequest, secret: str, now: datetime) -> Payload:
    """Return how the body is protected, if the secret has signed the request and `now` is within its time.

    Raises: S3Error (SignatureDoesNotMatch, RequestTimeTooSkewed, AccessDenied).
    """
    key = signing_key(secret, signed.scope)
    expected = hmac.digest(key, signed.string_to_sign.encode("latin-1"), "sha256").hex()
    if not hmac.compare_digest(expected, signed.signature):
        raise S3Error(
            "SignatureDoesNotMatch",
            "The signature is not that of this request. Check the secret, the path and the header Host: a proxy "
            "must keep both.",
            AWSAccessKeyId=signed.access_key,
            StringToSign=signed.string_to_sign[:MAX_SHOWN],
            SignatureProvided=signed.signature,
            CanonicalRequest=signed.canonical_request[:MAX_SHOWN],
        )
    _check_time(signed, now)
    if not signed.protection.signed_chunks:
        return Payload(signed.protection, signed.sha256, None)
    chunk_key = ChunkKey(key, f"{signed.time:%Y%m%dT%H%M%SZ}", signed.scope, expected)
    return Payload(signed.protection, "", chunk_key)


def signing_key(secret: str, scope: str) -> bytes:
    """Return the key that signs the requests of one day, region and service."""
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _check_signed_headers(signed_headers: tuple[str, ...], by_name: dict[str, list[bytes]]) -> None:
    missing = [name for name in signed_headers if name not in by_name]
    if missing:
        raise S3Error("AccessDenied", f"The signature names headers that did not arrive: {', '.join(missing)[:256]}.")
    unsigned = [name for name in by_name if name.startswith("x-amz-") and name not in signed_headers]
    if "host" not in signed_headers:
        unsigned.insert(0, "host")
    if unsigned:
        raise S3Error(
            "AccessDenied",
            "There were headers present in the request which were not signed.",
            HeadersNotSigned=", ".join(unsigned)[:MAX_SHOWN],
        )


def _content_sha256(by_name: dict[str, list[bytes]], fields: Fields) -> str:
    """Return the last line of the canonical request. In a presigned URL, it is UNSIGNED-PAYLOAD by default."""
    values = by_name.get("x-amz-content-sha256", [])
    if len(values) > 1:
        raise S3Error("InvalidArgument", "The header x-amz-content-sha256 is there twice.")
    if values:
        return _value(values)
    if fields.content_sha256:
        return fields.content_sha256
    raise S3Error("MissingSecurityHeader", "The header x-amz-content-sha256 is missing.")


def _protection(content_sha256: str) -> Protection:
    if HEX_SHA256.fullmatch(content_sha256):
        return Protection.HASHED
    if content_sha256.startswith("STREAMING-AWS4-ECDSA-"):
        raise S3Error("NotImplemented", f"This server does not support Signature Version 4A: sign with {ALGORITHM}.")
    try:
        if content_sha256 != Protection.HASHED:
            return Protection(content_sha256)
    except ValueError:
        pass
    raise S3Error(
        "InvalidArgument",
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a SHA-256 in "
        "lower case hexadecimal.",
        ArgumentName="x-amz-content-sha256",
    )


def _check_time(signed: SignedRequest, now: datetime) -> None:
    seconds = (now - signed.time).total_seconds()
    if signed.presigned:
        if seconds < -MAX_SKEW_SECONDS:
            raise S3Error("AccessDenied", "Request is not valid yet")
        if seconds > signed.expires_seconds:
            raise S3Error("AccessDenied", "Request has expired", ServerTime=_iso(now))
    elif abs(seconds) > MAX_SKEW_SECONDS:
        raise S3Error(
            "RequestTimeTooSkewed",
            "The difference between the time of the request and the time of the server is more than 15 minutes: set "
            "the clock.",
            RequestTime=_iso(signed.time),
            ServerTime=_iso(now),
            MaxAllowedSkewMilliseconds=str(MAX_SKEW_SECONDS * 1000),
        )


def _value(values: list[bytes]) -> str:
    """Return the values of one header, without spaces around them, and with single spaces inside."""
    return b",".join(b" ".join(value.split()) for value in values).decode("latin-1")


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
