"""A connection that closes if its TLS handshake is cancelled.

httpcore closes a connection if its handshake fails, but not if the task is cancelled, for example by the end of a call.
"""

from __future__ import annotations

import ssl
from typing import Any

import httpcore


class PlainStream(httpcore.AsyncNetworkStream):
    def __init__(self, below: httpcore.AsyncNetworkStream) -> None:
        self.below = below

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self.below.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self.below.write(buffer, timeout)

    async def aclose(self) -> None:
        await self.below.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await self.below.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self.below.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self.below.get_extra_info(info)
