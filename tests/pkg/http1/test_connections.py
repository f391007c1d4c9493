"""Limits of connections, and clients that keep a connection without using it."""

from __future__ import annotations

import asyncio
import resource
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest

from bunbase.pkg.http1.connections import Connections
from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.http1.limits import Limits, raise_descriptors
from tests.pkg.http1.door import LARGE, SECONDS, Client, Port, port, until
from tests.pkg.http1.test_switching import ASKS, Switcher

SHORT_ENDS = {"linger_silence_seconds": 0.1, "refused_seconds": 0.1}


class Answering:
    """A connection whose request is being answered."""

    def make_room(self) -> bool:
        return False


BUSY = Answering()
# Clients send these bytes to hold their places.
HOLDS = {
    "nothing": b"",
    "half a head": b"GET /read HTTP/1.1\r\nhost: t",
    "half a body": b"POST /read HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\nx",
    "a request, and no other": b"GET /read HTTP/1.1\r\nhost: test\r\n\r\n",
    "requests, and reads no answer": b"GET /large HTTP/1.1\r\nhost: test\r\n\r\n" * 3,
}


async def served_now(open_port: Port) -> bool:
    async with open_port.connected() as client:
        client.send("GET /read")
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            return await client.status() == 200
        return False


async def test_many_stalled_bodies_of_one_address_do_not_block_other_clients() -> None:
    """The test scales 1,600 connections from one address down to 160."""
    async with (
        port(
            connections=60,
            per_address=40,
            refused_at_once=8,
            read_seconds=0.5,
            linger_silence_seconds=0.1,
            refused_seconds=0.1,
        ) as open_port,
        open_port.connected() as before,
        AsyncExitStack() as attack,
    ):
        before.send("GET /read")
        assert await before.status() == 200
        attackers: list[Client] = []
        for _ in range(160):
            client = await attack.enter_async_context(open_port.connected())
            client.send("POST /read", "content-length: 100", body=b"x")
            attackers.append(client)
        await until(lambda: open_port.app.begun >= 40)

        before.send("GET /read")
        assert await before.status() == 200
        async with open_port.connected("127.0.0.2") as other:
            other.send("GET /read")
            assert await other.status() == 200
        ends = await asyncio.gather(*(client.rest() for client in attackers), return_exceptions=True)
        answers = [end[9:12] if isinstance(end, bytes) else b"" for end in ends]
        assert answers.count(b"408") >= 39
        assert answers.count(b"503") > 0
        async with asyncio.timeout(SECONDS):
            while not await served_now(open_port):
                pass


@pytest.mark.parametrize("sent", HOLDS.values(), ids=HOLDS)
async def test_silent_connections_of_a_few_addresses_shut_the_port_for_nobody_else(sent: bytes) -> None:
    async with port(connections=30, per_address=10) as open_port, AsyncExitStack() as attack:
        sources = [f"127.0.0.{number}" for number in (2, 3, 4) for _ in range(10)]
        for source in sources:
            holding = await attack.enter_async_context(open_port.connected(source))
            holding.writer.write(sent)
            await holding.writer.drain()
        began = sent.count(b"\r\n\r\n") > 0
        await until(lambda: open_port.app.begun >= began * len(sources))

        for number in range(8):
            other = await attack.enter_async_context(open_port.connected(f"127.0.1.{number}"))
            other.send("GET /read")
            assert await other.status() == 200


async def test_a_request_that_is_being_answered_keeps_its_place() -> None:
    async with port(connections=2, per_address=2) as open_port, AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(open_port.connected()) for _ in range(2)]
        for client in (first, second):
            client.send("GET /wait")
        await until(lambda: open_port.app.begun == 2)
        assert not await served_now_from(open_port, "127.0.0.2")

        open_port.app.go_on.set()
        assert [await client.status() for client in (first, second)] == [200, 200]


async def served_now_from(open_port: Port, source: str) -> bool:
    async with open_port.connected(source) as client:
        client.send("GET /read")
        return await client.status() == 200


async def test_a_connection_beyond_the_limit_gets_503_with_retry_after() -> None:
    async with port(connections=1) as open_port, open_port.connected() as first, open_port.connected() as second:
        first.send("GET /read")
        assert await first.status() == 200
        answer = await second.rest()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1\r\n" in answer
    assert b"connection: close\r\n" in answer
    assert b'"too_many_connections"' in answer


async def test_a_blocking_client_beyond_the_limit_can_read_the_503() -> None:
    async with port(connections=1) as open_port, open_port.connected() as first, open_port.connected() as second:
        first.send("GET /read")
        second.send("GET /read")

        assert await second.status() == 503


async def test_a_closed_connection_no_longer_counts_for_the_limit() -> None:
    async with port(connections=2, per_address=1) as open_port:
        for _ in range(10):
            async with open_port.connected() as client:
                client.send("GET /read", "connection: close")
                assert await client.status() == 200
                assert await client.rest() == b""


def test_connections_are_counted_per_network_and_those_of_proxies_only_in_total() -> None:
    places = Connections(Limits(connections=5, per_address=1, unlimited=("10.0.0.1",)))

    three = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
    assert [places.admit(address, BUSY) for address in three] == [True, False, True]
    assert [places.admit("10.0.0.1", BUSY) for _ in range(4)] == [True, True, True, False]
    places.leave("2001:db8::1", BUSY)
    assert [places.admit("2001:db8::3", BUSY), places.admit("192.0.2.1", BUSY)] == [True, False]
    for address in ("2001:db8::3", "2001:db8:0:1::1", *["10.0.0.1"] * 3):
        places.leave(address, BUSY)
    assert (places.open, places.by_address, len(places.crowd)) == (0, {}, 0)


def test_a_proxy_is_recognised_by_its_ipv4_mapped_address() -> None:
    """A server that listens at `::` sees IPv4 as ::ffff:10.0.0.1."""
    places = Connections(Limits(connections=5, per_address=1, unlimited=("10.0.0.1",)))

    assert [places.admit("::ffff:10.0.0.1", BUSY) for _ in range(3)] == [True] * 3
    assert [places.admit("::ffff:10.0.0.2", BUSY), places.admit("10.0.0.2", BUSY)] == [True, False]


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(1024, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, changed: limits.append(changed))

    assert raise_descriptors() == 4096
    assert raise_descriptors() == 4096
    assert limits == [(1024, 4096), (4096, 4096)]


def test_the_number_of_refusals_at_once_has_a_limit() -> None:
    places = Connections(Limits(refused_at_once=2))

    assert [places.refuse() for _ in range(3)] == [True, True, False]
    places.forget()
    assert places.refuse()


@pytest.mark.parametrize(
    ("descriptors", "connections", "per_address"), [(100_000, 4096, 512), (1500, 750, 187), (2, 1, 1)]
)
def test_connection_limits_are_reduced_to_the_number_of_descriptors(
    descriptors: int, connections: int, per_address: int
) -> None:
    fitting = Limits().fitting(descriptors)

    assert (fitting.connections, fitting.per_address) == (connections, per_address)


async def test_a_connection_without_a_request_is_closed_without_an_answer() -> None:
    async with port(read_seconds=0.05) as open_port, open_port.connected() as client:
        assert await client.rest() == b""


@pytest.mark.parametrize(
    "beginning", [b"G", b"GET /read HTTP/1.1\r\nhost: a\r\nx", b"GET /read HTTP/1.1\r\nhost: a\r\n"]
)
async def test_a_request_head_that_stalls_gets_408(beginning: bytes) -> None:
    async with port(read_seconds=0.05) as open_port, open_port.connected() as client:
        client.writer.write(beginning)

        assert await client.status() == 408
        assert await client.rest() == b""


async def test_blank_lines_do_not_keep_a_connection_open() -> None:
    async with port(read_seconds=0.1) as open_port, open_port.connected() as client:
        ended = asyncio.ensure_future(client.rest())
        while not ended.done():
            client.writer.write(b"\r\n")
            await asyncio.sleep(0.02)

        with suppress(ConnectionError):  # A blank line was sent after the server had closed.
            assert await ended == b""


async def test_an_idle_connection_is_closed() -> None:
    async with port(idle_seconds=0.05) as open_port, open_port.connected() as client:
        client.send("GET /read")
        assert await client.status() == 200

        assert await client.rest() == b""


@pytest.mark.parametrize("path", ["/large", "/stream"])
@pytest.mark.parametrize("close", [True, False])
async def test_a_client_that_does_not_read_its_answer_is_disconnected(path: str, close: bool) -> None:
    async with port(write_seconds=0.2, connections=1) as open_port, open_port.connected() as client:
        client.send(f"GET {path}", *(["connection: close"] if close else []))
        await until(lambda: open_port.app.begun)
        async with asyncio.timeout(SECONDS):
            while not await served_now(open_port):  # The server no longer counts the connection.
                pass


async def test_a_client_that_reads_slowly_but_steadily_gets_the_whole_answer() -> None:
    async with port(write_seconds=0.3, bytes_per_second=1000) as open_port, open_port.connected() as client:
        client.send("GET /large")
        await client.reader.readuntil(b"\r\n\r\n")
        got = 0
        async with asyncio.timeout(20):
            while got < LARGE:
                got += len(await client.reader.read(1 << 17))
                await asyncio.sleep(0.02)

        assert got == LARGE


async def test_bytes_after_a_request_with_connection_close_are_not_parsed() -> None:
    async with port() as open_port, open_port.connected() as client:
        client.send("POST /read", "connection: close", "content-length: 0")
        client.send("POST /read", "content-length: 6", body=b"canary")

        assert await client.status() == 200
        assert await client.rest() == b""
        assert open_port.app.bodies == [b""]


async def test_a_malformed_request_after_a_good_one_does_not_prevent_its_answer() -> None:
    async with port() as open_port, open_port.connected() as client:
        client.send("GET /wait")
        await until(lambda: open_port.app.begun)
        client.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await asyncio.sleep(0.05)
        open_port.app.go_on.set()

        assert await client.status() == 200
        assert await client.rest() == b""


async def test_a_malformed_request_after_several_good_ones_does_not_prevent_their_answers() -> None:
    async with port() as open_port, open_port.connected() as client:
        client.send("POST /read", "content-length: 1", body=b"1")
        client.send("POST /read", "content-length: 1", body=b"2")
        client.send("POST /read", "content-length: 1", body=b"3")
        client.writer.write(b"GET / HTTP/1.1\r\n\r\n")

        assert [await client.status() for _ in range(3)] == [200] * 3
        assert await client.rest() == b""
        assert open_port.app.bodies == [b"1", b"2", b"3"]


@pytest.mark.parametrize(("size", "status"), [(3000, 200), (5000, 431)])
@pytest.mark.parametrize("line", ["GET /read", "GET /read?{}"])
async def test_a_head_that_arrives_in_one_piece_has_the_same_size_limit(line: str, size: int, status: int) -> None:
    filling = "x" * size
    async with port(head_bytes=4096) as open_port, open_port.connected() as client:
        client.send(line.format(filling), *([] if "{}" in line else [f"x-filling: {filling}"]))
        assert await client.status() == status

    assert open_port.app.begun == (status == 200)


async def test_a_body_that_arrives_with_its_head_does_not_count_for_the_limit_of_the_head() -> None:
    async with port(head_bytes=4096) as open_port, open_port.connected() as client:
        client.send("POST /read", "content-length: 9000", body=bytes(9000))
        assert await client.status() == 200


async def test_options_asterisk_is_answered_without_the_app() -> None:
    async with port() as open_port, open_port.connected() as client:
        client.send("OPTIONS *")
        assert await client.status() == 204
        client.send("GET /read")
        assert await client.status() == 200

    assert open_port.app.begun == 1


async def test_a_connection_that_was_handed_over_or_that_others_count_leaves_room_for_requests() -> None:
    async with port(Lively(), connections=1) as open_port, AsyncExitStack() as live:
        for path in ("/switch", "/events", "/switch", "/events"):
            client = await live.enter_async_context(open_port.connected())
            client.send(f"GET {path}", *ASKS)
            await client.reader.readuntil(b"\r\n\r\n")
            async with open_port.connected() as other:
                other.send("GET /read", "connection: close")
                assert await other.status() == 200
                assert await other.rest() == b""

        async with open_port.connected() as only:
            only.send("GET /read")
            assert await only.status() == 200
            assert not await served_now(open_port)


async def test_the_end_of_connections_that_others_count_makes_no_room_twice() -> None:
    async with port(Lively(), connections=1) as open_port:
        for path in ("/switch", "/events") * 3:
            async with open_port.connected() as client:
                client.send(f"GET {path}", *ASKS)
                await client.reader.readuntil(b"\r\n\r\n")
        async with open_port.connected() as only:
            only.send("GET /read")
            assert await only.status() == 200

            assert not await served_now(open_port)


class Lively(Switcher):
    """`/events` streams without an end, and is counted elsewhere."""

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/events":
            await super()._answer(scope, receive, send)
            return
        incoming(scope).is_counted_elsewhere()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass
