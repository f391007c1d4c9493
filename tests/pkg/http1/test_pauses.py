"""A connection whose reading is paused always resumes, wherever the requests are cut into pieces."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from bunbase.pkg.http1.connections import Connections
from bunbase.pkg.http1.limits import Limits
from bunbase.pkg.http1.protocol import Http1Protocol
from tests.pkg.http1.door import respond
from tests.seeds import seeds

# Every app below answers within this many turns of the event loop, when the bytes for the app have arrived.
MOST_TURNS = 300
# Bodies and heads have these sizes in bytes, around the limits of slices and pauses.
SIZES = (0, 1, 100, 5_000, 8 << 10, 70_000, 300_000)
PIECES = (1, 3, 100, 4_000, 8 << 10, 20_000, 256 << 10)


class Wire(asyncio.Transport):
    """A transport that the test feeds by hand. `reading` is False while the protocol has paused reading."""

    def __init__(self) -> None:
        super().__init__()
        self.reading, self.closed, self.written = True, False, bytearray()

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def write(self, data: Any) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = write_eof = close


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Take parts of the body.

    The path has the largest number of parts, and the number of turns of the loop before them.
    """
    _, turns, messages = scope["path"].split("/")[:3]
    for _ in range(int(turns)):
        await asyncio.sleep(0)
    for _ in range(int(messages)):
        if not (await receive())["more_body"]:
            break
    await respond(send, 200, b"answer")


def protocol_of(wire: Wire) -> Http1Protocol:
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
    config.load()
    protocol = Http1Protocol(Connections(Limits()), config, ServerState(), {})
    protocol.connection_made(wire)
    return protocol


async def deliver(protocol: Http1Protocol, wire: Wire, piece: bytes) -> None:
    """Hand the piece to the protocol as soon as the protocol reads."""
    for _ in range(MOST_TURNS):
        if wire.reading:
            protocol.data_received(piece)
            return
        await asyncio.sleep(0)
    pytest.fail("reading was paused and did not resume")


async def answered(wire: Wire, count: int) -> bool:
    for _ in range(MOST_TURNS):
        if wire.written.count(b"answer") == count:
            return True
        await asyncio.sleep(0)
    return False


def request(turns: int, messages: int, head: int, body: int) -> bytes:
    filled = b"x" * min(head, 60_000)
    line = b"POST /%d/%d/%b HTTP/1.1\r\nhost: test\r\ncontent-length: %d\r\n\r\n"
    return line % (turns, messages, filled, body) + bytes(body)


async def test_the_rest_of_an_unread_body_does_not_stop_the_next_request() -> None:
    """One piece has the end of an unread body and a part of the next head, and is longer than a slice."""
    wire = Wire()
    protocol = protocol_of(wire)
    first, second = request(5, 0, 0, 300_000), request(0, 0, 11_000, 0)

    await deliver(protocol, wire, first[:200_000])
    assert await answered(wire, 1)
    await deliver(protocol, wire, first[200_000:] + second[:9_000])
    await deliver(protocol, wire, second[9_000:])

    assert await answered(wire, 2)
    protocol.connection_lost(None)


async def test_a_head_that_begins_behind_a_body_may_have_the_usual_size() -> None:
    wire = Wire()
    protocol = protocol_of(wire)
    first, second = request(0, 1, 0, 7_000), request(0, 0, 60_000, 0)

    await deliver(protocol, wire, first + second)

    assert await answered(wire, 2)
    protocol.connection_lost(None)


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(150))
async def test_requests_in_pieces_of_any_size_are_all_answered(seed: int) -> None:
    draw = random.Random(seed)
    wire = Wire()
    protocol = protocol_of(wire)
    requests = [
        request(draw.randrange(8), draw.choice((0, 1, 2, 1000)), draw.choice(SIZES), draw.choice(SIZES))
        for _ in range(draw.randint(2, 6))
    ]
    sent = b"".join(requests)

    while sent:
        size = draw.choice(PIECES)
        await deliver(protocol, wire, sent[:size])
        sent = sent[size:]
        for _ in range(draw.choice((0, 0, 1, 4, 20))):
            await asyncio.sleep(0)

    assert await answered(wire, len(requests))
    protocol.connection_lost(None)
