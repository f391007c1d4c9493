"""The fast lane: hot routes answered where their bytes arrive, without ASGI; everything else goes on to the app.

A subclass of uvicorn's HttpToolsProtocol, which is internal to uvicorn: `tests/gateway/test_uvicorn.py` pins what is
relied on. A request that is being answered here stands in `self.cycle` as a Turn, so that uvicorn's own machinery
queues what is pipelined behind it, waits for it when the server stops, and keeps the answers in order.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import time
from asyncio import TimerHandle
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, Final

import msgspec
from httptools import HttpParserUpgrade
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from bunbase.contracts.caller import Caller
from bunbase.contracts.fast_routes import Answer
from bunbase.gateway.by_hand import Waiting, begin
from bunbase.gateway.hot import HotRequest
from bunbase.gateway.lane import Known, Lane, answering, problem_answer
from bunbase.gateway.problems import MEDIA_TYPE
from bunbase.gateway.record import record
from bunbase.gateway.request_ids import request_id_from
from bunbase.gateway.wire import answer_bytes, header_lines
from bunbase.pkg import context
from bunbase.pkg.errors import HeadersTooLarge, Malformed, Problem
from bunbase.pkg.logger import logger

log = logger("gateway")

MAX_HEAD_BYTES: Final = 64 << 10
MAX_UNREAD_BYTES: Final = 16 << 20  # of a request that was answered before its end; then who still sends is hung up on
CLIENT_GONE: Final = 499


class Turn:
    """One request that the lane answers, from the end of its head to the answer.

    `disconnected`, `keep_alive`, `response_complete` and `message_event` are what uvicorn asks of a cycle.
    """

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


class FastLane(HttpToolsProtocol):
    cycle: Any

    def __init__(
        self,
        lane: Lane,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.lane = lane
        self.timeout_keep_alive = lane.idle_seconds
        self.turn: Turn | None = None  # whose body is being read
        self.in_head = False
        self.in_message = False
        self.piece_bytes = 0  # of the data that is being parsed
        self.body_came = False  # with it
        self.head_bytes = 0  # of a head; of trailers, or of what stands between two chunks
        self.unread_bytes = 0
        self.reading = False
        self.since = 0.0
        self.watch: TimerHandle | None = None
        self.own = contextvars.copy_context()  # for one turn after the other; a task keeps it, and there is a new one
        self.known = Known(lane)
        self.dated: list[tuple[bytes, bytes]] | None = None
        self.date = b""

    # the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.since = self.loop.time()
        self._check_time()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.watch is not None:
            self.watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.body_came, self.piece_bytes = False, len(data)
        super().data_received(data)
        if self.in_head or (self.in_message and not self.body_came):
            self.head_bytes += len(data)
            if self.head_bytes > MAX_HEAD_BYTES and not self.in_head:
                self.transport.close()  # its answer is under way, or has been given
            elif self.head_bytes > MAX_HEAD_BYTES:
                self._refuse(HeadersTooLarge(f"Send at most {MAX_HEAD_BYTES >> 10} KiB of them."))

    def send_400_response(self, msg: str) -> None:
        self._refuse(Malformed(msg))

    def _unsupported_upgrade_warning(self) -> None:
        """The request is answered as if it had not asked, but uvicorn drops what came in one piece behind it: what
        comes later may be the middle of something, and must not be read as a request.

        Called where the parser's word for this is caught.
        """
        told = sys.exc_info()[1]
        if isinstance(told, HttpParserUpgrade) and told.args[0] == self.piece_bytes:
            return
        self.cycle.keep_alive = False
        if self.cycle.response_complete:
            self.transport.close()

    # what the parser tells

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self.turn = None
        self.in_head = self.in_message = self.reading = True
        self.head_bytes = self.unread_bytes = 0
        self.since = self.loop.time()

    def on_headers_complete(self) -> None:
        self.in_head = False
        self.head_bytes = 0
        request = self._hot_request()
        if request is None:
            self._go_the_ordinary_way()
            return
        sent = request.headers.get(b"x-request-id")
        self.turn = self.cycle = Turn(request, request_id_from(() if sent is None else (sent,)))

    def on_body(self, body: bytes) -> None:
        self.body_came = True
        self.head_bytes = 0
        if self.turn is not None:
            self.turn.parts.append(body)
        elif self.cycle.response_complete:
            self._drop(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self.in_message = self.reading = False
        turn, self.turn = self.turn, None
        if turn is None:
            super().on_message_complete()
        else:
            self._take(turn)

    def _drop(self, body: bytes) -> None:
        """Read over what nobody wants any more, so that the next request is found, as long as it is not too much."""
        self.unread_bytes += len(body)
        if self.unread_bytes > MAX_UNREAD_BYTES:
            self.transport.close()

    def _hot_request(self) -> HotRequest | None:
        """Give the request if the lane takes it: nothing is under way before it, and nothing about it is unusual."""
        parser = self.parser
        idle = self.cycle is None or self.cycle.response_complete
        if not idle or self.flow.write_paused or not parser.should_keep_alive() or parser.should_upgrade():
            return None
        if self.expect_100_continue or parser.get_http_version() != "1.1":
            return None
        if self.lane.hosts.suffix and self.lane.hosts.slug(self.headers) is not None:
            return None  # a project's own host: other addresses stand for other things there
        return self.lane.hot.request(parser.get_method(), self.url, self.headers)

    def _go_the_ordinary_way(self) -> None:
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        self.reading = False  # from here on the app decides how long it waits
        super().on_headers_complete()
        self.headers = []  # trailers go here, and nowhere: as headers they would be believed (RFC 9110 §6.5.1)

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
            self._record(turn, CLIENT_GONE)
            raise
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
                    if self.transport.is_closing():
                        return
                    if part:
                        self.transport.write(b"%x\r\n%b\r\n" % (len(part), part))
                    await self.flow.drain()
            if not self.transport.is_closing():
                self.transport.write(b"0\r\n\r\n")
        except Problem as problem:
            log.warning("an answer was broken off", code=problem.code, request_id=turn.request_id)
            self.transport.close()
        except Exception as error:
            problem_answer(error, turn.request, turn.request_id)  # a bug: it says so in the log
            self.transport.close()
        finally:
            self._over(turn, status)

    def _finish(self, turn: Turn, answer: Answer) -> None:
        self._write_head(turn, answer)
        self._over(turn, answer.status)

    def _write_head(self, turn: Turn, answer: Answer) -> None:
        """Write the answer, or all of it that is there."""
        if not turn.disconnected and not self.transport.is_closing():
            headers = turn.request.headers
            cors = self.lane.cors.lines(headers[b"origin"], b"cookie" in headers) if b"origin" in headers else b""
            self.transport.write(answer_bytes(answer, self._date(), cors, turn.request_id, turn.keep_alive))

    def _over(self, turn: Turn, status: int) -> None:
        turn.response_complete = True
        if not turn.keep_alive:
            self.transport.close()
        self._record(turn, status)
        if self.pipeline or self.flow.read_paused:
            self.on_response_complete()
        else:
            self.since = self.loop.time()
            self.server_state.total_requests += 1

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        super().on_response_complete()

    def _record(self, turn: Turn, status: int) -> None:
        route, seconds = turn.request.mounted.route, time.perf_counter() - turn.started
        record(route.method, route.path, status, seconds, turn.request_id, turn.caller)

    def _refuse(self, problem: Problem) -> None:
        """Answer what is no request, and hang up; in the midst of another answer only hang up."""
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            request_id = request_id_from(())
            body = msgspec.json.encode(problem.body(request_id))
            answer = Answer(problem.status, (), body, MEDIA_TYPE)
            self.transport.write(answer_bytes(answer, self._date(), b"", request_id, keep_alive=False))
        self.transport.close()

    # time

    def _check_time(self) -> None:
        """Hang up on who is silent between requests, or does not get to the end of one. One timer a connection:
        setting one with every request would cost more than reading the clock.
        """
        waited, limit = self.loop.time() - self.since, self._limit()
        if limit is not None and waited >= limit:
            self.transport.close()
            return
        shortest = min(self.lane.read_seconds, self.timeout_keep_alive)
        remaining = shortest if limit is None else limit - waited
        self.watch = self.loop.call_later(min(shortest, remaining), self._check_time)

    def _limit(self) -> float | None:
        if self.reading:
            return self.lane.read_seconds
        return self.timeout_keep_alive if self.cycle is None or self.cycle.response_complete else None

    def _date(self) -> bytes:
        headers = self.server_state.default_headers  # uvicorn makes a new list every second
        if headers is not self.dated:
            self.dated, self.date = headers, header_lines(headers)
        return self.date

    def _peer(self) -> str:
        return self.client[0] if self.client else ""


async def _at_once(answer: Answer) -> Answer:
    return answer


def _begin(turn: Turn, caller: Caller) -> Answer:
    context.request_id.set(turn.request_id)
    return begin(answering(turn.request, caller, b"".join(turn.parts)))
