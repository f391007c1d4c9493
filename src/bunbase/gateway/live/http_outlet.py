"""The common part of the transports over HTTP requests: messages that wait for the client, and the connection's end."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final

from bunbase.gateway.live.outlet import Packed
from bunbase.gateway.live.session import Session

END_SECONDS: Final = 5.0  # A client has this much time to read the last messages.


class HttpOutlet(ABC):
    """The base class for sending messages over HTTP requests. `most`: the number of waiting bytes above which a client
    is behind.

    `on_end`: a function that is called once, when the connection has ended.
    """

    answers_pings = False
    transport: str
    most: int
    session: Session  # This is set as soon as the session exists.

    def __init__(self, on_end: Callable[[HttpOutlet], None]) -> None:
        self.on_end = on_end
        self.waiting_bytes = 0
        self.behind = False
        self.closing = False
        self.ended = False
        self.timer: asyncio.TimerHandle | None = None

    @abstractmethod
    def send(self, messages: Sequence[bytes], packed: Packed | None = None) -> int: ...

    @abstractmethod
    def wake(self) -> None:
        """Let the waiting answer continue."""

    def close(self, code: int, reason: str) -> None:
        if not self.closing:
            self.closing = True
            self.end_in(END_SECONDS)
            self.wake()

    def abort(self) -> None:
        self.end()

    def end(self) -> None:
        """End the connection and forget it. Idempotent."""
        if self.ended:
            return
        self.ended = self.closing = True
        self.stop_timer()
        self.wake()
        self.on_end(self)

    def end_in(self, seconds: float) -> None:
        self.stop_timer()
        self.timer = asyncio.get_running_loop().call_later(seconds, self.end)

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def note_waiting(self, size: int) -> None:
        """Note the number of bytes that wait for the client."""
        self.waiting_bytes += size
        if self.waiting_bytes > self.most and not self.behind and not self.closing:
            self.behind = True
            self.session.read_slowly()

    def note_read(self) -> None:
        """Note that the client has read all messages that were waiting."""
        if self.behind and not self.closing:
            self.behind = False
            self.session.read_again()
