"""The fast lane: FastLane answers requests to hot routes inside the HTTP protocol, without ASGI and its framework.

FastLane is the asyncio protocol of one connection at the front door. The base class Http1Protocol limits time, bytes
and connections. A request that the fast lane does not take goes to the ASGI app, which is the ordinary lane.

The life of one request:

1. `data_received` feeds the parser, and the parser calls the `on_…` methods below (`pkg/http1/protocol.py`).
2. `on_headers_complete` chooses the lane. The fast lane takes a request if its route is in
   `hot_routes.py`, its head has nothing unusual, and no earlier request of the connection is in progress. The fast
   lane never refuses a request itself: the rules for refusals exist only once, in the ordinary lane.
3. The request becomes a Turn (`turn.py`) and is stored in `self.cycle`. `turn.parts` collects its body, under the
   deadlines of `pkg/http1/timed.py`. If the body does not arrive in time, `_fail` answers.
4. `on_message_complete` passes the Turn to `answering.py`, which finds the caller, calls the room's function, and
   writes the answer. If nothing has to wait, the answer is written before `data_received` returns.
5. A request that has to wait continues in a task. The Turn of the request stays in `self.cycle` until the answer is
   written. Until then later requests of the connection wait, so answers leave in the order of the requests.

Hard place: one client can send many pipelined requests at once. Step 4 runs inside `data_received`, so the event loop
does nothing else meanwhile, and other connections would wait until all of these requests are answered. Therefore a
request goes to the ordinary lane, which starts a task, if it begins later than TURN_SECONDS after the first request of
the same data. The first request never goes to the ordinary lane, because no other request waits for it, and a busy
machine may pause the process at any moment. A task for every request was rejected. The loop would then be fair by
itself, but every short read would pay for a task.

ASGI with a faster framework was rejected. The measurements and the costs of this choice are in
docs/decisions/0010-a-fast-lane-inside-uvicorn.md.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Final

from bunbase.gateway.answering import AnsweringProtocol, problem_answer
from bunbase.gateway.live.openings import METHOD, PATH, Opening
from bunbase.gateway.record import record
from bunbase.gateway.request_ids import next_request_id, request_id_from
from bunbase.gateway.turn import Turn
from bunbase.pkg import context
from bunbase.pkg.errors import ClientGone, Problem
from bunbase.pkg.http1.head import asks_to_close
from bunbase.pkg.http1.switching import SWITCHING, switching_head

TURN_SECONDS: Final = 0.01  # Requests of one slice of data that begin later than this go to the ordinary lane.


class FastLane(AnsweringProtocol):
    turn: Turn | None = None  # The request whose body is being read.
    opening: Opening | None = None  # The request for a WebSocket whose head was read.
    turn_ends = (
        # At this time of the loop, the fast lane stops taking requests of the slice. The time is 0 before the first
        # request.
        0.0
    )

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        turn, self.turn = self.turn, None
        if turn is not None:  # The client left before it had sent the whole body.
            turn.response_complete = True
            self._record(turn, ClientGone.status)

    def _parse(self, data: bytes) -> None:
        self.turn_ends = 0.0
        super()._parse(data)

    # The parser calls these methods.

    def on_headers_complete(self) -> None:
        usual = self._is_usual()
        if usual and self.parser.should_upgrade():
            self.opening = self._opening()
            if self.opening is not None:
                self.in_head = False
                return
            usual = False  # This is an upgrade, but not an opening.
        request = self.lane.hot.request(self.parser.get_method(), self.url, self.headers) if usual else None
        if request is None:
            super().on_headers_complete()
            return
        self.in_head = False
        self.head_bytes = 0
        sent = request.headers.get(b"x-request-id")
        self.turn = self.cycle = Turn(request, next_request_id() if sent is None else request_id_from((sent,)))

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
        if self.opening is not None:
            return
        turn, self.turn = self.turn, None
        if turn is None:
            super().on_message_complete()
        else:
            self.end_message()
            self._answer(turn)

    def _pass_over_upgrade(self, nothing_behind: bool) -> None:
        opening, self.opening = self.opening, None
        if opening is None:
            super()._pass_over_upgrade(nothing_behind)
        elif nothing_behind and not self.unparsed and not self.flow.held:
            self.in_message = False
            self._pause()
            started = time.perf_counter()
            self.lane.openings.soon(partial(self._open, opening, started))
        else:  # data follows the head, and it is unclear which protocol must read it: the ordinary lane refuses
            self._leave_upgrade(nothing_behind)

    def _open(self, opening: Opening, started: float) -> None:
        """Answer 101, and hand the connection over. If a limit is reached meanwhile, let the ordinary lane refuse."""
        if self.ended or self.transport.is_closing():
            return
        if not self.lane.openings.has_room(opening):
            self._leave_upgrade(nothing_behind=True)
            return
        request_id = request_id_from(() if opening.request_id is None else (opening.request_id,))
        headers = [*opening.answer, (b"x-request-id", request_id.encode())]
        self.transport.write(switching_head(headers, self.server_state.default_headers))
        self.own.run(self._hand_over_to_live, opening, request_id)
        seconds = time.perf_counter() - started
        record(METHOD.decode(), PATH.decode(), SWITCHING, seconds, request_id, opening.caller)

    def _leave_upgrade(self, nothing_behind: bool) -> None:
        """Leave the request for a WebSocket to the ordinary lane."""
        super().on_headers_complete()
        super().on_message_complete()
        super()._pass_over_upgrade(nothing_behind)

    def _hand_over_to_live(self, opening: Opening, request_id: str) -> None:
        context.request_id.set(request_id)
        self.hand_over(self.lane.openings.socket(opening))

    def _is_usual(self) -> bool:
        """True if nothing about the connection and the head is unusual, so that the fast lane may take the request.

        `hot_routes.py` and `_opening` look at the Connection header, because the parser misses some forms of `close`.
        """
        parser = self.parser
        idle = self.cycle is None or self.cycle.response_complete
        if not idle or self.flow.write_paused or not parser.should_keep_alive():
            return False
        if parser.get_http_version() != "1.1":
            return False
        if self.head_bytes > self.small_head_bytes and self.is_head_large():
            return False
        if not self.turn_ends:
            self.turn_ends = self.loop.time() + TURN_SECONDS
        elif self.since > self.turn_ends:
            return False  # The ordinary lane starts a task, so other connections are served in between.
        # On the host of a project, all paths belong to its functions.
        return not self.lane.hosts.suffix or self.lane.hosts.slug(self.headers) is None

    def _opening(self) -> Opening | None:
        """Return the opening of a WebSocket if the fast lane takes it, else None."""
        if asks_to_close(self.headers):
            return None
        return self.lane.openings.opening(self.parser.get_method(), self.url, self.headers, self._peer())

    def _fail(self, problem: Problem) -> None:
        """Answer with `problem` and close the connection: the body of the current turn did not arrive in time."""
        turn, self.turn = self.turn, None
        if turn is None:
            super()._fail(problem)
            return
        turn.keep_alive = False
        self._finish(turn, problem_answer(problem, turn.request, turn.request_id))
