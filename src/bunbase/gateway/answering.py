"""The part of the fast lane that answers a request after its body was read.

This part avoids an asyncio task if possible.

Both lanes (`fast_lane.py`) call the same function of the room, and send the same Problems and the same headers. The
fast lane only skips the web framework.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, Final, cast

import msgspec
from uvicorn.config import Config
from uvicorn.server import ServerState

from bunbase.contracts.caller import Caller
from bunbase.contracts.fast_routes import Answer, FastRequest
from bunbase.gateway.by_hand import Suspended, begin
from bunbase.gateway.caching import not_stored
from bunbase.gateway.hot_routes import HotRequest
from bunbase.gateway.lane import Lane
from bunbase.gateway.problems import MEDIA_TYPE, bug_problem, for_the_public, unreadable_problem
from bunbase.gateway.recent_caller import RecentCaller
from bunbase.gateway.record import record
from bunbase.gateway.route_acts import check_scopes
from bunbase.gateway.sharing import shares_by_itself
from bunbase.gateway.turn import Turn
from bunbase.gateway.wire import answer_bytes, header_lines
from bunbase.pkg import context
from bunbase.pkg.errors import ClientGone, Problem, Stopping
from bunbase.pkg.http1.connections import Connections
from bunbase.pkg.http1.exchange import RETRY_SECONDS
from bunbase.pkg.http1.protocol import Http1Protocol
from bunbase.pkg.logger import logger

log = logger("gateway")

PASSED_ON: Final = {
    name.encode(): name
    for name in ("content-type", "idempotency-key", "if-match", "if-none-match", "origin", "x-bunbase-at-least")
}
NAMES_PASSED_ON: Final = frozenset(PASSED_ON)


class AnsweringProtocol(Http1Protocol):
    """The protocol of one connection that answers Turns. The subclass FastLane decides which requests become Turns."""

    def __init__(
        self,
        lane: Lane,
        open_connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(open_connections, config, server_state, app_state, _loop)
        self.lane = lane
        self.recent = RecentCaller(lane)
        self.own = contextvars.copy_context()  # Turns without a task run in this context (see _answer_in_task).
        self.dated: list[tuple[bytes, bytes]] | None = None
        self.date = b""

    def _answer(self, turn: Turn) -> None:
        """Answer the turn. If nothing has to wait, this method answers before it returns; otherwise a task answers.

        A task costs one more iteration of the event loop and a new context. Therefore the room's coroutine is first
        stepped outside of any task (`by_hand.py`). If the coroutine has to wait for something, it continues in a task.
        Two kinds of requests get a task from the start: requests whose caller is not cached, and requests to a service
        in another process.
        """
        try:
            admitted = self.recent.caller(turn.request, self.client[0] if self.client else "")
            if admitted is None or not turn.request.mounted.by_hand:
                self._answer_in_task(turn, self._identify_and_ask(turn))
                return
            answer = self.own.run(_begin, turn, turn.admit(admitted))
        except Suspended as suspended:
            self._answer_in_task(turn, suspended.rest)
        except Exception as error:
            self._finish(turn, problem_answer(error, turn.request, turn.request_id))
        else:
            if answer.rest is None:
                self._finish(turn, answer)
            else:
                self._answer_in_task(turn, _ready(answer))

    def _answer_in_task(self, turn: Turn, answering: Coroutine[Any, Any, Answer]) -> None:
        """Continue the coroutine in a task, in the same context. The next turn gets a new context.

        If two turns shared a context, both would set their request id in it, and log lines would show the wrong id.
        """
        own, self.own = self.own, contextvars.copy_context()
        own.run(context.request_id.set, turn.request_id)
        turn.task = self.loop.create_task(self._finish_in_task(turn, answering), context=own)
        turn.task.add_done_callback(self.tasks.discard)
        self.tasks.add(turn.task)

    async def _identify_and_ask(self, turn: Turn) -> Answer:
        return await _ask(turn, turn.admit(await self.lane.caller(turn.request, self._peer())))

    async def _finish_in_task(self, turn: Turn, answering: Coroutine[Any, Any, Answer]) -> None:
        try:
            answer = await answering
        except asyncio.CancelledError:  # Either Turn.set cancelled the task, or the server stops.
            if turn.disconnected:
                self._record(turn, ClientGone.status)
                raise
            turn.keep_alive = False
            problem = Stopping("The server stopped before the answer was ready.", retry_after_seconds=RETRY_SECONDS)
            answer = problem_answer(problem, turn.request, turn.request_id)
        except Exception as error:
            answer = problem_answer(error, turn.request, turn.request_id)
        if answer.rest is None:
            self._finish(turn, answer)
        else:
            await self._stream(turn, answer, answer.rest)

    async def _stream(self, turn: Turn, answer: Answer, rest: AsyncGenerator[bytes, None]) -> None:
        """Send each part of the body when it is ready, and wait while the client reads slowly.

        If the room fails in the middle of the body, close the connection without the last chunk. The status was sent
        before, so HTTP/1.1 has no other way to tell the client that the body is incomplete (RFC 9112 §8).
        """
        status = ClientGone.status
        try:
            async with aclosing(rest):
                self._write(turn, answer)
                status = answer.status
                async for part in rest:
                    if self.ended or self.transport.is_closing():
                        return
                    if part:  # A chunk of length 0 would end the body.
                        self.transport.write(b"%x\r\n%b\r\n" % (len(part), part))
                    await self.flow.drain()
            if not self.ended and not self.transport.is_closing():
                self.transport.write(b"0\r\n\r\n")
        except Problem as problem:
            log.warning("an answer was broken off", code=problem.code, request_id=turn.request_id)
            self.hang_up()
        except Exception as error:
            # This is only for the log entry, because the status was already sent.
            problem_answer(error, turn.request, turn.request_id)
            self.hang_up()
        finally:
            self._end(turn, status)

    def _finish(self, turn: Turn, answer: Answer) -> None:
        self._write(turn, answer)
        self._end(turn, answer.status)

    def _write(self, turn: Turn, answer: Answer) -> None:
        """Write the whole answer, or only its head if its body is a stream."""
        if not turn.disconnected and not self.ended and not self.transport.is_closing():
            headers = turn.request.headers
            more = b""
            if b"origin" in headers and not shares_by_itself(answer.headers):
                more = self.lane.cors.lines(headers[b"origin"], b"cookie" in headers, self._shares(turn))
            if turn.set_cookie:
                answer = msgspec.structs.replace(answer, headers=not_stored(answer.headers))
                more += f"set-cookie: {turn.set_cookie}\r\n".encode()
            self.transport.write(answer_bytes(answer, self._date_lines(), more, turn.request_id, turn.keep_alive))

    def _shares(self, turn: Turn) -> bool:
        return turn.shares if turn.caller is not None else self.lane.shares(turn.request)

    def _end(self, turn: Turn, status: int) -> None:
        turn.response_complete = True
        if not turn.keep_alive:
            self.hang_up()
        self._record(turn, status)
        if self.pipeline or self.flow.read_paused:
            self.on_response_complete()
        else:  # No request waits, so the next two lines have the same effect as `on_response_complete`.
            self.since = self.loop.time()
            self.server_state.total_requests += 1

    def _record(self, turn: Turn, status: int) -> None:
        route, seconds = turn.request.mounted.route, time.perf_counter() - turn.started
        record(route.method, route.path, status, seconds, turn.request_id, turn.caller)

    def _date_lines(self) -> bytes:
        headers = self.server_state.default_headers  # uvicorn makes a new list every second.
        if headers is not self.dated:
            self.dated, self.date = headers, header_lines(headers)
        return self.date


def _begin(turn: Turn, caller: Caller) -> Answer:
    """Return the answer. Raises: Suspended if the coroutine has to wait for something."""
    context.request_id.set(turn.request_id)
    return begin(_ask(turn, caller))


def _ask(turn: Turn, caller: Caller) -> Coroutine[Any, Any, Answer]:
    """Return the coroutine of the room's function that answers this route."""
    request = turn.request
    sent, mounted = request.headers, request.mounted
    if caller.scopes is not None:
        check_scopes(caller, mounted.route.method, mounted.route.path)
    headers: dict[str, str] = {}
    if not NAMES_PASSED_ON.isdisjoint(sent):
        headers = {name: str(sent[key], "latin-1") for key, name in PASSED_ON.items() if key in sent}
    asked = FastRequest(request.names, headers, request.query, b"".join(turn.parts), request.sent, request.search)
    return cast(Coroutine[Any, Any, Answer], mounted.route.answer(mounted.service, caller, asked))


async def _ready(answer: Answer) -> Answer:
    return answer


def problem_answer(error: Exception, request: HotRequest, request_id: str) -> Answer:
    """Return the answer to an error.

    The handlers behind the web framework give the same answer (`problems.HANDLERS`).
    """
    match error:
        case Problem():
            problem = for_the_public(error)
        case UnicodeDecodeError() | RecursionError():
            problem = unreadable_problem()
        case _:
            route = request.mounted.route
            problem = bug_problem(error, route.method, route.path, request_id)
    body = msgspec.json.encode(problem.body(request_id))
    return Answer(problem.status, tuple(problem.headers().items()), body, MEDIA_TYPE)
