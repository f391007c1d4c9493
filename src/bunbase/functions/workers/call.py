"""One call in a worker. The worker writes the answer (a head, then bytes, then the end), and a reader reads it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from enum import StrEnum

from bunbase.contracts.functions.problems import FunctionCrashed
from bunbase.functions.workers.answer_head import AnswerHead
from bunbase.functions.workers.deployment import Request
from bunbase.functions.workers.frames import BadFrame
from bunbase.functions.workers.upload import Upload
from bunbase.functions.workers.window import Window
from bunbase.pkg.errors import Problem


class Outcome(StrEnum):
    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    CPU = "cpu"
    CRASH = "crash"
    CANCELLED = "cancelled"


class Call:
    """A call and its answer. The worker may be at most WINDOW_BYTES ahead of the reader (window.py).

    `grant(bytes)` lets the worker send more. `cancel()` tells the worker that the reader no longer reads.
    """

    def __init__(
        self, request: Request, cold: bool, max_bytes: int, grant: Callable[[int], None], cancel: Callable[[], None]
    ) -> None:
        self.request = request
        self.cold = cold
        self.began = time.monotonic()
        self.max_bytes = max_bytes
        self.logged_bytes = 0
        self.cpu_ms = 0.0  # This is the call's share of the worker's processor time (processor.py).
        self.abandoned = False
        self.lingers = False  # True if the call's waitUntil work continues after the answer.
        self.upload: Upload | None = None  # The rest of a request body that arrives in pieces.
        self._grant = grant
        self._cancel = cancel
        self._head: AnswerHead | None = None
        self._buffer = bytearray()
        self._window = Window()
        self._total_bytes = 0
        self._ended = False
        self._problem: Problem | None = None
        self._refusal: Problem | None = None
        self._reader: asyncio.Future[None] | None = None

    # Methods for the reader.

    async def head(self) -> AnswerHead:
        """Wait for the head of the answer. Raises: the Problem with which the call failed or was refused."""
        while self._head is None and self._problem is None and self._refusal is None:
            await self._news()
        if self._refusal is not None:
            raise self._refusal
        if self._head is None:
            assert self._problem is not None
            raise self._problem
        return self._head

    async def read(self) -> bytes:
        """Wait for bytes and return them. Return b"" at the end of the answer.

        Raises: the Problem that ended the answer.
        """
        while not self._buffer:
            if self._problem is not None:
                raise self._problem
            if self._ended:
                return b""
            await self._news()
        data = bytes(self._buffer)
        self._buffer.clear()
        if not self._ended and (granted := self._window.grant_after(len(data))):
            self._grant(granted)
        return data

    def whole(self) -> bytes | None:
        """Return the rest of the body if the answer has ended without a problem; otherwise return None."""
        if not self._ended or self._problem is not None:
            return None
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def abandon(self) -> None:
        """Stop reading. The call keeps its place in the worker until the function has stopped."""
        if not self._ended and not self.abandoned:
            self.abandoned = True
            self._buffer.clear()
            self._cancel()
            if self.upload is not None:
                self.upload.close()

    def refuse(self, problem: Problem) -> None:
        """Raise the problem in the reader, unless the head of the answer has arrived."""
        if self._head is None and not self._ended:
            self._refusal = problem
            self._tell()

    @property
    def waiting_bytes(self) -> int:
        """The number of bytes that have arrived and are not read yet."""
        return len(self._buffer)

    # Methods for the worker.

    def begin_answer(self, head: AnswerHead) -> None:
        if self._head is not None:
            raise BadFrame("two heads of one answer")
        self._head = head
        self._tell()

    def feed(self, data: bytes) -> None:
        if self._head is None or not data:
            raise BadFrame("a piece of an answer that is empty or comes before its head")
        self._window.receive(len(data), "an answer")
        self._total_bytes += len(data)
        if self.abandoned:
            return
        self._buffer += data
        self._tell()

    @property
    def too_long(self) -> bool:
        return self._total_bytes > self.max_bytes

    @property
    def ended(self) -> bool:
        """True after the end of the answer. The waitUntil work of the call may still run."""
        return self._ended

    def end(self, problem: Problem | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        self._problem = problem
        if problem is None and self._head is None:
            self._problem = FunctionCrashed("The worker gave no answer.")
        if self.upload is not None:
            self.upload.close()
        self._tell()

    async def _news(self) -> None:
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _tell(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
