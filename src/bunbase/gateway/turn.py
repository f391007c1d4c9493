"""One request in the fast lane, in the place where uvicorn and Http1Protocol expect a cycle of an ASGI app."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from bunbase.contracts.caller import Caller
from bunbase.gateway.hot_routes import HotRequest
from bunbase.pkg.errors import RequestStalled


class Turn:
    """The request from the end of its head to the end of its answer.

    It stands in `self.cycle` of the protocol, because uvicorn then does three things for it: it queues pipelined
    requests behind it, waits for it when the server stops, and tells it when the client leaves. `disconnected`,
    `keep_alive`, `response_complete` and `message_event` are all that uvicorn uses of a cycle. The constants are what
    Http1Protocol reads of an Exchange: this body has the ordinary deadline, for one that does not stream.
    """

    problem: Final = None
    silence_seconds: Final = None
    own_time: Final = False
    late: Final = RequestStalled("The request did not come in time: send it again.")

    def __init__(self, request: HotRequest, request_id: str) -> None:
        self.request = request
        self.request_id = request_id
        self.started = time.perf_counter()
        self.parts: list[bytes] = []
        self.caller: Caller | None = None
        self.task: asyncio.Task[None] | None = None
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False

    @property
    def message_event(self) -> Turn:
        """Return the object whose `set` uvicorn calls when the client leaves: `set` below, in place of an Event."""
        return self

    def set(self) -> None:
        """Cancel a read whose client has left. A write is finished, as it is behind the web framework."""
        if self.disconnected and self.task is not None and self.request.mounted.route.reads:
            self.task.cancel()
