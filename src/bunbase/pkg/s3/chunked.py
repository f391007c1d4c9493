"""Bodies in the coding aws-chunked: chunks with or without signatures, and a trailer with a checksum.

    signed     SIZE;chunk-signature=HEX CRLF bytes CRLF … 0;chunk-signature=HEX CRLF [trailer] CRLF
    unsigned   SIZE CRLF bytes CRLF … 0 CRLF trailer CRLF
    trailer    x-amz-checksum-crc32:VALUE CRLF … [x-amz-trailer-signature:HEX CRLF]

The decoder passes the bytes on as they arrive, before the signature of their chunk is known. So the caller must not
use the object before `finish` has returned. The decoder keeps at most one line, whatever the size of a chunk is.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.signature import EMPTY_SHA256, Payload

CODING: Final = "aws-chunked"
MAX_LINE: Final = 1024  # a line of a chunk has about 90 bytes; a line of a trailer has a checksum
MAX_TRAILERS: Final = 8
MAX_OBJECT_BYTES: Final = 5 << 40
# A byte in a chunk of its own costs as much time as 10 KB in a large chunk: only some chunks may be small.
SMALL_CHUNKS: Final = 1024
MEAN_CHUNK_BYTES: Final = 1024
HEAD: Final = re.compile(rb"([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")
TRAILER_LINE: Final = re.compile(rb"([A-Za-z0-9-]{1,64})[ \t]*:[ \t]*([\x21-\x7e]{1,256})[ \t]*")
SIGNATURE_NAME: Final = "x-amz-trailer-signature"
LENGTH: Final = re.compile(r"[0-9]{1,15}")


class _At(enum.Enum):
    HEAD = "the line before a chunk"
    DATA = "the bytes of a chunk"
    AFTER_DATA = "the line end after a chunk"
    TRAILER = "the trailer"
    END = "the end"


class Decoder:
    """Decodes one body, piece by piece. `received`: the bytes of the object so far."""

    def __init__(self, payload: Payload, decoded_bytes: int, announced: tuple[str, ...]) -> None:
        """`decoded_bytes`: the size of the object. `announced`: the names in x-amz-trailer, in lower case."""
        self.decoded_bytes = decoded_bytes
        self.received = 0
        self.trailers: dict[str, str] = {}
        self._announced = announced
        self._has_trailer = payload.protection.trailer
        self._key = payload.chunk_key
        self._previous = payload.chunk_key.seed if payload.chunk_key else ""
        self._at = _At.HEAD
        self._line = bytearray()
        self._left = 0
        self._chunks = 0
        self._hash = hashlib.sha256()
        self._signature = ""
        self._after_bare_lf = False  # Amazon's example ends a line of the trailer with LF, and then CRLF

    def feed(self, data: bytes) -> list[memoryview]:
        """Return the pieces of the object in `data`. Raises: S3Error."""
        pieces: list[memoryview] = []
        view, at = memoryview(data), 0
        while at < len(view):
            if self._at is _At.END:
                raise S3Error("IncompleteBody", "The body goes on after its last chunk.")
            if self._at is _At.DATA:
                piece = view[at : at + self._left]
                at += len(piece)
                self._take(piece)
                pieces.append(piece)
            else:
                at = self._read_line(data, at)
        return pieces

    def finish(self) -> dict[str, str]:
        """Return the trailer by names in lower case, at the end of the body.

        Raises: S3Error (IncompleteBody, MalformedTrailerError).
        """
        if self._at is not _At.END:
            raise S3Error("IncompleteBody", f"The body ended in the middle of {self._at.value}.")
        if self.received != self.decoded_bytes:
            raise S3Error("IncompleteBody", "The chunks have fewer bytes than x-amz-decoded-content-length.")
        return self.trailers

    def _take(self, piece: memoryview) -> None:
        self._left -= len(piece)
        self.received += len(piece)
        if self._key:
            self._hash.update(piece)
        if not self._left:
            self._at = _At.AFTER_DATA

    def _read_line(self, data: bytes, at: int) -> int:
        """Read up to the end of a line, and handle the line if it is complete. Return the next position."""
        end = data.find(b"\n", at, at + MAX_LINE)
        stop = len(data) if end < 0 else end + 1
        if len(self._line) + stop - at > MAX_LINE:
            raise S3Error("IncompleteBody", f"A line of the chunked body is longer than {MAX_LINE} bytes.")
        self._line += data[at:stop]
        if end >= 0:
            line = bytes(self._line)
            self._line.clear()
            self._handle(line)
        return stop

    def _handle(self, line: bytes) -> None:
        if self._after_bare_lf and line == b"\r\n":
            self._after_bare_lf = False
            return
        self._after_bare_lf = line.endswith(b"\n") and not line.endswith(b"\r\n")
        if not line.endswith(b"\r\n") and self._at is not _At.TRAILER:
            raise S3Error("IncompleteBody", f"The line end after {self._at.value} must be CRLF.")
        text = line.rstrip(b"\r\n")
        match self._at:
            case _At.HEAD:
                self._begin_chunk(text)
            case _At.AFTER_DATA:
                if text:
                    raise S3Error("IncompleteBody", "A chunk is longer than its size says.")
                self._check_chunk()
                self._at = _At.HEAD
            case _At.TRAILER if text:
                self._add_trailer(text)
            case _:
                self._end_trailer()

    def _begin_chunk(self, text: bytes) -> None:
        match = HEAD.fullmatch(text)
        if match is None or (match[2] is None) is not (self._key is None):
            signature = ";chunk-signature=HEX" if self._key else ""
            raise S3Error("IncompleteBody", f"The line before a chunk must have the form SIZE{signature}.")
        self._left = int(match[1], 16)
        self._signature = (match[2] or b"").decode()
        if self._left > self.decoded_bytes - self.received:
            raise S3Error("IncompleteBody", "The chunks have more bytes than x-amz-decoded-content-length.")
        self._chunks += 1
        if self._chunks > SMALL_CHUNKS + self.received // MEAN_CHUNK_BYTES:
            raise S3Error("InvalidChunkSizeError", "The chunks are too small: send at least 8192 bytes in each chunk.")
        if self._left:
            self._at = _At.DATA
        else:
            self._check_chunk()
            self._at = _At.TRAILER

    def _check_chunk(self) -> None:
        if self._key is None:
            return
        expected = self._key.sign("PAYLOAD", self._previous, EMPTY_SHA256, self._hash.hexdigest())
        _compare(expected, self._signature, "a chunk")
        self._previous = expected
        self._hash = hashlib.sha256()

    def _add_trailer(self, text: bytes) -> None:
        match = TRAILER_LINE.fullmatch(text)
        if match is None or not self._has_trailer or len(self.trailers) >= MAX_TRAILERS:
            raise S3Error("MalformedTrailerError", "The trailer must have lines of the form NAME:VALUE.")
        name = match[1].decode().lower()
        expected = name in self._announced or (name == SIGNATURE_NAME and self._key is not None)
        if not expected or name in self.trailers or SIGNATURE_NAME in self.trailers:
            raise S3Error("MalformedTrailerError", f"The trailer has {name}, which x-amz-trailer does not announce.")
        self.trailers[name] = match[2].decode()

    def _end_trailer(self) -> None:
        signature = self.trailers.pop(SIGNATURE_NAME, "")
        missing = [name for name in self._announced if name not in self.trailers]
        if missing and self._has_trailer:
            raise S3Error("MalformedTrailerError", f"The trailer has no {', '.join(missing)[:256]}.")
        if self._has_trailer and self._key:
            lines = "".join(f"{name}:{value}\n" for name, value in sorted(self.trailers.items()))
            hashed = hashlib.sha256(lines.encode()).hexdigest()
            _compare(self._key.sign("TRAILER", self._previous, hashed), signature, "the trailer")
        self._at = _At.END


def decoder(payload: Payload, headers: Mapping[str, str]) -> Decoder:
    """Return the decoder of a body. `headers`: the first value of each header, by its name in lower case.

    Raises: S3Error (MissingContentLength, EntityTooLarge, InvalidRequest).
    """
    length = headers.get("x-amz-decoded-content-length", "")
    if not LENGTH.fullmatch(length):
        raise S3Error("MissingContentLength", "A chunked body needs its size in x-amz-decoded-content-length.")
    if int(length) > MAX_OBJECT_BYTES:
        raise S3Error("EntityTooLarge", "An object can have at most 5 TiB.")
    names = tuple(name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",") if name.strip())
    if len(names) > MAX_TRAILERS or (names and not payload.protection.trailer):
        raise S3Error("InvalidRequest", "x-amz-trailer needs a body whose x-amz-content-sha256 ends with -TRAILER.")
    return Decoder(payload, int(length), names)


def without_coding(content_encoding: str) -> str:
    """Return the value of Content-Encoding to store: without `aws-chunked`, which ends at the server."""
    codings = (coding.strip() for coding in content_encoding.split(","))
    return ", ".join(coding for coding in codings if coding and coding.lower() != CODING)


def _compare(expected: str, given: str, what: str) -> None:
    if not hmac.compare_digest(expected, given):
        raise S3Error("SignatureDoesNotMatch", f"The signature of {what} is not that of its bytes.")
