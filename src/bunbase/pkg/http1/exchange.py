"""One request on its way through an app: uvicorn's cycle, with a body that has to come in time."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from bunbase.pkg import context
from bunbase.pkg.errors import ClientGone, Problem, RequestStalled, Stopping
from bunbase.pkg.http1.answers import problem_message
from bunbase.pkg.http1.timed import TimedProtocol
from bunbase.pkg.ids import new_id

RETRY_SECONDS = 1


class GuardedTransport:
    """The transport that a cycle of uvicorn gets.

    Closing it is left to the protocol, which may have to read the rest of a request first (see `hang_up`).
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
    """`problem`: why the rest of the body will never be there. The app meets it as an exception of `receive`, behind
    all that did come: its own handlers answer, so that log and metrics know of it.

    Timed by `Limits.read_seconds`, unless the app sets `silence_seconds` or `own_time` (see `incoming.py`).
    """

    def __init__(self, protocol: TimedProtocol, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self.protocol = protocol
        self.problem: Problem | None = None
        self.late: Problem = RequestStalled("The request did not come in time: send it again.")
        self.silence_seconds: float | None = None
        self.own_time = False

    # for the app

    def may_be_silent(self, seconds: float, late: Problem) -> None:
        self.silence_seconds, self.late = seconds, late
        self.protocol.start_clock(seconds)

    def keeps_own_time(self) -> None:
        self.own_time = True

    async def receive(self) -> Any:
        """Raises: ClientGone when the client leaves before the end of its body; `problem` when there is one."""
        if self.problem is not None and not self.body:
            raise self.problem
        self.protocol.resume_clock()
        message: Any = await super().receive()
        if message["type"] == "http.disconnect":
            if self.more_body and not self.response_complete:
                raise ClientGone("The client hung up before it had sent its request.")
        elif self.problem is not None and not message["body"]:
            raise self.problem
        return message

    async def send(self, message: Any) -> None:
        if not self.response_started and (self.problem is not None or self.waiting_for_100_continue):
            self.keep_alive = False  # nobody knows whether the rest of the body will follow
        await super().send(message)

    # for the protocol

    def fail(self, problem: Problem) -> None:
        """Stop waiting for the rest of the body."""
        self.problem = problem
        self.keep_alive = False
        self.message_event.set()

    async def run_asgi(self, app: Any) -> None:
        async def until_stopped(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                await self._end_by_stop()

        await super().run_asgi(until_stopped)
        self.scope["extensions"] = {}  # it names this exchange: only the collector of garbage would end that

    async def _end_by_stop(self) -> None:
        """The server stops, and this has taken too long: say so, or break off what was begun."""
        if self.response_started:
            self.protocol.hang_up()
            self.disconnected = True  # uvicorn would call it a bug of the app otherwise
            return
        problem = Stopping("The server stopped before the answer was ready.", retry_after_seconds=RETRY_SECONDS)
        headers, body = problem_message(problem, context.request_id.get() or new_id("req"))
        self.keep_alive = False
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})
