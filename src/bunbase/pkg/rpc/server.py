"""The ASGI app of the internal port. The app answers `POST /rpc` for callers with a service token.

The life of one call:

    1. The service token is checked before the body is read, so a client without a token cannot make the server read 32
      MiB.
    2. The body is decoded, and each call is checked against the table of allowed calls (`dispatch.py`, `admission.py`).
    3. The call runs until the deadline that the caller sent. If the caller disconnects, the call is cancelled.
    4. When the server stops, calls that only wait for changes (`wire.waits_for_news`) end at once.
    5. A streaming method answers with one envelope per item. Any other method answers with one envelope.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from bunbase.pkg import context
from bunbase.pkg.connected import while_connected
from bunbase.pkg.errors import (
    ClientGone,
    DeadlineExceeded,
    Malformed,
    MethodNotAllowed,
    NotFound,
    Problem,
    Stopping,
    TooLarge,
)
from bunbase.pkg.http1.incoming import Incoming, incoming
from bunbase.pkg.ids import new_id
from bunbase.pkg.numbers import whole_number
from bunbase.pkg.rpc import wire
from bunbase.pkg.rpc.dispatch import CallFailed, Dispatcher, Method, failed_by, failure, guarded_items
from bunbase.pkg.rpc.tokens import Passport, ServiceTokens

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Told = tuple[int, str, bytes]  # The status, the content type and the body.

DEFAULT_DEADLINE_SECONDS = 60.0
MAX_DEADLINE_MS = 1_000_000_000  # This is eleven days. No caller waits longer.


@dataclass(frozen=True)
class ReceivedCall:
    """A request that arrived. `packed`: True for MessagePack, False for JSON. `seconds`: time until its deadline."""

    by: Passport
    packed: bool
    body: bytes
    seconds: float


class RpcApp:
    """The app of the internal port.

    `plain`: functions by path, such as /metrics and /api/health, that answer requests without a token.
    `checked`: functions by path that get the Passport of the request's token, or None if the request has no token. A
    request with an invalid token is refused.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        tokens: ServiceTokens,
        plain: Mapping[str, Callable[[], Awaitable[Told]]] | None = None,
        checked: Mapping[str, Callable[[Passport | None], Awaitable[Told]]] | None = None,
    ) -> None:
        if dispatcher.admit is None:
            raise TypeError("the dispatcher of an internal port needs an `admit` function")
        self.dispatcher = dispatcher
        self.tokens = tokens
        self.plain = dict(plain or {})
        self.checked = dict(checked or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        context.request_id.set(headers.get(wire.REQUEST_ID_HEADER) or new_id("req"))
        try:
            plain = self.plain.get(scope["path"])
            if plain is not None:
                await _respond(send, *await plain())
                return
            checked = self.checked.get(scope["path"])
            if checked is not None:
                await _respond(send, *await checked(self._sender(headers)))
                return
            by = self._passport(scope, headers)
            seconds = _deadline_seconds(headers)
            packed = headers.get("content-type", wire.JSON) == wire.MSGPACK
            await self._answer(ReceivedCall(by, packed, await _body(receive), seconds), incoming(scope), receive, send)
        except Problem as problem:
            answer = msgspec.json.encode(problem.body(context.request_id.get()))
            allow = ((b"allow", b"POST"),) if isinstance(problem, MethodNotAllowed) else ()
            await _respond(send, problem.status, "application/problem+json", answer, allow)

    def _passport(self, scope: Scope, headers: dict[str, str]) -> Passport:
        if scope["path"] != "/rpc":
            raise NotFound("Calls between services go to POST /rpc.")
        if scope["method"] != "POST":
            raise MethodNotAllowed("Calls between services go to POST /rpc.")
        return self.tokens.check(_token(headers))

    def _sender(self, headers: dict[str, str]) -> Passport | None:
        """Return the Passport of the token, or None if there is no token. Raises: Unauthenticated."""
        token = _token(headers)
        return self.tokens.check(token) if token else None

    async def _answer(self, asked: ReceivedCall, sent: Incoming, receive: Receive, send: Send) -> None:
        by, packed = asked.by, asked.packed
        try:
            request = msgspec.msgpack.decode(asked.body) if packed else msgspec.json.decode(asked.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return await _reply(send, packed, failure(None, CallFailed(wire.PARSE_ERROR, f"Parse error: {error}")))
        streaming = self.dispatcher.stream(request)
        if streaming is not None:
            id, method, params = streaming
            try:
                arguments = self.dispatcher.arguments(method, params, by)
            except CallFailed as failed:
                return await _reply(send, packed, failure(id, failed))
            return await _answer_in_parts(
                receive, send, _stream(send, packed, id, method, arguments), packed, sent if method.call.waits else None
            )
        try:
            with context.deadline_in(asked.seconds):
                async with asyncio.timeout(asked.seconds):
                    answer = await while_connected(
                        receive, self.dispatcher.answer(request, by), sent if self.dispatcher.waits(request) else None
                    )
        except TimeoutError:
            raise DeadlineExceeded("The caller's deadline passed before the answer was ready.") from None
        return await _reply(send, packed, answer)


def _token(headers: dict[str, str]) -> str:
    return headers.get("authorization", "").removeprefix("Bearer ")


def _deadline_seconds(headers: dict[str, str]) -> float:
    sent = headers.get(wire.DEADLINE_HEADER)
    if sent is None:
        return DEFAULT_DEADLINE_SECONDS
    milliseconds = whole_number(sent, MAX_DEADLINE_MS)
    if milliseconds is None:
        raise Malformed(f"{wire.DEADLINE_HEADER} must be a whole number of milliseconds, at most {MAX_DEADLINE_MS}.")
    return milliseconds / 1000


async def _body(receive: Receive) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("The connection was closed before the whole body had arrived.")
        part = message.get("body", b"")
        size += len(part)
        if size > wire.MAX_BODY_BYTES:
            raise TooLarge(f"Send at most {wire.MAX_BODY_BYTES} bytes.")
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


async def _respond(
    send: Send, status: int, content_type: str, body: bytes, more: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _reply(send: Send, packed: bool, answer: Any) -> None:
    """Send the answer to a call or a batch. If `answer` is None, as for notifications, send 204 No Content."""
    content_type = wire.MSGPACK if packed else wire.JSON
    if answer is None:
        return await _respond(send, 204, content_type, b"")
    encode = msgspec.msgpack.encode if packed else msgspec.json.encode
    return await _respond(send, 200, content_type, encode(answer))


async def _answer_in_parts(
    receive: Receive, send: Send, parts: Coroutine[Any, Any, None], packed: bool, ends: Incoming | None
) -> None:
    """Send the answer of a streaming method. `ends`: None if a stopping server must wait for the end of this stream."""
    content_type = wire.STREAM_MSGPACK if packed else wire.STREAM_JSON
    headers = [(b"content-type", content_type.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    with suppress(Stopping):  # Without a last envelope, the caller sees that the stream is incomplete.
        await while_connected(receive, parts, ends)
    await send({"type": "http.response.body", "body": b""})


async def _stream(send: Send, packed: bool, id: Any, method: Method, arguments: dict[str, Any]) -> None:
    """Send one envelope per item. If the call fails, the last envelope contains the error."""

    async def envelope(**members: Any) -> None:
        await send({"type": "http.response.body", "body": _frame(packed, {"id": id, **members}), "more_body": True})

    items = method.target(**arguments)
    try:
        async for item in guarded_items(items):
            await envelope(item=item)
        await envelope(end=True)
    except CallFailed as failed:
        await envelope(error=failed.error)
    except Problem as problem:
        await envelope(error=failed_by(problem).error)
    finally:
        await items.aclose()


def _frame(packed: bool, envelope: dict[str, Any]) -> bytes:
    if not packed:
        return msgspec.json.encode(envelope) + b"\n"
    body = msgspec.msgpack.encode(envelope)
    return struct.pack(">I", len(body)) + body
