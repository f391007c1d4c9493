"""A live connection as server-sent events: an answer that streams."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Self

from bunbase.gateway.live.http_outlet import HttpOutlet
from bunbase.gateway.live.outlet import Packed, joined
from bunbase.pkg.pieces import pieces_of

MEDIA_TYPE: Final = "text/event-stream"
# `no-transform` and the second header ask proxies to pass each event on at once.
HEADERS: Final = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
# This is a separate line. Some libraries (httpx-sse) would take an empty line after it, or after `retry`, for an empty
# event.
COMMENT: Final = b":\n"
COMMENT_SECONDS: Final = 15.0
START_SECONDS: Final = 10.0  # The response must start within this time.
PART_BYTES: Final = 64 << 10
RETRY_MS: Final = (1_000, 5_000)  # These are the bounds of the wait before an EventSource connects again.
BARRIER: Final = b'{"t":"at","at":"'


class EventOutlet(HttpOutlet):
    """The iterator over the parts of the answer. Each part is taken after the previous part has left this process."""

    transport = "sse"
    most = 64 << 10

    def __init__(self, on_end: Callable[[HttpOutlet], None]) -> None:
        super().__init__(on_end)
        self.waiting = deque([b"retry: %d\n" % random.randint(*RETRY_MS)])  # noqa: S311  spreads load
        self.waiting_bytes = len(self.waiting[0])
        self.woken = asyncio.Event()
        self.end_in(START_SECONDS)

    def send(self, messages: Sequence[bytes], packed: Packed | None = None) -> int:
        if self.closing:
            return 0
        if packed is None:
            written = event(messages)
        else:
            key = (b"sse", *messages)
            found = packed.get(key)
            written = packed[key] = event(messages) if found is None else found
        self.waiting += pieces_of(written, PART_BYTES)
        self.wake()
        self.note_waiting(len(written))
        return len(written)

    def wake(self) -> None:
        self.woken.set()

    def end(self) -> None:
        self.waiting.clear()
        super().end()

    def __aiter__(self) -> Self:
        if not self.closing:
            self.stop_timer()
        return self

    async def __anext__(self) -> bytes:
        if not self.waiting:
            self.note_read()
            await self._wait()
        if self.waiting:
            return self._next_part()
        if self.closing:
            raise StopAsyncIteration
        return COMMENT

    async def aclose(self) -> None:
        """End the connection: the client has left, or it has read everything."""
        self.end()

    def _next_part(self) -> bytes:
        part = [self.waiting.popleft()]
        size = len(part[0])
        while self.waiting and size + len(self.waiting[0]) <= PART_BYTES:
            part.append(self.waiting.popleft())
            size += len(part[-1])
        self.waiting_bytes -= size
        return b"".join(part)

    async def _wait(self) -> None:
        self.woken.clear()
        if not self.closing:
            with suppress(TimeoutError):
                async with asyncio.timeout(COMMENT_SECONDS):
                    await self.woken.wait()


def event(messages: Sequence[bytes]) -> bytes:
    """Return messages as one event. The id of the event is the last barrier among them."""
    data = joined(messages)
    if b"\n" in data or b"\r" in data:  # A line break is only between two parts of JSON, never in a string.
        data = data.replace(b"\r", b" ").replace(b"\n", b" ")
    barrier = next((message for message in reversed(messages) if message.startswith(BARRIER)), None)
    id = b"id: %b\n" % barrier[len(BARRIER) : -2] if barrier else b""
    return b"%bdata: %b\n\n" % (id, data)
