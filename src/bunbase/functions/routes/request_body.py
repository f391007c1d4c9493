"""Passes a request's body to a function. A large body is passed in parts, while the function can take more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar import Request

from bunbase.contracts.functions.invocations import MAX_BEGINNING_BYTES, Receiving
from bunbase.pkg.errors import ClientGone, Problem
from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.numbers import whole_number

MAX_LENGTH: Final = 2**63 - 1
WITHOUT_BODY: Final = ("GET", "HEAD")

Message = dict[str, Any]
Feed = Callable[[str, bytes, bool], Awaitable[int | None]]


class RequestBody:
    """The body of one request.

    `beginning`: the part that is sent with the call. `more`: true if another part follows. `length`: the value of
    Content-Length.

    The server reads one message more than the function can take. So the server notices that the client has
    disconnected even while the function does not read.
    """

    def __init__(self, request: Request[Any, Any, Any], feed: Feed) -> None:
        self.beginning = b""
        self.more = False
        self.length = _length(request.headers.get("content-length", ""))
        self._feed = feed
        self._receive: Callable[[], Awaitable[Any]] = request.receive
        # If the client has sent `Expect: 100-continue`, a read makes the client send its body. So read only when the
        # function runs.
        self._expects_continue = "expect" in request.headers
        self._held: Message | None = None  # The part of the first message that does not fit into `beginning`.
        self._next: asyncio.Future[Message] | None = None
        self._room = 0
        self._receiving: asyncio.Future[Receiving] = asyncio.get_running_loop().create_future()

    async def begin(self, request: Request[Any, Any, Any]) -> None:
        """Read all of a small body, or the first part of a large body if it has already arrived.

        Raises: RequestStalled, ClientGone.
        """
        announced = self.length is not None or "transfer-encoding" in request.headers
        if request.method in WITHOUT_BODY or not announced:
            return
        if self.length is not None and self.length <= MAX_BEGINNING_BYTES:
            await self._collect()
        else:
            self.more = True
            # There is no timeout here, because `Functions.feed` limits how long the client may be silent.
            incoming(request.scope).keeps_own_time()
            if not self._expects_continue:
                await self._look()

    def on_receiving(self, receiving: Receiving) -> None:
        """Begin to send the body. A worker runs the call and has room for `receiving.room` bytes."""
        self._room = receiving.room
        self._receiving.set_result(receiving)

    async def forward_until_client_leaves(self) -> None:
        """Send the rest of the body while the function has room. Return when the client has disconnected."""
        try:
            if self._held is not None:
                await self._pass_on(self._held)
            if self.more and self._expects_continue:
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
        """If the first message has already arrived, use it as the beginning."""
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
        """Feed one message to the function. Stop if the next message says that the client has disconnected."""
        feeding = asyncio.ensure_future(self._feed_all(message["body"], not message["more_body"]))
        coming = self._coming()
        try:
            await asyncio.wait((feeding, coming), return_when=asyncio.FIRST_COMPLETED)
            if feeding.done() or coming.result()["type"] != "http.disconnect":
                await feeding
        finally:
            feeding.cancel()

    async def _feed_all(self, data: bytes, ended: bool) -> None:
        """Feed data in parts, while the function has room. When the function needs no more data, drop the rest.

        Problems of `feed` are ignored, because `Functions.invoke` raises the same problems.
        """
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
        raise ClientGone("The client closed the connection before it had sent the whole request.")
    return message


def _length(sent: str) -> int | None:
    return whole_number(sent, MAX_LENGTH)
