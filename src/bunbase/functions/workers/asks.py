"""Asks: the requests of a worker to the host during a call, for documents, users or the network.

A frame names the method and the call that asks. The identity of the asker (project, version, signed-in user) is taken
from the host's own records, never from the frame. Bodies stream both ways with credit (window.py). An ask ends with its
call.
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
    """`call`: the number of the call that asks; `more`: the body follows in frames of its own."""

    call: int
    method: str
    args: msgspec.Raw = msgspec.Raw(b"{}")
    more: bool = False


class Host(Protocol):
    """The side that answers asks."""

    async def answer(self, ask: Ask) -> None:
        """Reply once, by `reply` or by `begin`, `send` and `end`; or raise a Problem."""
        ...


class DeafHost:
    """The host of a bundle that is only tried: such a bundle may compute, but all its asks are refused."""

    async def answer(self, ask: Ask) -> None:
        raise UnknownHostCall("A bundle that is being tried cannot ask for anything.")


class Ask:
    """`args`: JSON as the worker wrote it. `whole`: the body, if it came in one piece."""

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
        self._waived = False  # by the worker

    @property
    def has_body(self) -> bool:
        return self.whole is None or len(self.whole) > 0

    async def body(self, max_bytes: int) -> bytes:
        """Return the whole body. Raises: TooLarge."""
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
        """Yield the body in the pieces that arrive."""
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

    # the answer

    async def reply(self, body: bytes, head: Any = None) -> None:
        """Answer with all there is."""
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
        """Pass on as the worker reads."""
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
        self._asks.open.pop(self._number, None)  # at once: on hearing the end the worker may ask again
        self._asks.send(type, self._number, payload)

    def cancel(self) -> None:
        """Stop answering; once only: a second time would break off what lets go of a connection or a transaction."""
        if self.task is not None and not self._cancelled:
            self._cancelled = True
            self.task.cancel()

    # from the worker

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
                raise BadFrame(f"a frame of type {type} amid an ask")
        self._news.set()


class Asks:
    """The open asks of one worker."""

    def __init__(self, deployment: Deployment, send: Send) -> None:
        self.deployment = deployment
        self.send = send
        self.host: Host = DeafHost()
        self.open: dict[int, Ask] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.large = asyncio.Semaphore(MAX_LARGE_ASKS)

    def begin(self, number: int, opening: Opening, body: bytes, request: Request, seconds: float) -> None:
        """Start answering. Raises: BadFrame for what no runtime of ours does."""
        if number in self.open or len(self.open) >= MAX_ASKS or len(body) > MAX_WHOLE_BYTES:
            raise BadFrame("an ask that cannot be")
        ask = self.open[number] = Ask(number, self.deployment, request, opening, body, self)
        ask.task = asyncio.create_task(self._answer(ask, seconds))
        self.tasks.add(ask.task)
        ask.task.add_done_callback(lambda task: self._gone(task, ask))

    def refuse(self, number: int) -> None:
        """Refuse an ask whose call has ended or never existed."""
        over = CallOver(
            "Await what you start, or hand it to ctx.waitUntil(promise): afterwards nothing is done for it."
        )
        self.send(Frame.REFUSED, number, msgspec.json.encode(over.body()))

    def end_call(self, call: int) -> None:
        for ask in [ask for ask in self.open.values() if ask.call == call]:
            ask.cancel()

    def close(self) -> None:
        for task in self.tasks:
            if not task.cancelling():  # a second time would break off what lets go
                task.cancel()

    def _gone(self, task: asyncio.Task[None], ask: Ask) -> None:
        self.tasks.discard(task)
        ask.refuse(CallOver("The call ended, or nobody waits for this any longer."))  # also if it never ran

    async def _answer(self, ask: Ask, seconds: float) -> None:
        request_id.set(ask.request.invocation)
        try:
            with deadline_in(seconds):
                await self.host.answer(ask)
        except Problem as problem:
            ask.refuse(problem)
        except Exception:
            log.exception("an ask of a function failed", method=ask.method, invocation=ask.request.invocation)
            ask.refuse(Internal("Something went wrong on BunBase's side; its log knows more."))


def read_opening(payload: bytes) -> tuple[Opening, bytes]:
    """Split a payload into what is asked and the body that came along. Raises: BadFrame."""
    try:
        (length,) = LENGTH.unpack_from(payload)
        end = LENGTH.size + length
        if end > len(payload):
            raise BadFrame("an ask that is shorter than it says")
        return msgspec.json.decode(payload[LENGTH.size : end], type=Opening), payload[end:]
    except (ValueError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError, struct.error) as error:
        raise BadFrame(f"an ask that cannot be read: {error}") from None
