"""Server-sent events and long polling: clients that read slowly, and tokens that expire."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from bunbase.gateway.credentials import Sender
from bunbase.gateway.live.events import EventOutlet
from bunbase.gateway.live.http_lines import Arrival, HttpLines
from bunbase.gateway.live.http_outlet import HttpOutlet
from bunbase.gateway.live.polling import PollOutlet
from bunbase.gateway.live.sign_in import Offered
from tests.e2e.live.wire import listed
from tests.gateway.live.others import Hall, hall, until

pytestmark = pytest.mark.parametrize("transport", ["events", "poll"])
ARRIVAL = Arrival(Sender("192.0.2.1", "test"), None, Offered("pk_x", "ada", ""))
WATCH = b'{"t":"watch","id":1,"query":{"collection":"posts"}}'
LARGE = "x" * 20_000


class Reading:
    """A connection and what its client has read."""

    def __init__(self, lines: HttpLines, outlet: HttpOutlet) -> None:
        self.lines = lines
        self.outlet = outlet
        self.parts = aiter(outlet) if isinstance(outlet, EventOutlet) else None
        self.rest = b""
        self.read: list[dict[str, Any]] = []

    async def until(self, text: str) -> list[dict[str, Any]]:
        """Read until a message has this text. Return the messages that were read for this."""
        before = len(self.read)
        async with asyncio.timeout(10):
            while text not in json.dumps(self.read[before:]):
                self.read += await self._next()
        return self.read[before:]

    async def _next(self) -> list[dict[str, Any]]:
        if isinstance(self.outlet, PollOutlet):
            return [json.loads(message) for message in await self.outlet.poll()]
        assert self.parts is not None
        whole, end, self.rest = (self.rest + await anext(self.parts)).rpartition(b"\n\n")
        data = [line[6:] for line in (whole + end).split(b"\n") if line.startswith(b"data: ")]
        return [message for one in data for message in listed(one)]

    @property
    def waiting(self) -> bytes:
        match self.outlet:
            case EventOutlet() as events:
                return b"".join(events.waiting)
            case PollOutlet() as poll:
                return b"".join(poll.waiting)
        raise AssertionError(self.outlet)

    def kinds(self, messages: list[dict[str, Any]]) -> list[str]:
        return [message["t"] for message in messages]


async def opened(hall: Hall, transport: str) -> Reading:
    lines = HttpLines(hall.server)
    open_one = lines.open_events if transport == "events" else lines.open_poll
    reading = Reading(lines, await open_one(ARRIVAL, [WATCH], ""))
    await reading.until('"at": "e1')
    return reading


async def test_a_client_that_does_not_read_has_a_bounded_buffer_and_then_gets_the_present_state(transport: str) -> None:
    async with hall() as place:
        client = await opened(place, transport)

        for number in range(100):
            place.bundoc.write(f"text {number} {LARGE}")
            await asyncio.sleep(0.001)
        await place.settled()
        assert len(client.waiting) <= client.outlet.most + 8 * len(LARGE)
        assert client.outlet.behind
        found = await client.until("text 99")

        assert found[-1]["t"] == "now" or found[-2]["t"] == "now"
        assert len([one for one in found if one["t"] == "diff"]) < 30
        place.bundoc.write("the next one")
        assert client.kinds(await client.until("the next one"))[-1] in ("diff", "at")
        client.outlet.abort()


async def test_a_client_that_never_reads_is_closed(transport: str) -> None:
    async with hall(slow_seconds=1, ping_seconds=1) as place:
        client = await opened(place, transport)
        for number in range(100):
            place.bundoc.write(f"text {number} {LARGE}")
            await asyncio.sleep(0.001)

        await until(lambda: client.outlet.closing)

        assert place.server.slow == {} or client.outlet.session.closed


async def test_nothing_is_told_between_the_expiry_and_the_new_token(transport: str) -> None:
    async with hall() as place:
        client = await opened(place, transport)
        client.outlet.session.expires_at = time.time()
        place.bundoc.write("after the expiry")
        await place.settled()
        assert b"after the expiry" not in client.waiting

        place.signing.expires_in = 900.0
        await client.lines.receive(client.outlet, [b'{"t":"auth","key":"pk_x","token":"ada"}'])

        found = await client.until("after the expiry")
        assert "hello" in client.kinds(found)
        client.outlet.abort()
