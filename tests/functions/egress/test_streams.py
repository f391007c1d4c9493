"""A connection is closed if its TLS handshake is cancelled."""

from __future__ import annotations

import asyncio
import ssl

import httpcore
import pytest

from bunbase.functions.egress.streams import PlainStream


async def test_a_cancelled_handshake_closes_the_connection() -> None:
    closed, greeted = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        greeted.set()
        while await reader.read(65536):
            pass
        closed.set()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        stream = PlainStream(await httpcore.AnyIOBackend().connect_tcp(host, port))
        handshake = asyncio.create_task(stream.start_tls(ssl.create_default_context(), "example.com"))
        await greeted.wait()

        handshake.cancel()

        with pytest.raises(asyncio.CancelledError):
            await handshake
        async with asyncio.timeout(5):
            await closed.wait()
