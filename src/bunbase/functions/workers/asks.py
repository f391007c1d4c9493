"""Asks: the requests of a worker to the server (the host) during a call, for documents, users or the network.

A frame names the method and the number of the call. The server takes the identity of the call (project, version,
signed-in user) from its own records, never from the frame. Bodies stream in both directions with credit (window.py).
When a call ends, its asks also end.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import msgspec

from bunbase.contracts.functions.host_calls import CallOver, UnknownHostCall
from bunbase.functions.workers.deployment import Deployment, Request
from bunbase.functions.workers.frames import LENGTH, BadFrame, Frame, join_payload
from bunbase.functions.workers.limits import MAX_ASKS, MAX_LARGE_ASKS, MAX_WHOLE_BYTES
from bunbase.functions.workers.window import Window
from bunbase.pkg.context import deadline_in, request_id
from bunbase.pkg.errors import Internal, Problem, TooLarge
from bunbase.pkg.logger import logger

log = logger("functions")

Send = Callable[[Frame, int, bytes], None]


class Opening(msgspec.Struct, frozen=True):
    """The first frame of an ask. `call`: the number of its call. `more`: true if the body follows in further frames."""

    call: int
    method: str
    args: msgspec.Raw = msgspec.Raw(b"{}")
    more: bool = False


class Host(Protocol):
    """Answers asks."""

    async def answer(self, ask: Ask) -> None:
        """Answer an ask once. Either call `reply`, or call `begin`, `send` and `end`, or raise a Problem."""
        ...


class RefusingHost:
    """Refuses all asks. A bundle that is only tried has this host.

    Such a bundle may compute, but may not make requests.
    """

    async def answer(self, ask: Ask) -> None:
        raise UnknownHostCall("While a deployment is being tried, its code cannot use ctx.")


class Ask:
    """One ask. `args`: the JSON from the worker, not parsed yet. `whole`: the body, or None if it arrives in pieces."""

    def __init__(
        self, number: int, deployment: Deployment, request: Request, opening: Opening, body: bytes, asks: Asks
    ) -> None:
        self.deployment = deployment
        self.request = request
        self.method = opening.method
        self.args = opening.args
        self.whole = None if opening.more else body
        self.call = opening.call
        self.task: asyncio.Task[None] | None = None
        self._number = number
        self._asks = asks
        self._buffer = bytearray(body if opening.more else b"")
        self._in_window = Window()
        self._body_ended = not opening.more
        self._out_window = Window()
        self._news = asyncio.Event()
        self._begun = self._ended = self._cancelled = False
        self._waived = False  # True if the worker has cancelled the ask.

    @property
    def has_body(self) -> bool:
        return self.whole is None or len(self.whole) > 0

    async def body(self, max_bytes: int) -> bytes:
        """Wait for the whole body and return it. Raises: TooLarge."""
        if self.whole is not None:
            return self.whole
        async with self._asks.large:
            collected = bytearray()
            async for part in self.parts():
                collected += part
                if len(collected) > max_bytes:
                    raise TooLarge(f"This takes at most {max_bytes} bytes.")
            return bytes(collected)

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the body piece by piece, as it arrives."""
        if self.whole is not None:
            yield self.whole
            return
        while True:
            self._news.clear()
            if self._buffer:
                data = bytes(self._buffer)
                self._buffer.clear()
                self._grant(len(data))
                yield data
            elif self._body_ended:
                return
            else:
                await self._news.wait()

    def _grant(self, count: int) -> None:
        if granted := self._in_window.grant_after(count):
            self._asks.send(Frame.ASK_CREDIT, self._number, LENGTH.pack(granted))

    # Methods that answer the ask.

    async def reply(self, body: bytes, head: Any = None) -> None:
        """Send the whole reply. `head`: its first part, as JSON."""
        if len(body) > MAX_WHOLE_BYTES:
            self.begin(head)
            await self.send(body)
            self.end()
        else:
            self._finish(Frame.REPLY, join_payload({"head": head}, body))

    def begin(self, head: Any) -> None:
        self._begun = True
        self._asks.send(Frame.REPLY, self._number, join_payload({"head": head, "more": True}, b""))

    async def send(self, data: bytes) -> None:
        """Send a part of the body of the reply. Wait while the worker gives no credit."""
        view = memoryview(data)
        while view:
            while self._out_window.left <= 0:
                self._news.clear()
                await self._news.wait()
            part, view = view[: self._out_window.left], view[self._out_window.left :]
            self._out_window.spend(len(part))
            self._asks.send(Frame.REPLY_CHUNK, self._number, bytes(part))

    def end(self) -> None:
        self._finish(Frame.REPLY_END)

    def refuse(self, problem: Problem) -> None:
        if not self._ended:
            self._finish(Frame.REFUSED, msgspec.json.encode(problem.body()))

    def _finish(self, type: Frame, payload: bytes = b"") -> None:
        self._ended = True
        # The ask is removed before the frame is sent, because then the worker may start another ask.
        self._asks.open.pop(self._number, None)
        self._asks.send(type, self._number, payload)

    def cancel(self) -> None:
        """Stop answering. Only the first call has an effect.

        A second cancel could interrupt the task's clean-up.
        """
        if self.task is not None and not self._cancelled:
            self._cancelled = True
            self.task.cancel()

    # Methods for frames from the worker.

    def hear(self, type: int, payload: bytes) -> None:
        match type:
            case Frame.ASK_CHUNK if not self._body_ended and payload:
                self._in_window.receive(len(payload), "a body")
                self._buffer += payload
            case Frame.ASK_END if not self._body_ended:
                self._body_ended = True
            case Frame.REPLY_CREDIT if self._begun:
                self._out_window.add_credit(payload)
            case Frame.ASK_CANCEL if not self._waived:
                self._waived = True
                self.cancel()
            case _:
                raise BadFrame(f"a frame of type {type} during an ask")
        self._news.set()


class Asks:
    """The open asks of one worker."""

    def __init__(self, deployment: Deployment, send: Send) -> None:
        self.deployment = deployment
        self.send = send
        self.host: Host = RefusingHost()
        self.open: dict[int, Ask] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.large = asyncio.Semaphore(MAX_LARGE_ASKS)

    def begin(self, number: int, opening: Opening, body: bytes, request: Request, seconds: float) -> None:
        """Start answering an ask. Raises: BadFrame for an ask that our runtime never sends."""
        if number in self.open or len(self.open) >= MAX_ASKS or len(body) > MAX_WHOLE_BYTES:
            raise BadFrame("an ask with a number in use, above the limit of asks, or with too long a body")
        ask = self.open[number] = Ask(number, self.deployment, request, opening, body, self)
        ask.task = asyncio.create_task(self._answer(ask, seconds))
        self.tasks.add(ask.task)
        ask.task.add_done_callback(lambda task: self._gone(task, ask))

    def refuse(self, number: int) -> None:
        """Refuse an ask whose call has ended or never existed."""
        over = CallOver("The call has ended already. Await each promise, or pass it to ctx.waitUntil(promise).")
        self.send(Frame.REFUSED, number, msgspec.json.encode(over.body()))

    def end_call(self, call: int) -> None:
        for ask in [ask for ask in self.open.values() if ask.call == call]:
            ask.cancel()

    def close(self) -> None:
        for task in self.tasks:
            if not task.cancelling():  # A second cancel could interrupt the task's clean-up.
                task.cancel()

    def _gone(self, task: asyncio.Task[None], ask: Ask) -> None:
        self.tasks.discard(task)
        # The worker gets this answer even if the task never ran.
        ask.refuse(CallOver("The call ended, or the function cancelled this request."))

    async def _answer(self, ask: Ask, seconds: float) -> None:
        request_id.set(ask.request.invocation)
        try:
            with deadline_in(seconds):
                await self.host.answer(ask)
        except Problem as problem:
            ask.refuse(problem)
        except Exception:
            log.exception("an ask of a function failed", method=ask.method, invocation=ask.request.invocation)
            ask.refuse(Internal("An error occurred inside BunBase; the server's log has the details."))


def read_opening(payload: bytes) -> tuple[Opening, bytes]:
    """Split the payload of an ASK frame into the opening and the body. Raises: BadFrame."""
    try:
        (length,) = LENGTH.unpack_from(payload)
        end = LENGTH.size + length
        if end > len(payload):
            raise BadFrame("an ask that is shorter than its length field")
        return msgspec.json.decode(payload[LENGTH.size : end], type=Opening), payload[end:]
    except (ValueError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError, struct.error) as error:
        raise BadFrame(f"an ask that cannot be read: {error}") from None
