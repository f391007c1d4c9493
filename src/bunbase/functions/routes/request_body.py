"""A request's body on its way to a function: whole where it is small, else as the function has room for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar import Request

from bunbase.contracts.functions import MAX_BEGINNING_BYTES, Receiving
from bunbase.pkg.errors import ClientGone, Problem
from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.numbers import whole_number

MAX_LENGTH: Final = 2**63 - 1  # more is not sent in a lifetime
WITHOUT_BODY: Final = ("GET", "HEAD")

Message = dict[str, Any]
Feed = Callable[[str, bytes, bool], Awaitable[int | None]]


class RequestBody:
    """`beginning`: all of it, unless there is `more`. `length`: as announced. `feed` as `Functions.feed`.

    It is read one message ahead of the function, so that a client's leaving is noticed although nobody reads.
    """

    def __init__(self, request: Request[Any, Any, Any], feed: Feed) -> None:
        self.beginning = b""
        self.more = False
        self.length = _length(request.headers.get("content-length", ""))
        self._feed = feed
        self._receive: Callable[[], Awaitable[Any]] = request.receive
        self._hesitant = "expect" in request.headers  # to receive tells the client to go on: only if the function runs
        self._held: Message | None = None  # what came with the beginning and is too much for it
        self._next: asyncio.Future[Message] | None = None
        self._room = 0
        self._receiving: asyncio.Future[Receiving] = asyncio.get_running_loop().create_future()

    async def begin(self, request: Request[Any, Any, Any]) -> None:
        """Read what is there already, or all that is small. Raises: RequestStalled, ClientGone."""
        announced = self.length is not None or "transfer-encoding" in request.headers
        if request.method in WITHOUT_BODY or not announced:
            return
        if self.length is not None and self.length <= MAX_BEGINNING_BYTES:
            await self._collect()
        else:
            self.more = True
            incoming(request.scope).keeps_own_time()  # `Functions.feed` says when it has been silent for too long
            if not self._hesitant:
                await self._look()

    def wanted(self, receiving: Receiving) -> None:
        """Hear that a worker has the call, and room for the rest."""
        self._room = receiving.room
        self._receiving.set_result(receiving)

    async def until_left(self) -> None:
        """Pass the rest on as there is room, and return when the client has gone."""
        try:
            if self._held is not None:
                await self._pass_on(self._held)
            if self.more and self._hesitant:
                await self._receiving
            while (message := await self._coming())["type"] != "http.disconnect":
                self._next = None
                if self.more:
                    await self._pass_on(message)
        finally:
            if self._next is not None:
                self._next.cancel()

    async def _collect(self) -> None:
        more = True
        while more:
            message = _still_there(await self._receive())
            self.beginning += message["body"]
            more = message["more_body"]

    async def _look(self) -> None:
        coming = self._coming()
        await asyncio.sleep(0)
        if not coming.done():
            return
        self._next = None
        message = _still_there(coming.result())
        self.beginning, rest = message["body"][:MAX_BEGINNING_BYTES], message["body"][MAX_BEGINNING_BYTES:]
        self.more = message["more_body"] or len(rest) > 0
        if rest:
            self._held = {**message, "body": rest}

    async def _pass_on(self, message: Message) -> None:
        """Leave off when the next message says that the client has gone."""
        feeding = asyncio.ensure_future(self._feed_all(message["body"], not message["more_body"]))
        coming = self._coming()
        try:
            await asyncio.wait((feeding, coming), return_when=asyncio.FIRST_COMPLETED)
            if feeding.done() or coming.result()["type"] != "http.disconnect":
                await feeding
        finally:
            feeding.cancel()

    async def _feed_all(self, data: bytes, ended: bool) -> None:
        """Once nothing more is wanted, the rest is dropped; `Functions.invoke` says why, if there is a reason."""
        receiving = await self._receiving
        while self.more and (data or ended):
            part, data = data[: self._room], data[self._room :]
            try:
                room = await self._feed(receiving.invocation, part, ended and not data)
            except Problem:
                room = None
            self._room, self.more = room or 0, room is not None

    def _coming(self) -> asyncio.Future[Message]:
        if self._next is None:
            self._next = asyncio.ensure_future(self._receive())
        return self._next


def _still_there(message: Message) -> Message:
    if message["type"] == "http.disconnect":
        raise ClientGone("The client hung up before it had sent its request.")
    return message


def _length(sent: str) -> int | None:
    return whole_number(sent, MAX_LENGTH)
