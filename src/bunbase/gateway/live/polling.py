"""A live connection by long polling: messages wait here between two requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from bunbase.gateway.live.http_outlet import HttpOutlet
from bunbase.gateway.live.outlet import Packed

# A poll waits at most this long, which is shorter than the timeouts of proxies (30 or 60 s).
POLL_SECONDS: Final = 25.0
KEPT_SECONDS: Final = 30.0  # A connection is kept for this time between two polls.
PING: Final = b'{"t":"ping"'


class PollOutlet(HttpOutlet):
    transport = "poll"
    most = 256 << 10  # A client that is behind gets this many bytes with each poll.

    def __init__(self, on_end: Callable[[HttpOutlet], None]) -> None:
        super().__init__(on_end)
        self.waiting: list[bytes] = []
        self.polled: asyncio.Event | None = None  # This event wakes the current poll.

    def send(self, messages: Sequence[bytes], packed: Packed | None = None) -> int:
        if self.closing:
            return 0
        # Polls are the signs of life, so pings are left out.
        kept = [message for message in messages if not message.startswith(PING)]
        size = sum(map(len, kept))
        if kept:
            self.waiting += kept
            self.wake()
            self.note_waiting(size)
        return size

    def wake(self) -> None:
        if self.polled is not None:
            self.polled.set()

    async def poll(self) -> list[bytes]:
        """Return the waiting messages as soon as there are any. A second poll ends the first poll."""
        self.wake()
        mine = self.polled = asyncio.Event()
        if not self.closing:
            self.stop_timer()
        try:
            if not self.waiting and not self.closing:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await mine.wait()
            return self._taken() if self.polled is mine else []
        finally:
            if self.polled is mine:
                self.polled = None
                if not self.closing:
                    self.end_in(KEPT_SECONDS)

    def _taken(self) -> list[bytes]:
        taken, self.waiting = self.waiting, []
        self.waiting_bytes = 0
        if self.closing:
            self.end()
        else:
            self.note_read()
        return taken
