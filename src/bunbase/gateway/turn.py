"""The state of one request in the fast lane.

This state takes the place of the RequestResponseCycle that uvicorn expects.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from bunbase.contracts.caller import Caller
from bunbase.gateway.clients import Admitted
from bunbase.gateway.hot_routes import HotRequest
from bunbase.pkg.errors import RequestStalled


class Turn:
    """One request, from the end of its head to the end of its answer.

    The protocol stores the Turn in `self.cycle`. Because of this, uvicorn queues pipelined requests behind the Turn,
    waits for the Turn when the server stops, and notifies the Turn when the client leaves. uvicorn uses only the fields
    `disconnected`, `keep_alive`, `response_complete` and `message_event`. Http1Protocol reads the four constants, in
    the same way as from an Exchange. The constants choose the ordinary deadline for the body, and not the deadline for
    streams.
    """

    problem: Final = None
    silence_seconds: Final = None
    own_time: Final = False
    late: Final = RequestStalled("The request did not arrive in time: send it again.")

    def __init__(self, request: HotRequest, request_id: str) -> None:
        self.request = request
        self.request_id = request_id
        self.started = time.perf_counter()
        self.parts: list[bytes] = []
        self.caller: Caller | None = None
        self.shares = False
        self.set_cookie = ""
        self.task: asyncio.Task[None] | None = None
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False

    def admit(self, admitted: Admitted) -> Caller:
        """Store the caller that has sent the request, and return it."""
        self.caller, self.shares, self.set_cookie = admitted.caller, admitted.shares, admitted.set_cookie
        return admitted.caller

    @property
    def message_event(self) -> Turn:
        """Return this Turn instead of an asyncio.Event: uvicorn calls `message_event.set()` when the client leaves."""
        return self

    def set(self) -> None:
        """Cancel the task if the client has left and the route only reads. A write runs to its end."""
        if self.disconnected and self.task is not None and self.request.mounted.route.reads:
            self.task.cancel()
