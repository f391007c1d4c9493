"""One request and its answer in the ASGI app: uvicorn's RequestResponseCycle, with a deadline for the body."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from bunbase.pkg import context
from bunbase.pkg.errors import ClientGone, Problem, RequestStalled, Stopping
from bunbase.pkg.http1.answers import problem_message
from bunbase.pkg.http1.kernel_buffer import limit_kernel_buffer
from bunbase.pkg.http1.switching import SwitchedProtocol, switching_head
from bunbase.pkg.http1.timed import TimedProtocol
from bunbase.pkg.ids import new_id

RETRY_SECONDS = 1


class GuardedTransport:
    """The transport that is passed to uvicorn's RequestResponseCycle.

    The `close` of this transport calls `hang_up` of the protocol, because the protocol may first have to read the rest
    of the request.
    """

    def __init__(self, protocol: TimedProtocol) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        if not self.protocol.ended:
            self.protocol.transport.write(data)

    def close(self) -> None:
        self.protocol.hang_up()

    def is_closing(self) -> bool:
        return self.protocol.ended or self.protocol.transport.is_closing()


class Exchange(RequestResponseCycle):
    """One request and its answer. `problem`: the reason why the rest of the body will not arrive.

    `receive` returns the part of the body that has arrived, and then raises `problem`. So the error handlers of the app
    answer, and the error appears in log and metrics. The deadline of the body is `Limits.read_seconds`, unless the app
    calls `may_be_silent` or `keeps_own_time` (see `incoming.py`). `may_switch`: true if the request asks for a
    WebSocket, and no data has arrived after the request (see `switching.py`).
    """

    def __init__(self, protocol: TimedProtocol, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self.protocol = protocol
        self.problem: Problem | None = None
        self.late: Problem = RequestStalled("The request did not arrive in time: send it again.")
        self.silence_seconds: float | None = None
        self.own_time = False
        self.on_stop: Callable[[], None] | None = None
        self.may_switch = False
        self.switched: SwitchedProtocol | None = None
        self.unframed = False  # True if the answer ends when the connection closes, because HTTP/1.0 has no chunks.

    # The app calls these methods.

    def may_be_silent(self, seconds: float, late: Problem) -> None:
        self.silence_seconds, self.late = seconds, late
        self.protocol.start_clock(seconds)

    def keeps_own_time(self) -> None:
        self.own_time = True

    def is_counted_elsewhere(self) -> None:
        self.keep_alive = False  # The connection closes after this answer, because the port does not count it any more.
        self.protocol.leave_count()

    def limit_unacknowledged(self, seconds: float) -> None:
        self.protocol.limit_unacknowledged(seconds)

    def limit_kernel_buffer(self, bytes: int) -> None:
        limit_kernel_buffer(self.protocol.transport, bytes)

    def client_left(self) -> bool:
        return bool(self.disconnected) or self.protocol.transport.is_closing()

    def when_stopping(self, act: Callable[[], None]) -> None:
        self.on_stop = self.protocol.on_stop = act
        if self.protocol.stopping:
            act()

    @property
    def can_switch(self) -> bool:
        return self.may_switch and not self.disconnected and self.protocol.cycle is self

    def switch_to(self, protocol: SwitchedProtocol) -> None:
        self.switched = protocol

    async def receive(self) -> Any:
        """Return the next ASGI message. Raises: ClientGone if the client leaves before its body ends, and `problem`."""
        if self.problem is not None and not self.body:
            raise self.problem
        self.protocol.resume_clock()
        message: Any = await super().receive()
        if message["type"] == "http.disconnect":
            if self.more_body and not self.response_complete:
                if self.body:  # the bytes that have arrived come first, because an upload keeps them
                    body, self.body = bytes(self.body), bytearray()
                    return {"type": "http.request", "body": body, "more_body": True}
                raise ClientGone("The client closed the connection before it had sent the whole request.")
        elif self.problem is not None and not message["body"]:
            raise self.problem
        return message

    async def send(self, message: Any) -> None:
        if self.switched is not None:
            self._switch(message, self.switched)
            return
        if not self.response_started and (self.problem is not None or self.waiting_for_100_continue):
            self.keep_alive = False  # The rest of the body may still arrive, so the next request cannot be found.
        if self.scope["http_version"] == "1.0":
            self._frame_by_closing(message)
        await super().send(message)
        if self.response_complete:
            self.body = bytearray()  # This is the part of the body that the app has not taken.

    def _switch(self, message: Any, protocol: SwitchedProtocol) -> None:
        """Write the answer 101, then hand the connection over."""
        if message["type"] == "http.response.start":
            self.response_started = True
            self.transport.write(switching_head(message.get("headers", []), self.default_headers))
        elif not message.get("more_body"):
            self.response_complete = True
            self.protocol.hand_over(protocol)

    # The protocol calls these methods.

    def fail(self, problem: Problem) -> None:
        """Stop waiting for the rest of the body. `receive` then raises `problem`."""
        self.problem = problem
        self.keep_alive = False
        self.message_event.set()

    async def run_asgi(self, app: Any) -> None:
        async def until_stopped(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                await self._end_by_stop()
            finally:
                if self.unframed and self.response_started and not self.response_complete:
                    self.protocol.reset()

        await super().run_asgi(until_stopped)
        if self.protocol.on_stop is self.on_stop:
            self.protocol.on_stop = None
        self.scope[
            "extensions"
        ] = {}  # this breaks the reference cycle through the exchange, so no garbage collection is needed

    def _frame_by_closing(self, message: Any) -> None:
        """Let uvicorn send an answer without Content-Length as bare bytes, not in chunks (RFC 9112 §6.1)."""
        if not self.response_started and not any(name == b"content-length" for name, _ in message.get("headers", ())):
            self.unframed, self.chunked_encoding = True, False
        elif self.unframed and not self.response_complete:
            self.expected_content_length = len(message.get("body", b""))

    async def _end_by_stop(self) -> None:
        """End a request that takes too long while the server stops: answer 503, or break off the answer."""
        if self.response_started:
            self.protocol.hang_up()
            self.disconnected = True  # Otherwise uvicorn logs an incomplete answer as a bug of the app.
            return
        problem = Stopping("The server stopped before the answer was ready.", retry_after_seconds=RETRY_SECONDS)
        headers, body = problem_message(problem, context.request_id.get() or new_id("req"))
        self.keep_alive = False
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})
