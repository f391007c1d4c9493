"""The fast lane: hot routes are answered where their bytes arrive, without ASGI; all other requests go on to the app.

FastLane is the protocol of a connection at the front door. Http1Protocol, its base, limits time, bytes and connections
for both lanes. The life of one request:

1. `data_received` feeds the parser, which calls the `on_…` methods below (`pkg/http1/protocol.py`).
2. `on_headers_complete`: `_hot_request` decides the lane. It wants a route of `hot_routes.py`, a head with nothing
   unusual about it, and no earlier request in progress. Any other request goes the ordinary way, as if the lane was not
   there: the lane refuses nothing by itself, so no rule is written twice.
3. The request becomes a Turn (`turn.py`) in `self.cycle`; its body is collected in `turn.parts`, under the deadlines
   of `pkg/http1/timed.py`. If the body does not come, `_fail` answers.
4. `on_message_complete` hands the Turn over to `answering.py`: the caller from the request before on this connection
   or from caches, then the room's function, then one write. A read that waits for nothing is over before
   `data_received` returns.
5. Whatever has to wait goes on in a task. The Turn stays in `self.cycle` until its answer is written, so requests
   behind it wait, and answers leave in order.

Why not ASGI with a faster framework, and what this costs: docs/decisions/0010-a-fast-lane-inside-uvicorn.md.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from bunbase.gateway.answering import CLIENT_GONE, AnsweringProtocol, problem_answer
from bunbase.gateway.hot_routes import HotRequest
from bunbase.gateway.lane import Lane
from bunbase.gateway.request_ids import request_id_from
from bunbase.gateway.turn import Turn
from bunbase.pkg.errors import Problem
from bunbase.pkg.http1.connections import Connections

TURN_SECONDS: Final = 0.01  # for the requests of one slice: one that begins later goes the ordinary way, to a task


class FastLane(AnsweringProtocol):
    def __init__(
        self,
        lane: Lane,
        door: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(lane, door, config, server_state, app_state, _loop)
        self.turn: Turn | None = None  # the request whose body is being read
        self.turn_ends = 0.0  # of the loop, for the data that is being parsed

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
            self._answer(turn)

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
