"""The bytes of a body: the coding aws-chunked is removed, and hashes and checksums are checked at the end."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Final

from bunbase.contracts.object_extras import Checksum
from bunbase.pkg.numbers import whole_number
from bunbase.pkg.pieces import Collector
from bunbase.pkg.s3.checksums import PREFIX, Algorithm, Announced, announced, check_md5, check_value, encoded
from bunbase.pkg.s3.chunked import Decoder, decoder
from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.signature import Protection
from bunbase.storage.routes.s3.call import S3Call

PIECE_BYTES: Final = 256 << 10  # a request has up to six times as much in memory, so this bounds that of parallel ones
MAX_LENGTH: Final = 2**63 - 1


class Body:
    """The body of one request. `length`: the number of bytes without the coding, or None if it is not declared.

    `pieces` yields the bytes, and at their end checks the credential again; `finish` then checks everything that the
    client has announced.
    """

    def __init__(self, call: S3Call, wanted: str = "", of_body: bool = True) -> None:
        """`wanted`: the algorithm of a checksum to compute, even if the client sends none. `of_body`: false if the
        headers of checksums are about something else than this body. Raises: S3Error.
        """
        self.call = call
        protection, headers = call.payload.protection, call.headers
        self.decoder: Decoder | None = decoder(call.payload, headers) if protection.chunked else None
        trailers = [name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",") if name.strip()]
        sent = headers if of_body else {name: headers[name] for name in headers if not name.startswith(PREFIX)}
        self.expected = announced(sent, trailers)
        self.length = _length(call, self.decoder)
        self.sha256 = hashlib.sha256() if protection is Protection.HASHED else None
        self.received = 0
        self.running = {one: one.new() for one in _algorithms(self.expected, wanted)}

    @property
    def md5(self) -> str:
        """The digest that the client has announced in Content-MD5, in hexadecimal digits, or ""."""
        return self.expected.md5.hex()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the bytes in pieces of at most PIECE_BYTES. Raises: S3Error, and the problems of the connection."""
        collector = Collector(PIECE_BYTES)
        async for data in self._received():
            for piece in collector.add(data):
                self._count(piece)
                yield piece
        if rest := collector.take():
            self._count(rest)
            yield rest

    def finish(self) -> dict[Algorithm, str]:
        """Return the checksums in base64, after checking the whole body. Raises: S3Error."""
        if self.sha256 is not None and not hmac.compare_digest(self.sha256.hexdigest(), self.call.payload.sha256):
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
        if self.length is not None and self.received != self.length:
            raise S3Error("IncompleteBody", f"{self.received} of {self.length} bytes arrived.")
        trailers = self.decoder.finish() if self.decoder is not None else {}
        computed = {one: encoded(running) for one, running in self.running.items()}
        algorithm = self.expected.algorithm
        if algorithm is not None:
            given = trailers.get(algorithm.header, "") if self.expected.in_trailer else self.expected.value
            if given or self.expected.in_trailer:
                check_value(algorithm, given, computed[algorithm])
        return computed

    async def whole(self, most: int) -> bytes:
        """Return a small body, after checking it. Raises: S3Error."""
        found = b""
        async for piece in self.pieces():
            found += piece
            if len(found) > most:
                raise S3Error("MalformedXML", f"The body has more than {most} bytes.")
        self.finish()
        check_md5(self.expected.md5, hashlib.md5(found, usedforsecurity=False).digest())
        return found

    def checksum(self, computed: dict[Algorithm, str]) -> Checksum | None:
        """Return the checksum to store with an object: that of the algorithm that the client has chosen."""
        algorithm = self.expected.algorithm
        return None if algorithm is None else Checksum(algorithm.value, computed[algorithm])

    def _count(self, piece: bytes) -> None:
        self.received += len(piece)
        for running in self.running.values():
            running.update(piece)

    async def _received(self) -> AsyncIterator[bytes | memoryview]:
        more = True
        while more:
            message = await self.call.receive()
            more = message.get("more_body", False)
            data = message.get("body", b"")
            if self.sha256 is not None:
                self.sha256.update(data)
            if self.decoder is None:
                yield data
            else:
                for piece in self.decoder.feed(data):
                    yield piece
        await self.call.check_again()  # a body may take hours, in which the credential may have been deleted


def _algorithms(sent: Announced, wanted: str) -> set[Algorithm]:
    found = {sent.algorithm} if sent.algorithm is not None else set()
    return found | {Algorithm(wanted)} if wanted else found


def _length(call: S3Call, chunks: Decoder | None) -> int | None:
    if chunks is not None:
        return chunks.decoded_bytes
    return whole_number(call.headers.get("content-length", ""), MAX_LENGTH)
