"""Bodies that do not come, come slowly, or come where nobody wants them."""

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
async def test_a_body_that_stops_is_408_and_the_end(framing: str, part: bytes) -> None:
    """Security 4, Auth F9: a body must come in time, whatever reads it."""
    async with port(read_seconds=0.1) as open_port, open_port.connected() as client:
        client.send("POST /read", framing, body=part)

        assert await client.status() == (408 if part else 200)
        if part:
            assert await client.rest() == b""
            assert open_port.app.met == ["request_stalled"]


async def test_a_body_that_drips_is_not_waited_for() -> None:
    """Security 4: one byte now and then earns no more time than it is worth."""
    async with port(read_seconds=0.2, bytes_per_second=1 << 20) as open_port, open_port.connected() as client:
        client.send("POST /read", "content-length: 100000")
        ended = asyncio.ensure_future(client.status())
        while not ended.done():
            client.writer.write(b"x")
            await asyncio.sleep(0.01)

        assert await ended == 408


async def test_a_large_body_has_as_long_as_its_bytes_are_worth() -> None:
    async with port(read_seconds=0.1, bytes_per_second=1000) as open_port, open_port.connected() as client:
        client.send("POST /read", "content-length: 20000", body=bytes(19_000))  # worth 19 seconds
        await asyncio.sleep(0.3)
        client.writer.write(bytes(1000))

        assert await client.status() == 200


async def test_a_route_that_streams_waits_as_long_as_the_body_is_not_silent() -> None:
    app = App(silence=DeadlineExceeded("Nothing came."))
    async with port(app, read_seconds=0.1) as open_port, open_port.connected() as client:
        client.send("POST /silent", "content-length: 1000")
        for _ in range(5):
            client.writer.write(b"x")
            await asyncio.sleep(0.05)
        assert app.met == []

        assert await client.status() == 504
        assert app.met == ["deadline_exceeded"]


async def test_a_route_may_time_its_body_itself() -> None:
    async with port(read_seconds=0.05) as open_port, open_port.connected() as client:
        client.send("POST /own", "content-length: 1")
        await until(lambda: open_port.app.begun)
        await asyncio.sleep(0.2)
        client.writer.write(b"x")

        assert await client.status() == 200


async def test_time_in_which_the_app_has_no_room_is_not_counted_against_the_client() -> None:
    async with port(read_seconds=0.2) as open_port, open_port.connected() as client:
        client.send("POST /wait", f"content-length: {MIB}", body=bytes(200_000))
        await asyncio.sleep(0.4)
        open_port.app.go_on.set()
        client.writer.write(bytes(MIB - 200_000))

        assert await client.status() == 200


@pytest.mark.parametrize("part", [b"ZZ\r\n", b"-1\r\n", b"1\r\nxyz\r\n"])
async def test_a_body_whose_framing_is_broken_is_400_and_the_end(part: bytes) -> None:
    async with port() as open_port, open_port.connected() as client:
        client.send("POST /read", "transfer-encoding: chunked", body=b"3\r\nabc\r\n")
        await until(lambda: open_port.app.begun)
        client.writer.write(part)

        assert await client.status() == 400
        assert await client.rest() == b""
        assert open_port.app.met == ["malformed_request"]


async def test_a_client_that_leaves_amid_its_body_is_gone_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Outside suites F3: no bug of the app's."""
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
async def test_a_body_that_stalls_while_the_server_stops_gets_a_proper_end(path: str) -> None:
    """Auth F9: not a 500."""
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
    """Auth F9: the end of a server is no failure of what it was asked."""
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
    """Ask as a blocking client does: send everything, and only then read."""
    connection = http.client.HTTPConnection("127.0.0.1", number, timeout=20)
    try:
        connection.request("POST", "/early", bytes(size), {"connection": "close"} if close else {})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize("size", [2 * MIB, 5 * MIB, 20 * MIB])
async def test_a_client_that_sends_too_much_reads_its_answer(size: int, close: bool) -> None:
    """A body that nobody reads is dropped for a while, so that the answer is read and the connection not reset."""
    async with port() as open_port:
        assert await asyncio.to_thread(blocking, open_port.number, size, close) == 413


async def endlessly(client: Client) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            client.writer.write(bytes(MIB // 16))
            await client.writer.drain()
            await asyncio.sleep(0.005)


async def test_unread_bodies_are_dropped_up_to_a_limit() -> None:
    for limits in ({"unread_bytes": MIB}, {"linger_seconds": 0.1}):
        async with port(**limits) as open_port, open_port.connected() as client:
            client.send("POST /early", f"content-length: {64 * MIB}", body=b"x")
            assert await client.status() == 413

            with pytest.raises(ConnectionError):
                await endlessly(client)


async def test_a_client_that_asked_first_and_was_refused_may_not_use_the_connection_again() -> None:
    """Nobody knows whether its body will follow (RFC 9110 section 10.1.1)."""
    async with port() as open_port, open_port.connected() as client:
        client.send("POST /early", "expect: 100-continue", "content-length: 5")
        assert await client.status() == 413

        assert await client.rest() == b""


async def test_a_body_that_nobody_reads_is_no_request() -> None:
    smuggled = b"POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\ncanary"
    cases: list[Callable[[], tuple[str, ...]]] = [lambda: ("connection: close",), lambda: ()]
    for headers in cases:
        async with port() as open_port, open_port.connected() as client:
            client.send("POST /early", f"content-length: {len(smuggled)}", *headers())
            assert await client.status() == 413
            client.writer.write(smuggled)
            await asyncio.sleep(0.05)

            assert open_port.app.bodies == []
