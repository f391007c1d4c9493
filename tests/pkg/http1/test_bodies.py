"""Request bodies that stall, arrive slowly, are malformed, or are never read."""

from __future__ import annotations

import asyncio
import http.client
import logging
from collections.abc import Callable

import pytest

from bunbase.pkg.errors import DeadlineExceeded
from tests.pkg.http1.door import SECONDS, App, Client, port, until

MIB = 1 << 20


@pytest.mark.parametrize(
    ("framing", "part"), [("content-length: 100", b"x"), ("transfer-encoding: chunked", b"1\r\nx\r\n"), ("a: b", b"")]
)
async def test_a_body_that_stalls_gets_408_and_closes_the_connection(framing: str, part: bytes) -> None:
    """A body has a time limit on every route."""
    async with port(read_seconds=0.1) as open_port, open_port.connected() as client:
        client.send("POST /read", framing, body=part)

        assert await client.status() == (408 if part else 200)
        if part:
            assert await client.rest() == b""
            assert open_port.app.met == ["request_stalled"]


async def test_a_body_that_arrives_byte_by_byte_too_slowly_gets_408() -> None:
    """A received byte extends the time only by 1 / bytes_per_second."""
    async with port(read_seconds=0.2, bytes_per_second=1 << 20) as open_port, open_port.connected() as client:
        client.send("POST /read", "content-length: 100000")
        ended = asyncio.ensure_future(client.status())
        while not ended.done():
            client.writer.write(b"x")
            await asyncio.sleep(0.01)

        assert await ended == 408


async def test_the_time_limit_of_a_body_grows_with_its_received_bytes() -> None:
    async with port(read_seconds=0.1, bytes_per_second=1000) as open_port, open_port.connected() as client:
        # These bytes extend the time by 19 seconds.
        client.send("POST /read", "content-length: 20000", body=bytes(19_000))
        await asyncio.sleep(0.3)
        client.writer.write(bytes(1000))

        assert await client.status() == 200


async def test_a_route_may_limit_only_the_silence_of_a_body() -> None:
    app = App(silence=DeadlineExceeded("Nothing came."))
    async with port(app, read_seconds=0.1) as open_port, open_port.connected() as client:
        client.send("POST /silent", "content-length: 1000")
        for _ in range(5):
            client.writer.write(b"x")
            await asyncio.sleep(0.05)
        assert app.met == []

        assert await client.status() == 504
        assert app.met == ["deadline_exceeded"]


async def test_a_route_may_turn_the_time_limit_of_its_body_off() -> None:
    async with port(read_seconds=0.05) as open_port, open_port.connected() as client:
        client.send("POST /own", "content-length: 1")
        await until(lambda: open_port.app.begun)
        await asyncio.sleep(0.2)
        client.writer.write(b"x")

        assert await client.status() == 200


async def test_time_in_which_the_app_does_not_read_is_not_counted() -> None:
    async with port(read_seconds=0.2) as open_port, open_port.connected() as client:
        client.send("POST /wait", f"content-length: {MIB}", body=bytes(200_000))
        await asyncio.sleep(0.4)
        open_port.app.go_on.set()
        client.writer.write(bytes(MIB - 200_000))

        assert await client.status() == 200


@pytest.mark.parametrize("part", [b"ZZ\r\n", b"-1\r\n", b"1\r\nxyz\r\n"])
async def test_a_body_with_invalid_chunks_gets_400_and_closes_the_connection(part: bytes) -> None:
    async with port() as open_port, open_port.connected() as client:
        client.send("POST /read", "transfer-encoding: chunked", body=b"3\r\nabc\r\n")
        await until(lambda: open_port.app.begun)
        client.writer.write(part)

        assert await client.status() == 400
        assert await client.rest() == b""
        assert open_port.app.met == ["malformed_request"]


async def test_a_client_that_disconnects_during_its_body_logs_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """The app gets the problem client_gone."""
    async with port() as open_port:
        for path in ("/read", "/silent", "/own"):
            open_port.app.silence = DeadlineExceeded("Nothing came.")
            async with open_port.connected() as client:
                client.send(f"POST {path}", "content-length: 50", body=b"{")
                await until(lambda: open_port.app.begun == len(open_port.app.met) + 1)
            await until(lambda: open_port.app.begun == len(open_port.app.met))

    assert open_port.app.met == ["client_gone"] * 3
    assert [line for line in caplog.records if line.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("path", ["/read", "/silent", "/own"])
async def test_a_body_that_stalls_while_the_server_stops_gets_408(path: str) -> None:
    """Before, the answer was a 500."""
    app = App(silence=DeadlineExceeded("Nothing came."), silence_seconds=60)
    async with port(app, stop_seconds=0.05) as open_port:
        reader, writer = await asyncio.open_connection("127.0.0.1", open_port.number)
        writer.write(f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n".encode())
        await until(lambda: app.begun)

    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer


async def test_a_request_that_takes_too_long_while_the_server_stops_gets_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bunbase.pkg.serve.DRAIN_SECONDS", 0.2)
    async with port() as open_port:
        reader, writer = await asyncio.open_connection("127.0.0.1", open_port.number)
        writer.write(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n")
        await until(lambda: open_port.app.begun)

    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"stopping"' in answer
    assert b"retry-after: 1" in answer


def blocking(number: int, size: int, close: bool) -> int:
    """Send a whole request and only then read, as a blocking client does. Return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", number, timeout=20)
    try:
        connection.request("POST", "/early", bytes(size), {"connection": "close"} if close else {})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize("size", [2 * MIB, 5 * MIB, 20 * MIB])
async def test_a_blocking_client_that_sends_too_much_can_read_the_refusal(size: int, close: bool) -> None:
    """The server discards the unread body for a while, because closing at once would reset the connection."""
    async with port() as open_port:
        assert await asyncio.to_thread(blocking, open_port.number, size, close) == 413


async def endlessly(client: Client) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            client.writer.write(bytes(MIB // 16))
            await client.writer.drain()
            await asyncio.sleep(0.005)


async def test_an_unread_body_is_discarded_only_up_to_a_limit_of_bytes_and_time() -> None:
    for limits in ({"unread_bytes": MIB}, {"linger_seconds": 0.1}):
        async with port(**limits) as open_port, open_port.connected() as client:
            client.send("POST /early", f"content-length: {64 * MIB}", body=b"x")
            assert await client.status() == 413

            with pytest.raises(ConnectionError):
                await endlessly(client)


async def test_a_refusal_after_expect_100_continue_closes_the_connection() -> None:
    """The server cannot know whether the body follows (RFC 9110 section 10.1.1)."""
    async with port() as open_port, open_port.connected() as client:
        client.send("POST /early", "expect: 100-continue", "content-length: 5")
        assert await client.status() == 413

        assert await client.rest() == b""


async def test_an_unread_body_is_never_parsed_as_a_request() -> None:
    smuggled = b"POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\ncanary"
    cases: list[Callable[[], tuple[str, ...]]] = [lambda: ("connection: close",), lambda: ()]
    for headers in cases:
        async with port() as open_port, open_port.connected() as client:
            client.send("POST /early", f"content-length: {len(smuggled)}", *headers())
            assert await client.status() == 413
            client.writer.write(smuggled)
            await asyncio.sleep(0.05)

            assert open_port.app.bodies == []
