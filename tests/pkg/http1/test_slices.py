"""Thousands of requests in one piece do not keep the event loop from everybody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bunbase.pkg.http1.protocol import Http1Protocol
from bunbase.pkg.http1.slices import SLICE_BYTES
from tests.pkg.http1.door import port

MANY = 3000
SMALLEST = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.fixture
def begun_in_a_turn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the requests that are begun while one piece is parsed, which is one turn of the loop."""
    counts: list[int] = []
    parse, begin = Http1Protocol._parse, Http1Protocol._begin

    def counting_parse(self: Http1Protocol, data: bytes) -> None:
        counts.append(0)
        parse(self, data)

    def counting_begin(self: Http1Protocol, *head: Any) -> None:
        counts[-1] += 1
        begin(self, *head)

    monkeypatch.setattr(Http1Protocol, "_parse", counting_parse)
    monkeypatch.setattr(Http1Protocol, "_begin", counting_begin)
    return counts


async def test_requests_in_one_piece_are_begun_a_slice_at_a_time(begun_in_a_turn: list[int]) -> None:
    """Security 1: nothing that a caller sizes runs in the loop beyond its budget."""
    async with port() as open_port, open_port.connected() as client:
        client.writer.write(SMALLEST * MANY)
        assert [await client.status() for _ in range(MANY)] == [200] * MANY

    assert max(begun_in_a_turn) <= SLICE_BYTES // len(SMALLEST) + 1
    assert sum(begun_in_a_turn) == MANY


async def test_bodies_in_one_piece_with_other_requests_are_whole() -> None:
    body = bytes(range(256)) * 200
    async with port() as open_port, open_port.connected() as client:
        for _ in range(5):
            client.send("POST /read", f"content-length: {len(body)}", body=body)
            client.send("POST /read", "content-length: 3", body=b"xyz")
        assert [await client.status() for _ in range(10)] == [200] * 10

    assert open_port.app.bodies == [body, b"xyz"] * 5


async def test_unparsed_bytes_are_dropped_when_the_connection_ends() -> None:
    """The answer that ends it can be read, however much stands behind the request."""
    async with port() as open_port, open_port.connected() as client:
        client.writer.write(SMALLEST + b"GET /a HTTP/1.1\r\n\r\n" + SMALLEST * MANY)
        assert await client.status() == 200
        assert await client.rest() == b""  # the answer that was under way is the last one

    assert open_port.app.begun == 1


async def test_a_client_that_leaves_leaves_nothing_to_be_parsed(begun_in_a_turn: list[int]) -> None:
    async with port() as open_port:
        async with open_port.connected() as client:
            client.writer.write(SMALLEST * MANY)
            assert await client.status() == 200
            client.writer.transport.abort()
        turns = -1
        while turns != len(begun_in_a_turn):
            turns = len(begun_in_a_turn)
            await asyncio.sleep(0.02)

    assert sum(begun_in_a_turn) < MANY
