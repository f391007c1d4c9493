"""The deadlines of a connection. If the client does not send or read data in time, the request or connection ends.

Each connection has one timer for all deadlines. Setting a timer with every request would cost more than checking the
clock from time to time.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from bunbase.pkg.errors import Problem, RequestStalled
from bunbase.pkg.http1.limits import Limits
from bunbase.pkg.http1.switching import SwitchedProtocol
from bunbase.pkg.http1.unacknowledged import limit_unacknowledged
from bunbase.pkg.http1.unsent import Unsent

LEAST_PAUSE: Final = 0.001


class TimedProtocol(HttpToolsProtocol):
    """Checks the deadlines. The subclass sets these attributes:

    `in_head`: true if the head of a request is being read. `in_message`: true if a head or a body is being read.
    `ended`: true if no more requests are read and no more data is written. `deaf`: true if the current answer is the
    last answer.
    """

    cycle: Any  # This is an Exchange, or a Turn in the fast lane.

    def __init__(
        self,
        limits: Limits,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.limits = limits
        self.tick = min(limits.read_seconds, limits.idle_seconds, limits.linger_seconds, limits.write_seconds / 2)
        self.admitted = False
        self.ended = self.deaf = False
        self.in_head = self.in_message = False
        self.body_bytes = 0
        self.since = 0.0  # At this time, the current wait for the client began.
        self.heard_at = 0.0  # At this time, the client last sent data after the answer.
        # At this time, reading was paused, because the app has not taken the earlier data yet.
        self.paused_at: float | None = None
        self.unacknowledged_seconds = 0.0  # This is the limit for the current answer. 0 means the limit of the system.
        self.stopping = False
        # This function is called when the server stops, for the current answer.
        self.on_stop: Callable[[], None] | None = None
        self.stop_by: float | None = None
        self.watch: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.unsent = Unsent(transport, self.limits.write_seconds, self.limits.bytes_per_second)
        self.since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.watch is not None:
            self.watch.cancel()
        super().connection_lost(exc)

    @abstractmethod
    def refuse(self, problem: Problem) -> None:
        """Answer an invalid request with `problem`, and close the connection."""

    @abstractmethod
    def hang_up(self) -> None:
        """Close the connection after the answer was written.

        For a while, read and drop the data that the client still sends.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connection now."""

    @abstractmethod
    def reset(self) -> None:
        """Reset the connection, so that the client sees a failure, and not the end of its answer."""

    @abstractmethod
    def hand_over(self, protocol: SwitchedProtocol) -> None:
        """Pass the connection to another protocol. This object does not use the connection any more."""

    @abstractmethod
    def leave_count(self) -> None:
        """Stop counting the connection."""

    @abstractmethod
    def _fail(self, problem: Problem) -> None:
        """Stop waiting for the body of the request that is being read."""

    def limit_unacknowledged(self, seconds: float) -> None:
        """Limit the time in which the client's machine must acknowledge data; 0 for only the limit of the system."""
        if seconds != self.unacknowledged_seconds:
            self.unacknowledged_seconds = seconds
            limit_unacknowledged(self.transport, seconds)

    def pause_writing(self) -> None:
        if self.unacknowledged_seconds:
            limit_unacknowledged(self.transport, 0)  # `write_seconds` limits a slow reader.
        super().pause_writing()

    def resume_writing(self) -> None:
        if self.unacknowledged_seconds:
            limit_unacknowledged(self.transport, self.unacknowledged_seconds)
        super().resume_writing()

    def start_clock(self, seconds: float) -> None:
        """Start a wait for the client that may take `seconds`."""
        self.since = self.loop.time()
        if seconds < self.tick:
            self.tick = seconds
            self._watch_again()

    def resume_clock(self) -> None:
        """Continue the clock after a pause.

        The time of the pause does not count, because the app was slow, not the client.
        """
        if self.paused_at is not None:
            now = self.loop.time()
            self.since = min(now, self.since + now - self.paused_at)
            self.paused_at = None

    def _pause(self) -> None:
        if self.paused_at is None:
            self.paused_at = self.loop.time()
        self.flow.pause_reading()

    def _watch_again(self) -> None:
        if self.watch is not None:
            self.watch.cancel()
        deadline = self._deadline()
        pause = self.tick if deadline is None else min(self.tick, deadline - self.loop.time())
        self.watch = self.loop.call_later(max(pause, LEAST_PAUSE), self._check_time)

    def _check_time(self) -> None:
        now, deadline = self.loop.time(), self._deadline()
        whole = self.cycle is None or self.cycle.response_complete
        if self.unsent.too_slow(now, whole):
            self.transport.abort()
            return
        if deadline is not None and now >= deadline:
            if not self.ended:
                self._be_late()
            elif self.transport.get_write_buffer_size():
                self.since = self.heard_at = now  # The client still reads the answer fast enough.
            else:
                self.transport.abort()
                return
        self._watch_again()

    def _deadline(self) -> float | None:
        """Return the time at which the client must have sent or read something, or None if the client has nothing to
        send or read.
        """
        limits, cycle = self.limits, self.cycle
        if self.ended:
            return self._end_deadline()
        if self.paused_at is not None:
            return None
        if self.in_head or cycle is None:
            return self.since + limits.read_seconds
        if cycle.response_complete:
            return self.since + (limits.linger_seconds if self.in_message else limits.idle_seconds)
        return self._body_deadline() if self.in_message and not self.deaf else None

    def _end_deadline(self) -> float:
        limits = self.limits
        if not self.admitted:
            return self.since + limits.refused_seconds
        longest = limits.stop_seconds if self.stopping else limits.linger_seconds
        return min(self.since + longest, self.heard_at + limits.linger_silence_seconds)

    def _body_deadline(self) -> float | None:
        cycle, limits = self.cycle, self.limits
        if cycle.problem is not None:
            return None
        if cycle.silence_seconds is not None:
            deadline: float = self.since + cycle.silence_seconds
        elif cycle.own_time:
            return self.stop_by
        else:
            deadline = self.since + limits.read_seconds + self.body_bytes / limits.bytes_per_second
        return deadline if self.stop_by is None else min(deadline, self.stop_by)

    def _be_late(self) -> None:
        if self.in_head:
            self.refuse(RequestStalled("The head of the request did not arrive in time: send it again."))
        elif self.cycle is None or self.cycle.response_complete:
            self.close()
        elif self.stop_by is not None and self.loop.time() >= self.stop_by:
            self._fail(RequestStalled("The server stopped before the whole request had arrived: send it again."))
        else:
            self._fail(self.cycle.late)
