"""The fast lane: hot routes answered where their bytes arrive, without ASGI; everything else goes on to the app.

A subclass of Http1Protocol, which bounds what a client may take, for this lane and the ordinary one. A request that is
being answered here stands in `self.cycle` as a Turn, so that uvicorn's own machinery queues what is pipelined behind
it, waits for it when the server stops, and keeps the answers in order.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from bunbase.contracts.caller import Caller
from bunbase.contracts.fast_routes import Answer
from bunbase.gateway.by_hand import Waiting, begin
from bunbase.gateway.hot import HotRequest
from bunbase.gateway.lane import Known, Lane, answering, problem_answer
from bunbase.gateway.record import record
from bunbase.gateway.request_ids import request_id_from
from bunbase.gateway.wire import answer_bytes, header_lines
from bunbase.pkg import context
from bunbase.pkg.errors import Problem, RequestStalled, Stopping
from bunbase.pkg.http1.connections import Connections
from bunbase.pkg.http1.exchange import RETRY_SECONDS
from bunbase.pkg.http1.protocol import Http1Protocol
from bunbase.pkg.logger import logger

log = logger("gateway")

CLIENT_GONE: Final = 499
TURN_SECONDS: Final = 0.01  # for the requests of one slice: one that begins later gets a task of its own


class Turn:
    """One request that the lane answers, from the end of its head to the answer.

    `disconnected`, `keep_alive`, `response_complete` and `message_event` are what uvicorn asks of a cycle; the
    constants are what Http1Protocol asks of one: the body is timed as any that does not stream.
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
        return self

    def set(self) -> None:
        """The client is gone: what only reads need not go on. A write is finished, as it would be elsewhere."""
        if self.disconnected and self.task is not None and self.request.mounted.route.reads:
            self.task.cancel()


class FastLane(Http1Protocol):
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
        self.turn: Turn | None = None  # the request whose body is being read
        self.turn_ends = 0.0  # of the loop, for the data that is being parsed
        self.own = contextvars.copy_context()  # for one turn after the other; a task keeps it, and there is a new one
        self.known = Known(lane)
        self.dated: list[tuple[bytes, bytes]] | None = None
        self.date = b""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        turn, self.turn = self.turn, None
        if turn is not None:  # it left amid its body
            turn.response_complete = True
            self._record(turn, CLIENT_GONE)

    def _parse(self, data: bytes) -> None:
        self.turn_ends = self.loop.time() + TURN_SECONDS
        super()._parse(data)

    # called by the parser

    def on_headers_complete(self) -> None:
        request = self._hot_request()
        if request is None:
            super().on_headers_complete()
            return
        self.in_head = False
        self.head_bytes = 0
        sent = request.headers.get(b"x-request-id")
        self.turn = self.cycle = Turn(request, request_id_from(() if sent is None else (sent,)))

    def on_body(self, body: bytes) -> None:
        turn = self.turn
        if turn is None:
            super().on_body(body)
            return
        self.body_came = True
        self.head_bytes = 0
        self.body_bytes += len(body)
        turn.parts.append(body)

    def on_message_complete(self) -> None:
        turn, self.turn = self.turn, None
        if turn is None:
            super().on_message_complete()
        else:
            self.in_message = False
            self.stop_by = None
            self._take(turn)

    def _hot_request(self) -> HotRequest | None:
        """Return the request if the lane takes it: no earlier one is in progress, and nothing about it is unusual."""
        parser = self.parser
        idle = self.cycle is None or self.cycle.response_complete
        if not idle or self.flow.write_paused or not parser.should_keep_alive() or parser.should_upgrade():
            return None
        if parser.get_http_version() != "1.1" or self.is_head_large():
            return None
        if self.since > self.turn_ends:
            return None  # a task of its own lets others have their turn
        if self.lane.hosts.suffix and self.lane.hosts.slug(self.headers) is not None:
            return None  # a project's own host: other addresses stand for other things there
        return self.lane.hot.request(parser.get_method(), self.url, self.headers)

    def _fail(self, problem: Problem) -> None:
        """The body of a turn does not come."""
        turn, self.turn = self.turn, None
        if turn is None:
            super()._fail(problem)
            return
        turn.keep_alive = False
        self._finish(turn, problem_answer(problem, turn.request, turn.request_id))

    # from request to answer

    def _take(self, turn: Turn) -> None:
        """Answer in this very moment if nothing has to be waited for; a task answers otherwise."""
        turn.caller = self.known.caller(turn.request, self._peer())
        if turn.caller is None or not turn.request.mounted.by_hand:
            self._start(turn, self._asked(turn))
            return
        try:
            answer = self.own.run(_begin, turn, turn.caller)
        except Waiting as waiting:
            self._start(turn, waiting.rest)
        except Exception as error:
            self._finish(turn, problem_answer(error, turn.request, turn.request_id))
        else:
            if answer.rest is None:
                self._finish(turn, answer)
            else:
                self._start(turn, _at_once(answer))

    def _start(self, turn: Turn, answering: Coroutine[Any, Any, Answer]) -> None:
        own, self.own = self.own, contextvars.copy_context()
        own.run(context.request_id.set, turn.request_id)
        turn.task = self.loop.create_task(self._finish_later(turn, answering), context=own)
        turn.task.add_done_callback(self.tasks.discard)
        self.tasks.add(turn.task)

    async def _asked(self, turn: Turn) -> Answer:
        turn.caller = await self.lane.caller(turn.request, self._peer())
        return await answering(turn.request, turn.caller, b"".join(turn.parts))

    async def _finish_later(self, turn: Turn, answering: Coroutine[Any, Any, Answer]) -> None:
        try:
            answer = await answering
        except asyncio.CancelledError:
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
        """Send the body as it comes, no faster than the client takes it; hang up where it breaks off."""
        status = CLIENT_GONE
        try:
            async with aclosing(rest):
                self._write_head(turn, answer)
                status = answer.status
                async for part in rest:
                    if self.ended or self.transport.is_closing():
                        return
                    if part:
                        self.transport.write(b"%x\r\n%b\r\n" % (len(part), part))
                    await self.flow.drain()
            if not self.ended and not self.transport.is_closing():
                self.transport.write(b"0\r\n\r\n")
        except Problem as problem:
            log.warning("an answer was broken off", code=problem.code, request_id=turn.request_id)
            self.hang_up()
        except Exception as error:
            problem_answer(error, turn.request, turn.request_id)  # a bug: it says so in the log
            self.hang_up()
        finally:
            self._over(turn, status)

    def _finish(self, turn: Turn, answer: Answer) -> None:
        self._write_head(turn, answer)
        self._over(turn, answer.status)

    def _write_head(self, turn: Turn, answer: Answer) -> None:
        """Write the answer, or all of it that is there."""
        if not turn.disconnected and not self.ended and not self.transport.is_closing():
            headers = turn.request.headers
            cors = self.lane.cors.lines(headers[b"origin"], b"cookie" in headers) if b"origin" in headers else b""
            self.transport.write(answer_bytes(answer, self._date(), cors, turn.request_id, turn.keep_alive))

    def _over(self, turn: Turn, status: int) -> None:
        turn.response_complete = True
        if not turn.keep_alive:
            self.hang_up()
        self._record(turn, status)
        if self.pipeline or self.flow.read_paused:
            self.on_response_complete()
        else:
            self.since = self.loop.time()
            self.server_state.total_requests += 1

    def _record(self, turn: Turn, status: int) -> None:
        route, seconds = turn.request.mounted.route, time.perf_counter() - turn.started
        record(route.method, route.path, status, seconds, turn.request_id, turn.caller)

    def _date(self) -> bytes:
        headers = self.server_state.default_headers  # uvicorn makes a new list every second
        if headers is not self.dated:
            self.dated, self.date = headers, header_lines(headers)
        return self.date


async def _at_once(answer: Answer) -> Answer:
    return answer


def _begin(turn: Turn, caller: Caller) -> Answer:
    context.request_id.set(turn.request_id)
    return begin(answering(turn.request, caller, b"".join(turn.parts)))
