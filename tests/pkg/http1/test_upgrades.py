"""A request that asks for an upgrade is answered as an ordinary request, with its whole body."""

from __future__ import annotations

import pytest

from tests.pkg.http1.door import port

H2C = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQAAP__")
LENGTH = ("content-length: 5", b"abcde")
CHUNKED = ("transfer-encoding: chunked", b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")


@pytest.mark.parametrize(("framing", "body"), [LENGTH, CHUNKED])
@pytest.mark.parametrize("cut", [0, 2, 5])
async def test_the_body_of_a_request_with_an_upgrade_to_http_2_is_read(framing: str, body: bytes, cut: int) -> None:
    """`curl --http2 -d …` and Java's HttpClient send such bodies. The parser leaves them to the new protocol."""
    async with port() as open_port, open_port.connected() as client:
        client.send("POST /read", *H2C, framing, body=body[:cut])
        await client.writer.drain()
        client.writer.write(body[cut:])
        assert await client.status() == 200
        client.send("POST /read", "content-length: 3", body=b"xyz")
        assert await client.status() == 200

    assert open_port.app.bodies == [b"abcde", b"xyz"]


async def test_a_request_pipelined_after_the_body_of_an_upgrade_is_read_whole() -> None:
    async with port() as open_port, open_port.connected() as client:
        for _ in range(300):
            client.send("POST /read", *H2C, LENGTH[0], body=LENGTH[1])
        client.send("POST /read", "connection: close", LENGTH[0], body=LENGTH[1])
        assert [await client.status() for _ in range(301)] == [200] * 301
        assert await client.rest() == b""

    assert open_port.app.bodies == [b"abcde"] * 301


@pytest.mark.parametrize(
    ("line", "headers", "version", "status"),
    [
        ("POST /read", ("host: two",), "1.1", 400),
        ("POST /a#b", (), "1.1", 400),
        ("CONNECT a:80", (), "1.1", 501),
        ("POST /read", (), "2.0", 505),
    ],
)
async def test_the_head_of_a_request_with_an_upgrade_is_checked(
    line: str, headers: tuple[str, ...], version: str, status: int
) -> None:
    async with port() as open_port, open_port.connected() as client:
        client.send(line, *headers, *H2C, LENGTH[0], body=LENGTH[1], version=version)
        assert await client.status() == status
        assert await client.rest() == b""

    assert open_port.app.begun == 0


async def test_the_body_of_a_request_with_an_upgrade_has_a_time_limit() -> None:
    async with port(read_seconds=0.2) as open_port, open_port.connected() as client:
        client.send("POST /read", *H2C, LENGTH[0], body=b"ab")
        assert await client.status() == 408
        assert await client.rest() == b""
