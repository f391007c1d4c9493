"""HTTP/1.1 on one connection, with a limit on everything that a client may use: time, bytes, connections.

It is a subclass of uvicorn's HttpToolsProtocol. That class is internal to uvicorn;
`tests/gateway/whole/test_uvicorn.py` checks the members that we use. `timed.py` holds all deadlines.
The life of a request:

1. `connection_made`: the connection is counted, or refused with 503.
2. `on_message_begin`: the clock starts. `on_headers_complete`: the head is checked (`head.py`), in one place for every
   port and lane. An invalid head is refused; a valid one becomes an Exchange, and the app runs.
3. `on_body`: the body must arrive by a deadline. If it does not, `receive` raises a Problem in the app.
4. The answer is written. The connection of a client that does not read it is closed (`unsent.py`).
5. The rest of a request after its answer is read and dropped, within limits, so that the client can read the answer.
   Closing at once, while the client sends, would reset the connection, and the client would lose the answer.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from bunbase.pkg import metrics
from bunbase.pkg.errors import (
    HeadersTooLarge,
    Malformed,
    Problem,
    TooManyConnections,
    VersionNotSupported,
)
from bunbase.pkg.http1.answers import refusal
from bunbase.pkg.http1.connections import Connections
from bunbase.pkg.http1.exchange import Exchange, GuardedTransport
from bunbase.pkg.http1.head import ASTERISK, BLANKS, Head, checked_head
from bunbase.pkg.http1.incoming import EXTENSION
from bunbase.pkg.http1.server_wide import server_wide
from bunbase.pkg.http1.slices import SlicedProtocol
from bunbase.pkg.http1.upgrade import brings_a_body, head_without_upgrade

VERSION_REFUSALS: Final = ("Invalid HTTP version", "Pause on PRI/Upgrade")  # as llhttp says it


class Ended(Exception):
    """Stops the parser: nothing that comes now is a request."""


class Http1Protocol(SlicedProtocol):
    def __init__(
        self,
        door: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(door.limits, config, server_state, app_state, _loop)
        self.door = door
        self.refused = False
        self.problem: Problem | None = None  # with the head that is being parsed
        self.piece_bytes = 0  # of the data that is being parsed
        self.body_came = False  # with it
        self.head_again = b""  # of a request whose head the parser has to read once more
        self.head_bytes = 0  # of a head; of trailers, or of what stands between two chunks
        self.unread_bytes = 0

    # the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.guarded = GuardedTransport(self)
        self.admitted = self.door.admit(self._peer())
        if not self.admitted:
            self._turn_away()
        self._watch_again()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.admitted:
            self.door.leave(self._peer())
        if self.refused:
            self.door.forget()
        self.ended = True
        self._forget_unparsed()
        super().connection_lost(exc)

    def _parse(self, data: bytes) -> None:
        while data:
            data = self._read(data)

    def _read(self, data: bytes) -> bytes:
        """Return what is to be read next, behind a head that was read once more."""
        if self.ended or self.deaf:
            self._drop(len(data))
            return b""
        self.body_came, self.piece_bytes = False, len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as told:
            if self.head_again:
                self._read_again()
                return data[told.args[0] :]
            self._pass_over_upgrade(told.args[0] == len(data))
        except httptools.HttpParserError as error:
            self._stop_reading(error, len(data))
        else:
            if self.in_head or (self.in_message and not self.body_came):
                self._count_head(len(data))
        return b""

    def _read_again(self) -> None:
        head, self.head_again = self.head_again, b""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self._read(head)

    def hang_up(self) -> None:
        """End the connection after the written answer.

        If the client still sends, its bytes are read and dropped for a while: closing at once would reset the
        connection, and the client would lose the answer.
        """
        if self.ended:
            return
        self.ended = True
        self.since = self.heard_at = self.loop.time()
        self.unread_bytes = left = self._forget_unparsed()
        if not self.transport.is_closing():
            if self.in_message or self.deaf or self.pipeline or left:
                self.flow.resume_reading()
                self.transport.write_eof()
            else:
                self.transport.close()
        self._watch_again()

    def shutdown(self) -> None:
        """The server stops: finish what is under way. A body that has not come by then has little time left."""
        self.stopping = True
        if self.ended or self.cycle is None or self.cycle.response_complete:
            self.close()
            return
        self.cycle.keep_alive = False
        if self.in_message:
            self.stop_by = self.loop.time() + self.limits.stop_seconds
        self._watch_again()

    def send_400_response(self, msg: str) -> None:
        self.refuse(Malformed(msg))

    def refuse(self, problem: Problem) -> None:
        """Answer what is no request, and hang up. An answer that is under way is finished first, and is the last."""
        if self.ended:
            return
        metrics.http_refused.labels(problem.code).inc()
        self.in_head, self.deaf = False, True
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(refusal(problem, self.server_state.default_headers))
            self.hang_up()
        else:  # of several that wait for their turn, `cycle` is the last
            self.cycle.keep_alive = False

    # called by the parser

    def on_message_begin(self) -> None:
        if self.ended or self.deaf:
            raise Ended
        self.began = True
        self.url = b""
        self.headers = []
        self.in_head = self.in_message = True
        self.head_bytes = self.body_bytes = self.unread_bytes = 0
        self.since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(BLANKS)))

    def on_headers_complete(self) -> None:
        parser = self.parser
        method, version = parser.get_method(), parser.get_http_version()
        if parser.should_upgrade() and method != b"CONNECT" and brings_a_body(self.headers):
            self.head_again = head_without_upgrade(method, self.url, version, self.headers)
            return
        large = self.is_head_large()
        self.in_head = False
        self.head_bytes = 0
        try:
            if large:
                raise self._too_large()
            head = checked_head(method, self.url, version, self.headers)
        except Problem as problem:
            self.problem = problem
            raise
        self._begin(method, version, head)
        self.headers = []  # trailers go here, and nowhere: as headers they would be believed (RFC 9110 §6.5.1)

    def on_body(self, body: bytes) -> None:
        self.body_came = True
        self.head_bytes = 0
        cycle = self.cycle
        if self.ended or cycle.response_complete or cycle.problem is not None:
            self._drop(len(body))
            return
        self.body_bytes += len(body)
        if cycle.silence_seconds is not None:
            self.since = self.loop.time()
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self._pause()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self.head_again:
            return
        self.in_message = False
        self.stop_by = None
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    def on_response_complete(self) -> None:
        """Begin with the next request if one is waiting."""
        self.server_state.total_requests += 1
        self.since = self.loop.time()
        if self.ended or self.transport.is_closing():
            return
        self.resume_clock()
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        if self.unparsed:
            self._go_on()

    # from head to app

    def _begin(self, method: bytes, version: str, head: Head) -> None:
        path = head.path.decode("ascii")
        scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "method": method.decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": head.path,
            "query_string": head.query,
            "headers": head.headers,
            "state": self.app_state.copy(),
        }
        before, self.cycle = self.cycle, self._exchange(scope, version)
        scope["extensions"] = {EXTENSION: self.cycle}
        app: Any = server_wide if head.path == ASTERISK else self.app
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, app)
        else:
            self._pause()
            self.pipeline.appendleft((self.cycle, app))

    def _exchange(self, scope: dict[str, Any], version: str) -> Exchange:
        expected = (name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])
        return Exchange(
            self,
            scope=scope,
            transport=self.guarded,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=version == "1.1" and any(expected),
            keep_alive=version == "1.1" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )

    # bytes that are no request

    def _stop_reading(self, error: Exception, came: int) -> None:
        """The parser is at its end: refuse what it could not read, or end the body that it broke off."""
        if self.ended or self.deaf:
            self._drop(came)
            return
        in_body = self.in_message and not self.in_head and self.problem is None
        problem, self.problem = self.problem or _unreadable(error), None
        if in_body and not self.cycle.response_complete:
            self.deaf = True
            self._fail(problem)
        else:
            self.refuse(problem)

    def _fail(self, problem: Problem) -> None:
        self.cycle.fail(problem)

    def _count_head(self, came: int) -> None:
        self.head_bytes += came
        if self.head_bytes <= self.limits.head_bytes:
            return
        if self.in_head:
            self.refuse(self._too_large())
        else:
            self.close()  # framing without end: an answer is under way, or has been given

    def is_head_large(self) -> bool:
        """Ask of a head that has just been read: in one piece with its end it was not counted on the way."""
        most = self.limits.head_bytes
        if self.head_bytes + self.piece_bytes <= most:
            return False
        return len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers]) > most

    def _too_large(self) -> Problem:
        return HeadersTooLarge(f"Send at most {self.limits.head_bytes >> 10} KiB of them.")

    def _pass_over_upgrade(self, nothing_behind: bool) -> None:
        """The request is answered as if it had not asked, but the parser drops what came in one piece behind it: what
        comes later may be the middle of something, and must not be read as a request.
        """
        if nothing_behind:
            return
        self.deaf = True
        self.cycle.keep_alive = False
        if self.cycle.response_complete:
            self.hang_up()

    def _drop(self, came: int) -> None:
        """Read over what nobody wants any more, as long as it is not too much."""
        self.heard_at = self.loop.time()
        self.unread_bytes += came
        if self.unread_bytes > self.limits.unread_bytes:
            self.close()

    def _turn_away(self) -> None:
        """There are too many connections: say so, and close before a request is read."""
        self.refused = self.door.refuse()
        metrics.http_refused.labels(TooManyConnections.code).inc()
        self.ended = True
        problem = TooManyConnections("Use fewer connections, or come back later.", retry_after_seconds=1)
        self.transport.write(refusal(problem, self.server_state.default_headers))
        if self.refused:
            self.transport.write_eof()
        else:
            self.transport.close()  # at once: what the client has sent already may cost it the answer

    def close(self) -> None:
        """Close now; what was written is still sent if the client takes it soon."""
        self.ended = True
        self._forget_unparsed()
        self.since = self.heard_at = self.loop.time()
        self.transport.close()

    def _peer(self) -> str:
        return self.client[0] if self.client else ""


def _unreadable(error: Exception) -> Problem:
    if any(text in str(error) for text in VERSION_REFUSALS):
        return VersionNotSupported("Send the request as HTTP/1.1 or HTTP/1.0.")
    return Malformed("Invalid HTTP request received.")
