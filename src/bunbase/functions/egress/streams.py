"""A connection that closes if its TLS handshake is cancelled, and that bounds the head of an answer.

httpcore closes a connection if its handshake fails, but not if the task is cancelled, for example by the end of a call.

The concern about heads: a server may send interim answers (1xx) without an end. httpcore skips them, and does not let
other tasks run while more bytes are available. Skipping an interim answer takes 90 µs, so 64 KiB of interim answers
stopped the whole server for 0.3 s, again and again. So this module reads a head in small pieces, and raises an error if
the head is too long.
"""

from __future__ import annotations

import ssl
from typing import Any, Final

import httpcore

# All heads of one answer have at most this size together. h11 limits a single head to 100 KiB.
MAX_HEAD_BYTES: Final = 128 << 10
HEAD_PIECE_BYTES: Final = 2048  # One piece contains at most 110 interim answers, which take 10 ms.


class PlainStream(httpcore.AsyncNetworkStream):
    def __init__(self, below: httpcore.AsyncNetworkStream) -> None:
        self.below = below
        # The head may still have this many bytes. The value is None while a body is read.
        self._head_bytes: int | None = MAX_HEAD_BYTES

    def begin_body(self) -> None:
        """Note that the head of the answer has arrived. The next write begins a new request."""
        self._head_bytes = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._head_bytes is None:
            return await self.below.read(max_bytes, timeout)
        if self._head_bytes <= 0:
            raise httpcore.RemoteProtocolError("the head of the answer is too long")
        piece = await self.below.read(min(max_bytes, HEAD_PIECE_BYTES), timeout)
        self._head_bytes -= len(piece)
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._head_bytes = MAX_HEAD_BYTES
        await self.below.write(buffer, timeout)

    async def aclose(self) -> None:
        await self.below.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            return PlainStream(await self.below.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            await self.below.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self.below.get_extra_info(info)
