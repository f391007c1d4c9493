"""A request for a WebSocket: the app takes the connection over, or the connection continues as HTTP."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from bunbase.pkg.http1.connections import Connections
from bunbase.pkg.http1.switching import SwitchedProtocol, switching
from tests.pkg.http1.door import App, Client, port, respond, until

ASKS = ("connection: Upgrade", "upgrade: websocket")


class Echo(SwitchedProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"<" + data + b">")

    def shutdown(self) -> None:
        self.transport.close()


class Switcher(App):
    """Hands a connection over on `/switch`; on other paths it answers as App."""

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/switch":
            await super()._answer(scope, receive, send)
            return
        found = switching(scope)
        if found is None:
            await respond(send, 426, b"")
            return
        await asyncio.sleep(0.01)
        found.switch_to(Echo())
        headers = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 101, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


async def head_of(client: Client) -> bytes:
    return (await client.reader.readuntil(b"\r\n\r\n")).lower()


async def test_the_other_protocol_gets_the_connection_after_the_answer() -> None:
    async with port(Switcher()) as opened, opened.connected() as client:
        client.send("GET /early")
        assert await client.status() == 413  # An ordinary request comes first.
        client.send("GET /switch", *ASKS)
        head = await head_of(client)
        client.writer.write(b"hello")

        assert head.startswith(b"http/1.1 101 switching protocols\r\n")
        assert b"upgrade: websocket" in head
        assert b"transfer-encoding" not in head
        assert b"cache-control" not in head
        assert await client.reader.readexactly(7) == b"<hello>"


async def test_data_behind_the_head_forbids_the_hand_over() -> None:
    async with port(Switcher()) as opened, opened.connected() as client:
        client.send("GET /switch", *ASKS, body=b"\x81\x80\x00\x00\x00\x00")

        assert await client.status() == 426


async def test_without_a_hand_over_the_connection_goes_on_as_http() -> None:
    async with port(Switcher()) as opened, opened.connected() as client:
        client.send("GET /early", *ASKS)
        assert await client.status() == 413
        client.send("GET /early")

        assert await client.status() == 413


async def test_other_upgrades_and_old_versions_cannot_switch() -> None:
    async with port(Switcher()) as opened:
        async with opened.connected() as client:
            client.send("GET /switch", "connection: Upgrade", "upgrade: h2c")
            assert await client.status() == 426
        async with opened.connected() as client:
            client.send("GET /switch", *ASKS, version="1.0")
            assert await client.status() == 426


async def test_the_connection_is_counted_until_it_is_handed_over(monkeypatch: Any) -> None:
    doors: list[Connections] = []
    first = Connections.__init__

    def noting(self: Connections, *args: Any) -> None:
        first(self, *args)
        doors.append(self)

    monkeypatch.setattr(Connections, "__init__", noting)
    async with port(Switcher()) as opened:
        async with opened.connected() as client:
            client.send("GET /read")
            assert await client.status() == 200
            assert doors[0].open == 1

            client.send("GET /switch", *ASKS)
            await head_of(client)
            await until(lambda: doors[0].open == 0)

        assert (doors[0].open, doors[0].by_address) == (0, {})


async def test_a_server_that_stops_ends_the_other_protocol() -> None:
    async with port(Switcher()) as opened:
        connected = opened.connected()
        client = await connected.__aenter__()
        client.send("GET /switch", *ASKS)
        await head_of(client)

    assert await client.rest() == b""
    await connected.__aexit__(None, None, None)
