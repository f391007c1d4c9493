"""The limit on the data that the kernel holds for a client that does not read, on real connections."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.http1.kernel_buffer import TCP_NOTSENT_LOWAT
from bunbase.pkg.http1.switching import switching
from bunbase.pkg.websocket.connection import MAX_WAITING_BYTES, WebSocket
from bunbase.pkg.websocket.frames import text_frame
from tests.pkg.http1.door import App, port, until
from tests.pkg.http1.test_switching import ASKS

pytestmark = pytest.mark.skipif(TCP_NOTSENT_LOWAT is None, reason="this platform has no such limit")

SMALL_WINDOW = 4 << 10  # A client that does not read has this receive buffer.
MOST_HELD = 512 << 10  # Without a limit, the kernel takes some megabytes.
PART = text_frame(b"x" * 60_000)


class Sender(App):
    """`/socket` becomes a WebSocket, `/stream` a long answer. `sent`: the bytes that were written to one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self.socket: WebSocket | None = None
        self.paused = False

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/socket":
            found = switching(scope)
            assert found is not None
            found.switch_to(WebSocket(1000, self._opened))
            await send({"type": "http.response.start", "status": 101, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        incoming(scope).limit_kernel_buffer(MAX_WAITING_BYTES)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(200):
            self.sent += len(PART)
            await send({"type": "http.response.body", "body": PART, "more_body": True})

    def _opened(self, opened: WebSocket) -> Any:
        self.socket = opened
        return self

    def on_pause(self) -> None:
        self.paused = True

    def on_lost(self) -> None:
        """Do nothing."""


def stalled(number: int, path: str) -> socket.socket:
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW)
    opened.connect(("127.0.0.1", number))
    opened.sendall("\r\n".join([f"GET {path} HTTP/1.1", "host: test", *ASKS, "", ""]).encode())
    return opened


async def test_a_websocket_notices_soon_that_its_client_does_not_read() -> None:
    app = Sender()
    async with port(app) as opened:
        client = await asyncio.to_thread(stalled, opened.number, "/socket")
        await until(lambda: app.socket is not None)
        assert app.socket is not None
        while not app.paused and app.sent < 8 << 20:
            app.socket.send(PART)
            app.sent += len(PART)
            await asyncio.sleep(0)

        assert app.sent - app.socket.waiting_bytes <= MOST_HELD
        client.close()


async def test_a_stream_waits_soon_for_a_client_that_does_not_read() -> None:
    app = Sender()
    async with port(app) as opened:
        client = await asyncio.to_thread(stalled, opened.number, "/stream")
        await until(lambda: app.sent > 0)
        before = -1
        while before != app.sent:  # If many turns of the loop write nothing more, the answer waits for the client.
            before = app.sent
            for _ in range(200):
                await asyncio.sleep(0)

        assert app.sent <= MOST_HELD
        client.close()
