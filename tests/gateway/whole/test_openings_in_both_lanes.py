"""Both lanes open and refuse a WebSocket with equal bytes; unusual requests go to the ordinary lane."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bunbase.gateway import record as recording
from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.settings import GatewaySettings
from bunbase.pkg import metrics
from bunbase.pkg.websocket.connection import WebSocket
from tests.gateway.lanes import Connection, Reply, Served, request, served
from tests.gateway.others import PUBLISHABLE
from tests.pkg.waiting import eventually

LINE = "GET /v1/live"
SAMPLE = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 §1.3 has this key, and the answer to it.
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
KEY = f"sec-websocket-key: {SAMPLE}"
VERSION = "sec-websocket-version: 13"
UPGRADE = "upgrade: websocket"
SWITCH = "connection: Upgrade"
OURS = "sec-websocket-protocol: bunbase.live.v1"
ALL = (UPGRADE, SWITCH, KEY, VERSION, OURS)
CLOSED = re.compile(rb"\x88.\x03\xf4restart$")  # The close code is 1012.
AGAIN = b"\x88\x80\x00\x00\x00\x00"  # This is a close frame.

Headers = tuple[str, ...]

# The fast lane opens the WebSocket for these requests.
HOT: list[tuple[str, Headers]] = [
    (LINE, ALL),
    (LINE, (UPGRADE, SWITCH, KEY, VERSION)),
    (LINE, ("upgrade: WebSocket", "connection: keep-alive, upgrade", KEY, VERSION, OURS)),
    (LINE, (*ALL[:-1], "sec-websocket-protocol: other, bunbase.live.v1")),
    (LINE, (*ALL, "sec-websocket-extensions: permessage-deflate; client_max_window_bits")),
    (LINE, (*ALL, "sec-websocket-extensions: =")),
    (LINE, (*ALL, "origin: https://app.example")),
    (LINE, (*ALL, "origin: https://APP.example", "host: app.example")),
    (LINE, (*ALL, "origin: http://test")),
    (LINE, (*ALL, "origin:")),
    (LINE, (*ALL, "accept: */*", "user-agent: tests", "x-request-id: a-trace-from-before")),
    (LINE, (*ALL, "x-request-id: no good")),
    (LINE, (*ALL, "cookie: a=b", "cookie: c=d", "authorization: Bearer nothing", "pragma: no-cache")),
    (LINE, (*ALL, "x-forwarded-for: 203.0.113.9, 127.0.0.1")),
]

# The ordinary lane opens the WebSocket for these requests, or refuses.
ORDINARY: list[tuple[str, Headers]] = [
    ("GET /v1/live/", ALL),
    ("GET /v1//live", ALL),
    ("GET /v1/liv%65", ALL),
    ("GET /v1/live?", ALL),
    ("GET /v1/live?key=pk_1", ALL),
    ("GET /v1/live?ticket=a&ticket=b", ALL),
    ("GET http://test/v1/live", ALL),
    ("GET /v1/live#a", ALL),
    ("GET /v1/lives", ALL),
    ("POST /v1/live", ALL),
    ("HEAD /v1/live", ALL),
    ("DELETE /v1/live", ALL),
    (LINE, ()),
    (LINE, (SWITCH, KEY, VERSION, OURS)),
    (LINE, (UPGRADE, KEY, VERSION, OURS)),
    (LINE, ("upgrade: h2c", *ALL[1:])),
    (LINE, ("upgrade: websocket, h2c", *ALL[1:])),
    (LINE, (UPGRADE, *ALL)),
    (LINE, (UPGRADE, "connection: close, upgrade", KEY, VERSION, OURS)),
    (LINE, (UPGRADE, SWITCH, VERSION, OURS)),
    (LINE, (UPGRADE, SWITCH, "sec-websocket-key: AAAA", VERSION, OURS)),
    (LINE, (UPGRADE, SWITCH, "sec-websocket-key: !!!!IHNhbXBsZSBub25jZQ==", VERSION, OURS)),
    (LINE, (UPGRADE, SWITCH, f"sec-websocket-key: {SAMPLE} {SAMPLE}", VERSION, OURS)),
    (LINE, (*ALL, KEY)),
    (LINE, (UPGRADE, SWITCH, KEY, OURS)),
    (LINE, (UPGRADE, SWITCH, KEY, "sec-websocket-version: 8", OURS)),
    (LINE, (UPGRADE, SWITCH, KEY, VERSION, VERSION, OURS)),
    (LINE, (UPGRADE, SWITCH, KEY, VERSION, "sec-websocket-protocol: other")),
    (LINE, (UPGRADE, SWITCH, KEY, VERSION, "sec-websocket-protocol:")),
    (LINE, (UPGRADE, SWITCH, KEY, VERSION, "sec-websocket-protocol: bunbase.live.v1;")),
    (LINE, (*ALL, OURS)),
    (LINE, (*ALL, "accept: text/event-stream")),
    (LINE, (*ALL, "accept: */*", "accept: Text/Event-Stream")),
    (LINE, (*ALL, "origin: https://stranger.example")),
    (LINE, (*ALL, "origin: null")),
    (LINE, (*ALL, "origin: http://[")),
    (LINE, (*ALL, "origin: http://a]b")),
    (LINE, (*ALL, "origin: https://app.example", "origin: https://app.example")),
    (LINE, (*ALL, "x-bunbase-as: usr_eve")),
    (LINE, (*ALL, "x-bunbase-explain: true")),
    (LINE, (*ALL, "content-length: 0")),
    (LINE, (*ALL, "expect: 100-continue")),
    (LINE, (*ALL, "x-forwarded-for: 203.0.113.9", "x-forwarded-for: 127.0.0.1")),
    (LINE, (*ALL, "host: [")),
    (LINE, (*ALL, "x-long: " + "x" * (70 << 10))),
]


@pytest.fixture
async def lanes(tmp_path: Path) -> AsyncIterator[tuple[Served, Served]]:
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(
                served(tmp_path / str(fast), settings_of(fast), functions_host="*.fn.example.com")
            )
            for fast in (True, False)
        ]
        yield opened[0], opened[1]


def settings_of(fast: bool, **more: Any) -> GatewaySettings:
    return GatewaySettings(cors_origins=("https://app.example", "https://APP.example"), fast_lane=fast, **more)


def head(line: str, headers: Headers) -> bytes:
    sent = request(line, *headers)
    return sent.replace(b"host: test\r\n", b"", 1) if any(one.startswith("host:") for one in headers) else sent


async def reply_to(lane: Served, line: str, headers: Headers) -> Reply:
    async with lane.connected() as connection:
        connection.send(head(line, headers))
        reply = await connection.reply(to_head=line.startswith("HEAD "))
        if reply.status == 101:  # This shows that the WebSocket works.
            connection.send(AGAIN)
            assert (await connection.ended())[:1] == b"\x88"
        return reply


@pytest.mark.parametrize(("table", "taken"), [(HOT, 1), (ORDINARY, 0)])
async def test_both_lanes_open_and_refuse_with_equal_bytes(
    lanes: tuple[Served, Served], table: list[tuple[str, Headers]], taken: int
) -> None:
    fast, ordinary = lanes

    for line, headers in table:
        before = fast.openings.taken
        here, there = await reply_to(fast, line, headers), await reply_to(ordinary, line, headers)

        assert here.settled() == there.settled(), (line, headers)
        assert here.status < 500 or here.status == 501, (line, headers)
        assert fast.openings.taken - before == taken, (line, headers)
        assert (here.status == 101) >= bool(taken), (line, headers)
        assert here.header("x-request-id"), (line, headers)
        if "x-request-id: a-trace-from-before" in headers:
            assert here.header("x-request-id") == there.header("x-request-id") == "a-trace-from-before"


async def test_the_answer_to_the_sample_of_the_standard_is_right(lanes: tuple[Served, Served]) -> None:
    for lane in lanes:
        reply = await reply_to(lane, LINE, ALL)

        assert reply.header("sec-websocket-accept") == ACCEPT
        assert reply.header("sec-websocket-protocol") == "bunbase.live.v1"


async def test_hosts_of_projects_have_no_live_connections(lanes: tuple[Served, Served]) -> None:
    fast, ordinary = lanes
    headers = (*ALL, "host: shop.fn.example.com")

    here, there = await reply_to(fast, LINE, headers), await reply_to(ordinary, LINE, headers)

    assert here.settled() == there.settled()
    assert (here.status, fast.openings.taken) != (101, 1)


@pytest.mark.parametrize("behind", [b"\x81\x80\x00\x00\x00\x00", b"GET /api/health HTTP/1.1\r\nhost: test\r\n\r\n"])
async def test_data_behind_the_head_makes_both_lanes_refuse(lanes: tuple[Served, Served], behind: bytes) -> None:
    replies = []
    for lane in lanes:
        async with lane.connected() as connection:
            connection.send(head(LINE, ALL) + behind)
            replies.append((await connection.reply()).settled())
            assert await connection.ended() == b""

    assert replies[0] == replies[1]
    assert replies[0][0] == 426


async def test_a_head_in_pieces_is_opened_by_the_fast_lane(lanes: tuple[Served, Served]) -> None:
    fast, _ = lanes
    async with fast.connected() as connection:
        for byte in head(LINE, ALL):
            connection.send(bytes([byte]))
            await connection.writer.drain()
            await asyncio.sleep(0)

        assert (await connection.reply()).status == 101
    assert fast.openings.taken == 1


async def test_an_opening_waits_for_the_answers_before_it(lanes: tuple[Served, Served]) -> None:
    for lane in lanes:
        async with lane.connected() as connection:
            connection.send(request("GET /api/health") * 2 + head(LINE, ALL))

            assert [(await connection.reply()).status for _ in range(3)] in ([200, 200, 101], [200, 200, 426])
    assert lanes[0].openings.taken == 0


async def test_after_answers_of_the_fast_lane_a_connection_becomes_a_websocket(lanes: tuple[Served, Served]) -> None:
    fast, _ = lanes
    await fast.warm()
    async with fast.connected() as connection:
        read = await connection.ask("GET /v1/data/posts/d1", f"x-bunbase-key: {PUBLISHABLE}")
        assert read.status == 404
        connection.send(head(LINE, ALL))
        assert (await connection.reply()).status == 101
        assert await signed_in(connection)
    assert fast.openings.taken == 1


async def test_both_lanes_take_a_sign_in_over_the_new_websocket(lanes: tuple[Served, Served]) -> None:
    for lane in lanes:
        async with lane.connected() as connection:
            connection.send(head(LINE, ALL))
            assert (await connection.reply()).status == 101

            assert await signed_in(connection)


async def answered_close(connection: Connection) -> bytes:
    """Return all bytes up to the server's close frame, and answer this frame."""
    told = b""
    async with asyncio.timeout(10):
        while not CLOSED.search(told):
            told += await connection.reader.read(1000)
    connection.send(AGAIN)
    return told


async def signed_in(connection: Connection) -> bool:
    connection.send(text_frame({"t": "auth", "key": PUBLISHABLE}))
    async with asyncio.timeout(10):
        return b'"t":"hello"' in await connection.reader.readuntil(b"}")


def text_frame(message: dict[str, Any]) -> bytes:
    data = json.dumps(message).encode()
    return bytes([0x81, 0x80 | len(data)]) + bytes(4) + data


async def test_both_lanes_count_log_and_measure_an_opening_alike(
    lanes: tuple[Served, Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[Any, ...]] = []

    class Noted:
        def __init__(self, *said: Any) -> None:
            self.said = said

        def write(self, _milliseconds: float, request_id: str) -> None:
            found.append((*self.said, request_id))

    monkeypatch.setattr(recording, "_line", Noted)
    counted = metrics.http_requests.of("GET", "/v1/live", 101).count
    for lane in lanes:
        await reply_to(lane, LINE, (*ALL, "x-request-id: trace-of-this-test"))

    await eventually(lambda: len(found) == 2)
    assert found[0] == found[1] == ("GET", "/v1/live", 101, "anonymous", "", "", "", "trace-of-this-test")
    assert metrics.http_requests.of("GET", "/v1/live", 101).count == counted + 2


@pytest.mark.parametrize("fast", [True, False])
async def test_both_lanes_refuse_an_opening_above_the_limits(tmp_path: Path, fast: bool) -> None:
    limit = 3
    live = LiveSettings(max_connections_per_address=limit)
    async with served(tmp_path, settings_of(fast), live=live) as lane, AsyncExitStack() as stack:
        for _ in range(limit):
            connection = await stack.enter_async_context(lane.connected())
            connection.send(head(LINE, ALL))
            assert (await connection.reply()).status == 101

        refused = await reply_to(lane, LINE, ALL)

        assert (refused.status, b"too_many_live_connections" in refused.body) == (429, True)
        assert lane.openings.taken == (limit if fast else 0)


async def test_openings_that_waited_for_their_turn_are_refused_above_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When their heads were read, the limits allowed all of them."""
    limit, sent = 3, 20
    live = LiveSettings(max_connections_per_address=limit)
    async with served(tmp_path, settings_of(True), live=live) as lane, AsyncExitStack() as stack:
        held: list[Callable[[], None]] = []
        monkeypatch.setattr(lane.openings, "soon", held.append)
        connections = [await stack.enter_async_context(lane.connected()) for _ in range(sent)]
        for connection in connections:
            connection.send(head(LINE, ALL))
        await eventually(lambda: len(held) == sent)
        for act in held:
            act()
        replies = [await connection.reply() for connection in connections]

        assert lane.openings.taken == sent
        assert sorted(reply.status for reply in replies) == [101] * limit + [429] * (sent - limit)
        assert all(b"too_many_live_connections" in reply.body for reply in replies if reply.status == 429)


async def test_openings_at_once_in_the_ordinary_lane_are_refused_above_the_limits(tmp_path: Path) -> None:
    limit, sent = 3, 20
    live = LiveSettings(max_connections_per_address=limit)
    async with served(tmp_path, settings_of(False), live=live) as lane, AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(lane.connected()) for _ in range(sent)]
        for connection in connections:
            connection.send(head(LINE, ALL))
        replies = [await connection.reply() for connection in connections]

        assert sorted(reply.status for reply in replies) == [101] * limit + [429] * (sent - limit)


@pytest.mark.parametrize("fast", [True, False])
async def test_a_stopping_server_closes_websockets_of_both_lanes_in_order(tmp_path: Path, fast: bool) -> None:
    async with served(tmp_path, settings_of(fast)) as lane:
        reader, writer = await asyncio.open_connection(*lane.address)
        connection = Connection(reader, writer)
        connection.send(head(LINE, ALL))
        assert (await connection.reply()).status == 101
        leaving = asyncio.create_task(answered_close(connection))

    told = await leaving
    connection.close()
    assert b'"code":"restart"' in told


async def test_openings_beyond_a_slice_wait_for_the_next_iteration_and_all_are_opened(
    lanes: tuple[Served, Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of clients that come back in one iteration of the loop must not hold up all other requests."""
    fast, _ = lanes
    fast.openings.at_once = fast.openings.left = 3
    turns: list[int] = []
    first = WebSocket.connection_made

    def noting(self: WebSocket, transport: asyncio.BaseTransport) -> None:
        turns.append(fast.openings.turns)
        first(self, transport)

    monkeypatch.setattr(WebSocket, "connection_made", noting)
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(fast.connected()) for _ in range(40)]
        for connection in connections:
            connection.send(head(LINE, ALL))
        replies = [await connection.reply() for connection in connections]

    assert {reply.status for reply in replies} == {101}
    assert len(turns) == 40
    assert max(turns.count(turn) for turn in turns) <= fast.openings.at_once
