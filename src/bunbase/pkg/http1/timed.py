"""The clock of a connection: what the client is waited for, until when, and what happens then.

One timer a connection looks after all of it: setting one with every request would cost more than reading the clock.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from asyncio import TimerHandle
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from bunbase.pkg.errors import Problem, RequestStalled
from bunbase.pkg.http1.limits import Limits
from bunbase.pkg.http1.unsent import Unsent

LEAST_PAUSE: Final = 0.001


class TimedProtocol(HttpToolsProtocol):
    """Its subclass sets these attributes. `in_head`, `in_message`: of a request that is being read.
    `ended`: nothing is read as a request any more, and nothing but what was written is sent. `deaf`: the answer that is
    under way is the last one.
    """

    cycle: Any  # an Exchange; in the fast lane a Turn

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
        self.since = 0.0  # when what is waited for began
        self.heard_at = 0.0  # behind the answer
        self.paused_at: float | None = None
        self.stopping = False
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
        """Answer what is no request, and hang up."""

    @abstractmethod
    def hang_up(self) -> None:
        """End the connection after what was written; a client that still sends is read for a while first."""

    @abstractmethod
    def close(self) -> None:
        """Close now."""

    @abstractmethod
    def _fail(self, problem: Problem) -> None:
        """Stop waiting for the body of the request that is being read."""

    def start_clock(self, seconds: float) -> None:
        """From now on something is waited for that may take `seconds`."""
        self.since = self.loop.time()
        if seconds < self.tick:
            self.tick = seconds
            self._watch_again()

    def resume_clock(self) -> None:
        """The app has room again: while it had none, it was not the client that was slow."""
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
                self.since = self.heard_at = now  # the answer is still being taken, and no slower than it may be
            else:
                self.transport.abort()
                return
        self._watch_again()

    def _deadline(self) -> float | None:
        """Return when the client must have done what is waited for; None: it is not the client that is waited for."""
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
            self.refuse(RequestStalled("The head of the request did not come in time: send it again."))
        elif self.cycle is None or self.cycle.response_complete:
            self.close()
        elif self.stop_by is not None and self.loop.time() >= self.stop_by:
            self._fail(RequestStalled("The server is stopping, and the request was not there: send it again."))
        else:
            self._fail(self.cycle.late)
