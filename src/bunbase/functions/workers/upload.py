"""The rest of a request whose body did not come whole, on its way to the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from bunbase.contracts.functions.host_calls import CallOver
from bunbase.functions.workers.frames import BadFrame, Frame
from bunbase.functions.workers.window import Window
from bunbase.pkg.errors import InvalidInput, Problem, RequestStalled, TooLarge

ROOM_SECONDS: Final = 15.0  # then `feed` says that there is none yet: below the deadline of a call between rooms


class Upload:
    """At most WINDOW_BYTES are on their way or wait in the worker: there is room for more as the function reads.

    `begun`: bytes that the worker has already. `send(frame, payload)` reaches the worker; `refuse(problem)` reaches who
    waits for the answer.
    """

    def __init__(self, begun: int, send: Callable[[Frame, bytes], None], refuse: Callable[[Problem], None]) -> None:
        self.window = Window(spent=begun)
        self.total_bytes = begun
        self._send = send
        self._refuse = refuse
        self._max_bytes = 0
        self._silence_seconds = 0.0
        self._over = False
        self._waived = False  # by the function
        self._news = asyncio.Event()
        self._silence: asyncio.TimerHandle | None = None

    # for who sends

    def begin(self, max_bytes: int, silence_seconds: float) -> int:
        """Return how many bytes may be fed; the wait for them begins. `max_bytes`: the bound of the whole body."""
        self._max_bytes, self._silence_seconds = max_bytes, silence_seconds
        self._wait_for_more()
        return self.window.left

    async def feed(self, data: bytes, ended: bool) -> int | None:
        """As `Functions.feed`."""
        self._stop_waiting()
        if not self._over:
            self._take(data, ended)
        await self._await_room()
        if self._over:
            return None
        self._wait_for_more()
        return self.window.left

    def close(self) -> None:
        """Take no more: the call is over. A function that still reads hears of it."""
        if not self._over:
            self._fail(CallOver("The answer was there before all of the request: read first what you need of it."))

    # for the worker

    def hear(self, type: int, payload: bytes) -> None:
        """Raises: BadFrame for room that cannot be there, and for what was said before."""
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
            raise InvalidInput(f"There is room for {self.window.left} bytes, but {len(data)} came.")
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
        """While there is no room it is the function that is slow, not the client."""
        if self.window.left and not self._over:
            seconds = self._silence_seconds
            stalled = RequestStalled(f"Nothing came for {seconds:g} seconds: send the request again.")
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
    return TooLarge(f"Send at most {max_bytes} bytes: this is as much as a function takes.")
