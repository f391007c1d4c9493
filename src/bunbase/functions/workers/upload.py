"""Sends the rest of a request body to the worker if only the first part of the body was in the INVOKE frame."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from bunbase.contracts.functions.host_calls import CallOver
from bunbase.functions.workers.frames import BadFrame, Frame
from bunbase.functions.workers.window import Window
from bunbase.pkg.errors import InvalidInput, Problem, RequestStalled, TooLarge

# `feed` waits at most this long for credit, and then returns 0. This time must be shorter than the deadline of a call
# between rooms.
ROOM_SECONDS: Final = 15.0


class Upload:
    """The upload of one body. The server may be at most WINDOW_BYTES ahead of the function that reads (window.py).

    `begun`: the number of bytes in the INVOKE frame. `send(frame, payload)` writes a frame to the worker;
    `refuse(problem)` raises the problem in the reader of the answer.
    """

    def __init__(self, begun: int, send: Callable[[Frame, bytes], None], refuse: Callable[[Problem], None]) -> None:
        self.window = Window(spent=begun)
        self.total_bytes = begun
        self._send = send
        self._refuse = refuse
        self._max_bytes = 0
        self._silence_seconds = 0.0
        self._over = False
        self._waived = False  # True if the function needs no more data.
        self._news = asyncio.Event()
        self._silence: asyncio.TimerHandle | None = None

    # Methods for the sender of the body.

    def begin(self, max_bytes: int, silence_seconds: float) -> int:
        """Return the number of bytes that may be fed now, and start the timer of `silence_seconds`.

        `max_bytes`: the limit of the whole body. `silence_seconds`: the time without data after which the upload
        fails.
        """
        self._max_bytes, self._silence_seconds = max_bytes, silence_seconds
        self._wait_for_more()
        return self.window.left

    async def feed(self, data: bytes, ended: bool) -> int | None:
        """Send more of the body; see `Functions.feed`."""
        self._stop_waiting()
        if not self._over:
            self._take(data, ended)
        await self._await_room()
        if self._over:
            return None
        self._wait_for_more()
        return self.window.left

    def close(self) -> None:
        """End the upload, because the call is over. If a function still reads the body, the function gets CallOver."""
        if not self._over:
            self._fail(CallOver("The call ended before the whole request arrived. Read the request before you answer."))

    # Methods for the worker.

    def hear(self, type: int, payload: bytes) -> None:
        """Process a BODY_CREDIT or BODY_CANCEL frame. Raises: BadFrame for too much credit, or for a second cancel."""
        if type == Frame.BODY_CANCEL:
            if self._waived:
                raise BadFrame("a body that was cancelled twice")
            self._waived = True
            self._stop()
            return
        self.window.add_credit(payload)
        self._news.set()

    def _take(self, data: bytes, ended: bool) -> None:
        if len(data) > self.window.left:
            raise InvalidInput(f"There is room for {self.window.left} bytes, but {len(data)} bytes arrived.")
        self.total_bytes += len(data)
        if self.total_bytes > self._max_bytes:
            self._give_up(too_large(self._max_bytes))
            return
        if data:
            self.window.spend(len(data))
            self._send(Frame.BODY, data)
        if ended:
            self._send(Frame.BODY_END, b"")
            self._stop()

    async def _await_room(self) -> None:
        try:
            async with asyncio.timeout(ROOM_SECONDS):
                while not self.window.left and not self._over:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass

    def _wait_for_more(self) -> None:
        """Start the timer of the client.

        Start no timer while the function cannot take more, because then the function is slow, and not the client.
        """
        if self.window.left and not self._over:
            seconds = self._silence_seconds
            stalled = RequestStalled(f"The request sent nothing for {seconds:g} seconds. Send the request again.")
            self._silence = asyncio.get_running_loop().call_later(seconds, self._give_up, stalled)

    def _stop_waiting(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _give_up(self, problem: Problem) -> None:
        self._fail(problem)
        self._refuse(problem)

    def _fail(self, problem: Problem) -> None:
        self._send(Frame.BODY_FAIL, msgspec.json.encode(problem.body()))
        self._stop()

    def _stop(self) -> None:
        self._over = True
        self._stop_waiting()
        self._news.set()


def too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"A function takes a body of at most {max_bytes} bytes.")
