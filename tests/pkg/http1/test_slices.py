"""Thousands of requests that arrive in one piece do not block the event loop for other clients."""

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
    """Count the requests that begin while one piece is parsed, which is one turn of the event loop."""
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


async def test_requests_that_arrive_in_one_piece_are_parsed_in_slices(begun_in_a_turn: list[int]) -> None:
    """However large a request is, it blocks the event loop only for a short time."""
    async with port() as open_port, open_port.connected() as client:
        client.writer.write(SMALLEST * MANY)
        assert [await client.status() for _ in range(MANY)] == [200] * MANY

    assert max(begun_in_a_turn) <= SLICE_BYTES // len(SMALLEST) + 1
    assert sum(begun_in_a_turn) == MANY


async def test_bodies_that_arrive_in_one_piece_with_other_requests_are_complete() -> None:
    body = bytes(range(256)) * 200
    async with port() as open_port, open_port.connected() as client:
        for _ in range(5):
            client.send("POST /read", f"content-length: {len(body)}", body=body)
            client.send("POST /read", "content-length: 3", body=b"xyz")
        assert [await client.status() for _ in range(10)] == [200] * 10

    assert open_port.app.bodies == [body, b"xyz"] * 5


async def test_bytes_after_a_malformed_request_are_discarded() -> None:
    """The client can read the last answer, however many bytes follow the request."""
    async with port() as open_port, open_port.connected() as client:
        client.writer.write(SMALLEST + b"GET /a HTTP/1.1\r\n\r\n" + SMALLEST * MANY)
        assert await client.status() == 200
        assert await client.rest() == b""  # The running request got the last answer.

    assert open_port.app.begun == 1


async def test_requests_of_a_client_that_disconnected_are_not_parsed(begun_in_a_turn: list[int]) -> None:
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
