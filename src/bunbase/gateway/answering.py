"""How the fast lane answers a request that it has read: at once where nothing has to be waited for, else in a task.

Both lanes mean the same: the function that answers here is the one that answers behind the web framework, with the
same Problems and the same headers. Only the way there is shorter.
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
from bunbase.contracts.fast_routes import Answer, Asked
from bunbase.gateway.by_hand import Waiting, begin
from bunbase.gateway.hot_routes import HotRequest
from bunbase.gateway.lane import Lane
from bunbase.gateway.problems import MEDIA_TYPE, bug_problem, for_the_public, unreadable_problem
from bunbase.gateway.recent_caller import RecentCaller
from bunbase.gateway.record import record
from bunbase.gateway.turn import Turn
from bunbase.gateway.wire import answer_bytes, header_lines
from bunbase.pkg import context
from bunbase.pkg.errors import Problem, Stopping
from bunbase.pkg.http1.connections import Connections
from bunbase.pkg.http1.exchange import RETRY_SECONDS
from bunbase.pkg.http1.protocol import Http1Protocol
from bunbase.pkg.logger import logger

log = logger("gateway")

CLIENT_GONE: Final = 499
PASSED_ON: Final = {name.encode(): name for name in ("content-type", "if-match", "if-none-match", "origin")}


class AnsweringProtocol(Http1Protocol):
    """Answers Turns on one connection. Its subclass FastLane decides which requests become Turns."""

    def __init__(
        self,
        lane: Lane,
        door: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(door, config, server_state, app_state, _loop)
        self.lane = lane
        self.recent = RecentCaller(lane)
        self.own = contextvars.copy_context()  # of the turns that need no task; a task takes it and leaves a new one
        self.dated: list[tuple[bytes, bytes]] | None = None
        self.date = b""

    def _answer(self, turn: Turn) -> None:
        """Answer in this very moment if nothing has to be waited for; otherwise in a task.

        A task costs a turn of the loop and a context of its own. So the coroutine of the room is begun by hand, outside
        of any task (`by_hand.py`), and gets a task only at its first wait. Two kinds of requests need a task from the
        start: those whose caller a room must be asked about, and those whose service runs in another process.
        """
        turn.caller = self.recent.caller(turn.request, self._peer())
        if turn.caller is None or not turn.request.mounted.by_hand:
            self._answer_in_task(turn, self._identify_and_ask(turn))
            return
        try:
            answer = self.own.run(_begin, turn, turn.caller)
        except Waiting as waiting:
            self._answer_in_task(turn, waiting.rest)
        except Exception as error:
            self._finish(turn, problem_answer(error, turn.request, turn.request_id))
        else:
            if answer.rest is None:
                self._finish(turn, answer)
            else:
                self._answer_in_task(turn, _ready(answer))

    def _answer_in_task(self, turn: Turn, answering: Coroutine[Any, Any, Answer]) -> None:
        """Go on in a task. It takes the context with it that the coroutine has begun in: the next turn gets a new one.

        Were the context shared, the request ids of two turns would meet in it, and log lines would name the wrong one.
        """
        own, self.own = self.own, contextvars.copy_context()
        own.run(context.request_id.set, turn.request_id)
        turn.task = self.loop.create_task(self._finish_in_task(turn, answering), context=own)
        turn.task.add_done_callback(self.tasks.discard)
        self.tasks.add(turn.task)

    async def _identify_and_ask(self, turn: Turn) -> Answer:
        turn.caller = await self.lane.caller(turn.request, self._peer())
        return await _ask(turn, turn.caller)

    async def _finish_in_task(self, turn: Turn, answering: Coroutine[Any, Any, Answer]) -> None:
        try:
            answer = await answering
        except asyncio.CancelledError:  # by Turn.set, or by a server that stops
            if turn.disconnected:
                self._record(turn, CLIENT_GONE)
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
        """Send the body as it comes, no faster than the client takes it.

        If it breaks off, the connection is closed without the last chunk: the status is sent already, and this is how
        HTTP/1.1 tells the client that the body is incomplete (RFC 9112 §8).
        """
        status = CLIENT_GONE
        try:
            async with aclosing(rest):
                self._write(turn, answer)
                status = answer.status
                async for part in rest:
                    if self.ended or self.transport.is_closing():
                        return
                    if part:  # a chunk of length 0 would end the body
                        self.transport.write(b"%x\r\n%b\r\n" % (len(part), part))
                    await self.flow.drain()
            if not self.ended and not self.transport.is_closing():
                self.transport.write(b"0\r\n\r\n")
        except Problem as problem:
            log.warning("an answer was broken off", code=problem.code, request_id=turn.request_id)
            self.hang_up()
        except Exception as error:
            problem_answer(error, turn.request, turn.request_id)  # for its log entry: the bug cannot be answered now
            self.hang_up()
        finally:
            self._end(turn, status)

    def _finish(self, turn: Turn, answer: Answer) -> None:
        self._write(turn, answer)
        self._end(turn, answer.status)

    def _write(self, turn: Turn, answer: Answer) -> None:
        """Write the answer; of one that streams, its head."""
        if not turn.disconnected and not self.ended and not self.transport.is_closing():
            headers = turn.request.headers
            cors = self.lane.cors.lines(headers[b"origin"], b"cookie" in headers) if b"origin" in headers else b""
            self.transport.write(answer_bytes(answer, self._date_lines(), cors, turn.request_id, turn.keep_alive))

    def _end(self, turn: Turn, status: int) -> None:
        turn.response_complete = True
        if not turn.keep_alive:
            self.hang_up()
        self._record(turn, status)
        if self.pipeline or self.flow.read_paused:
            self.on_response_complete()
        else:  # nothing waits: these two lines are all that is left to do of `on_response_complete`
            self.since = self.loop.time()
            self.server_state.total_requests += 1

    def _record(self, turn: Turn, status: int) -> None:
        route, seconds = turn.request.mounted.route, time.perf_counter() - turn.started
        record(route.method, route.path, status, seconds, turn.request_id, turn.caller)

    def _date_lines(self) -> bytes:
        headers = self.server_state.default_headers  # uvicorn makes a new list every second
        if headers is not self.dated:
            self.dated, self.date = headers, header_lines(headers)
        return self.date


def _begin(turn: Turn, caller: Caller) -> Answer:
    """Return the answer. Raises: Waiting if it is not ready yet."""
    context.request_id.set(turn.request_id)
    return begin(_ask(turn, caller))


def _ask(turn: Turn, caller: Caller) -> Coroutine[Any, Any, Answer]:
    """Return the coroutine of the room's function that answers this route."""
    request = turn.request
    sent, mounted = request.headers, request.mounted
    headers = {name: str(sent[key], "latin-1") for key, name in PASSED_ON.items() if key in sent}
    asked = Asked(request.names, headers, request.query, b"".join(turn.parts), request.sent, request.search)
    return cast(Coroutine[Any, Any, Answer], mounted.route.answer(mounted.service, caller, asked))


async def _ready(answer: Answer) -> Answer:
    return answer


def problem_answer(error: Exception, request: HotRequest, request_id: str) -> Answer:
    """Answer an error as the ordinary lane does (`problems.HANDLERS`)."""
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
