"""HTTP/1.1 on one connection, with limits on everything that a client may use: time, bytes, connections.

Http1Protocol is a subclass of uvicorn's HttpToolsProtocol, which is internal to uvicorn.
`tests/gateway/whole/test_uvicorn.py` checks the members of that class that are used here. `timed.py` holds all
deadlines.

The life of a request:

1. `connection_made` counts the connection, or refuses it with 503.
2. `on_message_begin` starts the clock. `on_headers_complete` checks the head (`head.py`). This method refuses an
   invalid head. For a valid head, it makes an Exchange, and the app runs.
3. `on_body` collects the body, which must arrive by a deadline. If the body does not arrive, `receive` raises a Problem
   in the app.
4. The app writes the answer. If the client does not read the answer, the connection is closed (`unsent.py`).
5. If the answer is complete before the request, the rest of the request is read and dropped, within limits. If the
   connection closed at once instead, it would be reset while the client sends, and the client would lose the answer.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
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
from bunbase.pkg.http1.head import ASTERISK, BLANKS, Head, asks_to_close, checked_head
from bunbase.pkg.http1.incoming import EXTENSION
from bunbase.pkg.http1.server_wide import server_wide
from bunbase.pkg.http1.slices import SLICE_BYTES, SlicedProtocol
from bunbase.pkg.http1.switching import SwitchedProtocol, asks_for_websocket
from bunbase.pkg.http1.unacknowledged import ENDED
from bunbase.pkg.http1.upgrade import brings_a_body, head_without_upgrade

# The parser llhttp has these messages for a wrong version.
VERSION_REFUSALS: Final = ("Invalid HTTP version", "Pause on PRI/Upgrade")


NO_LINGER: Final = struct.pack("ii", 1, 0)  # With this value of SO_LINGER, `close` resets the connection.


class Ended(Exception):
    """Stops the parser, because no further request is accepted on this connection."""


class Http1Protocol(SlicedProtocol):
    def __init__(
        self,
        open_connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(open_connections.limits, config, server_state, app_state, _loop)
        self.open_connections = open_connections
        self.counted = False  # True while `open_connections` counts this connection.
        self.refused = False
        self.problem: Problem | None = None  # The reason why the head that is being parsed is invalid.
        self.piece_bytes = 0  # The size of the data that is being parsed.
        self.body_came = False  # True if the data that is being parsed contains a part of a body.
        self.head_again = b""  # A head that the parser must read a second time (`upgrade.py`).
        # The bytes of the current head, of the trailers, or of the framing between two chunks, without the data that is
        # being parsed. A piece of at most SLICE_BYTES does not count if the head begins in it behind other bytes.
        self.head_bytes = 0
        # A head with fewer bytes than this cannot be too large.
        self.small_head_bytes = self.limits.head_bytes - 2 * SLICE_BYTES
        self.unread_bytes = 0  # The bytes that were read and dropped.

    # Methods for the connection.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.guarded = GuardedTransport(self)
        self.admitted = self.counted = self.open_connections.admit(self._peer(), self)
        if not self.admitted:
            self._turn_away()
        self._watch_again()

    def connection_lost(self, exc: Exception | None) -> None:
        self.leave_count()
        if self.refused:
            self.open_connections.forget()
        self.ended = True
        self._forget_unparsed()
        super().connection_lost(exc)

    def _parse(self, data: bytes) -> None:
        while data:
            data = self._read(data)

    def _read(self, data: bytes) -> bytes:
        """Parse the data. If a head had to be read a second time, return the rest, which is still unparsed."""
        if self.ended or self.deaf:
            self._drop(len(data))
            return b""
        self.body_came, self.piece_bytes = False, len(data)
        if not self.in_message:
            self.head_bytes = 0
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
        # uvicorn's own parser has the same setting.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._read(head)

    def hang_up(self) -> None:
        """Close the connection after the answer was written.

        If the client still sends, its bytes are read and dropped for a while. If the connection closed at once instead,
        it would be reset, and the client would lose the answer.
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

    def hand_over(self, protocol: SwitchedProtocol) -> None:
        connections: set[Any] = self.connections  # uvicorn only calls `shutdown` of each connection.
        self.leave_count()
        protocol.left = lambda: connections.discard(protocol)
        if self.watch is not None:
            self.watch.cancel()
        self.refused = False
        self.ended = True
        self.parser = None  # type: ignore[assignment]  # as uvicorn's own
        self.server_state.total_requests += 1
        connections.discard(self)
        connections.add(protocol)
        self.transport.set_protocol(protocol)
        try:
            protocol.connection_made(self.transport)
        except BaseException:
            self.transport.abort()
            raise
        if self.stopping:
            protocol.shutdown()

    def leave_count(self) -> None:
        """Stop counting the connection, because it ends or because another limit counts it. Idempotent."""
        if self.counted:
            self.counted = False
            self.open_connections.leave(self._peer(), self)

    def make_room(self) -> bool:
        """End the connection if it waits for its client, because a newcomer needs its place.

        Return False if a request is being answered.
        """
        if not (self.ended or self._waits_for_client()):
            return False
        metrics.http_refused.labels("displaced").inc()
        self.leave_count()
        self.reset()
        return True

    def _waits_for_client(self) -> bool:
        if self.flow.write_paused:
            return True  # The client does not read its answer now.
        if self.unparsed or self.pipeline:
            return False
        if self.cycle is None or self.in_head or self.cycle.response_complete:
            return True
        return self.in_message and self.paused_at is None  # A part of the body is missing.

    def shutdown(self) -> None:
        """Finish the current request, then close, because the server stops.

        A body must arrive within `stop_seconds`.
        """
        self.stopping = True
        if self.ended or self.cycle is None or self.cycle.response_complete:
            self.close()
            return
        self.cycle.keep_alive = False
        if self.in_message:
            self.stop_by = self.loop.time() + self.limits.stop_seconds
        if self.on_stop is not None:
            self.on_stop()
        self._watch_again()

    def send_400_response(self, msg: str) -> None:
        self.refuse(Malformed(msg))

    def refuse(self, problem: Problem) -> None:
        """Answer an invalid request with `problem`, and close. If an answer has already begun, only finish it."""
        if self.ended:
            return
        metrics.http_refused.labels(problem.code).inc()
        self.in_head, self.deaf = False, True
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(refusal(problem, self.server_state.default_headers))
            self.hang_up()
        else:  # if several requests wait in the pipeline, `cycle` is the last of them
            self.cycle.keep_alive = False

    # The parser calls these methods.

    def on_message_begin(self) -> None:
        if self.ended or self.deaf:
            raise Ended
        self.began = True
        self.url = b""
        self.headers = []
        self.in_head = self.in_message = True
        self.body_bytes = self.unread_bytes = 0
        self.since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(BLANKS)))

    def on_headers_complete(self) -> None:
        parser = self.parser
        method, version = parser.get_method(), parser.get_http_version()
        if parser.should_upgrade() and method != b"CONNECT" and brings_a_body(self.headers):
            self.head_again = head_without_upgrade(method, self.url, version, self.headers)
            return
        large = self.head_bytes > self.small_head_bytes and self.is_head_large()
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
        # Trailers are collected here and ignored, because they must not count as headers (RFC 9110 §6.5.1).
        self.headers = []

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
        self.end_message()
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    def end_message(self) -> None:
        self.in_message = False
        self.stop_by = None
        self.head_bytes = -self.piece_bytes  # The next head may begin in this piece.

    def on_response_complete(self) -> None:
        """Start the next request if one waits in the pipeline."""
        self.server_state.total_requests += 1
        self.since = self.loop.time()
        if self.ended or self.transport.is_closing():
            return
        self.limit_unacknowledged(0)
        self.resume_clock()
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        if self.unparsed:
            self._go_on()

    # Methods that pass a head to the app.

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
            if self.parser.should_upgrade() and asks_for_websocket(version, head.headers):
                self.cycle.may_switch = True
                self._pause()
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
            keep_alive=version == "1.1" and self.parser.should_keep_alive() and not asks_to_close(scope["headers"]),
            on_response=self.on_response_complete,
        )

    # Methods for bytes that are no request.

    def _stop_reading(self, error: Exception, came: int) -> None:
        """Handle a failed parser: refuse the invalid request, or fail the body that is being read."""
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
            # The framing after the head has no end. The app has the request already, so it cannot be refused.
            self.close()

    def is_head_large(self) -> bool:
        """Measure the head that was just parsed. True if the head is too large."""
        return (
            len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers]) > self.limits.head_bytes
        )

    def _too_large(self) -> Problem:
        return HeadersTooLarge(f"Send at most {self.limits.head_bytes >> 10} KiB of URL and headers.")

    def _pass_over_upgrade(self, nothing_behind: bool) -> None:
        """Ignore the Upgrade header, and answer the request, unless the app switches to a WebSocket.

        The parser drops the data that came together with this head. So the next data may begin in the middle of a
        request, and must not be parsed. If the parser has dropped data, this request is therefore the last on the
        connection.
        """
        if nothing_behind and not self.unparsed:
            return
        self.cycle.may_switch = False
        if nothing_behind:
            return
        self.deaf = True
        self.cycle.keep_alive = False
        if self.cycle.response_complete:
            self.hang_up()

    def _drop(self, came: int) -> None:
        """Count `came` bytes that are not needed any more, and close the connection if there are too many."""
        self.heard_at = self.loop.time()
        self.unread_bytes += came
        if self.unread_bytes > self.limits.unread_bytes:
            self.close()

    def _turn_away(self) -> None:
        """Refuse the connection with 503 because there are too many connections, and close it."""
        self.refused = self.open_connections.refuse()
        metrics.http_refused.labels(TooManyConnections.code).inc()
        self.ended = True
        problem = TooManyConnections("Use fewer connections, or try again later.", retry_after_seconds=1)
        self.transport.write(refusal(problem, self.server_state.default_headers))
        if self.refused:
            self.transport.write_eof()
        else:
            self.transport.close()  # A client that has sent data already may lose the answer.

    def close(self) -> None:
        """Close now. Written data is still sent if the client reads it soon."""
        self.ended = True
        self._forget_unparsed()
        self.since = self.heard_at = self.loop.time()
        self.transport.close()

    def reset(self) -> None:
        self.close()
        found = self.transport.get_extra_info("socket")
        if found is not None:
            with suppress(*ENDED):
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.transport.abort()

    def _peer(self) -> str:
        return self.client[0] if self.client else ""


def _unreadable(error: Exception) -> Problem:
    if any(text in str(error) for text in VERSION_REFUSALS):
        return VersionNotSupported("Send the request as HTTP/1.1 or HTTP/1.0.")
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return Malformed("The request does not begin with a method of HTTP, such as GET or POST; this port takes http.")
    return Malformed(f"The request is not valid HTTP ({error}). Correct it, or use a library for HTTP.")
