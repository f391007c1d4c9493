"""The limit on data that the client's machine does not acknowledge, on real connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.http1.switching import switching
from bunbase.pkg.http1.unacknowledged import TCP_USER_TIMEOUT, limit_unacknowledged
from bunbase.pkg.http1.unsent import Unsent
from bunbase.pkg.websocket.connection import WebSocket
from bunbase.pkg.websocket.frames import text_frame
from tests.pkg.http1.door import App, Port, port, until
from tests.pkg.http1.test_switching import ASKS, head_of

pytestmark = pytest.mark.skipif(TCP_USER_TIMEOUT is None, reason="this platform has no such limit")
LARGE = bytes(8 << 20)


def limit_of(transport: asyncio.BaseTransport) -> int:
    """Return the limit of a connection in milliseconds."""
    found = transport.get_extra_info("socket")
    return int(found.getsockopt(socket.IPPROTO_TCP, cast(int, TCP_USER_TIMEOUT)))


@dataclass
class Streamer(App):
    """`/stream` sends the data of a test, with a limit of 7 s. `/socket` becomes a WebSocket with the same limit."""

    parts: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    transport: Any = None
    socket: Any = None
    told: list[str] = field(default_factory=list)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/socket":
            found = switching(scope)
            assert found is not None
            found.switch_to(WebSocket(1000, self._opened, 7))
            await send({"type": "http.response.start", "status": 101, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        incoming(scope).limit_unacknowledged(7)
        exchange: Any = incoming(scope)
        self.transport = exchange.protocol.transport
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while part := await self.parts.get():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _opened(self, opened: WebSocket) -> Any:
        self.socket, self.transport = opened, opened.transport
        return self

    def on_pause(self) -> None:
        self.told.append("pause")

    def on_resume(self) -> None:
        self.told.append("resume")

    def on_shutdown(self) -> None:
        self.socket.abort()

    def on_lost(self) -> None:
        self.told.append("lost")


@asynccontextmanager
async def streaming() -> AsyncIterator[tuple[Streamer, Port]]:
    app = Streamer()
    async with port(app) as opened:
        yield app, opened


async def test_a_streamed_answer_has_the_limit_until_it_ends_but_not_while_the_client_reads_slowly() -> None:
    async with streaming() as (app, opened), opened.connected() as client:
        client.send("GET /stream")
        await head_of(client)
        assert limit_of(app.transport) == 7000

        app.parts.put_nowait(LARGE)
        await until(lambda: limit_of(app.transport) == 0)
        left = len(LARGE)
        while left > 0:
            left -= len(await client.reader.read(1 << 20))
        await until(lambda: limit_of(app.transport) == 7000)

        app.parts.put_nowait(b"")
        await until(lambda: limit_of(app.transport) == 0)


async def test_a_websocket_has_the_limit_but_not_while_the_client_reads_slowly() -> None:
    async with streaming() as (app, opened), opened.connected() as client:
        client.send("GET /socket", *ASKS, "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==", "sec-websocket-version: 13")
        await head_of(client)
        assert limit_of(app.transport) == 7000

        app.socket.send(text_frame(LARGE))
        assert (app.told, limit_of(app.transport)) == (["pause"], 0)
        left = len(LARGE)
        while left > 0:
            left -= len(await client.reader.read(1 << 20))
        await until(lambda: "resume" in app.told)

        assert limit_of(app.transport) == 7000


async def test_the_kernel_ends_a_connection_whose_data_stays_unacknowledged() -> None:
    async with streaming() as (app, opened):
        with socket.create_connection(("127.0.0.1", opened.number)) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(b"GET /socket HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
            await until(lambda: app.socket is not None)
            limit_unacknowledged(app.transport, 0.2)
            # With this size, there is no pause, which would lift the limit.
            app.transport.set_write_buffer_limits(high=64 << 20)
            app.socket.send(text_frame(LARGE))

            await until(lambda: app.told == ["lost"])


class Closed:
    """The socket of a closed connection, as uvloop has it."""

    def setsockopt(self, *_given: object) -> None:
        raise ValueError("negative file descriptor")

    getsockopt = setsockopt


class ClosedTransport(asyncio.Transport):
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return Closed() if name == "socket" else default

    def get_write_buffer_size(self) -> int:
        return 10

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


async def test_a_connection_that_has_ended_has_no_limits_and_no_errors() -> None:
    transport = ClosedTransport()

    limit_unacknowledged(transport, 7)

    assert Unsent(transport, 7, 100).too_slow(1.0, whole=True) is False
