"""The proxy for a room in another process.

The proxy has the room's contract, and sends every call to the internal port.

The life of one call:

    1. The arguments are put into a Struct, which was built from the type hints of the contract, and are encoded in
       MessagePack.
    2. The request contains a service token for the called room, the request id, and the time until the deadline.
    3. The answer is decoded into the return type of the contract. A Problem becomes the same Python class again.
    4. A failed call is never repeated: it may have been executed, and only the caller knows whether it is idempotent.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import msgspec

from bunbase.pkg import context
from bunbase.pkg.errors import (
    CannotStart,
    DeadlineExceeded,
    Internal,
    InvalidInput,
    Problem,
    Unauthenticated,
    Unreachable,
    problem_from_body,
)
from bunbase.pkg.logger import logger
from bunbase.pkg.rpc import wire
from bunbase.pkg.rpc.tokens import ServiceTokens

T = TypeVar("T")

log = logger("rpc")

CALL_SECONDS = 35.0  # Long polling takes up to 30 s, and the answer needs some time too.
CONNECT_SECONDS = 2.0
STREAM_IDLE_SECONDS = 330.0  # This is longer than the longest timeout of a function, which may send nothing until then.
POOL = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=30)


class RpcConnections:
    """A pool of connections to one internal port."""

    def __init__(self, address: str, tokens: ServiceTokens, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.address = address
        self.tokens = tokens
        self.http = httpx.AsyncClient(base_url=address, limits=POOL, transport=transport, trust_env=False)
        self.ids = itertools.count(1)

    def request(self, to: CallTarget, body: bytes, seconds: float) -> httpx.Request:
        headers = {
            "content-type": wire.MSGPACK,
            "authorization": f"Bearer {self.tokens.current(to.caller, to.room)}",
            wire.REQUEST_ID_HEADER: context.request_id.get(),
            wire.DEADLINE_HEADER: str(int(seconds * 1000)),
        }
        timeout = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds), read=seconds)
        return self.http.build_request("POST", "/rpc", content=body, headers=headers, timeout=timeout)

    async def ask(self, path: str, seconds: float, caller: str, room: str) -> None:
        """Check that the other process answers a GET request with 200. Send the service token of `caller` for `room`.

        Raises: Unreachable if there is no such answer, or if the other process refuses the token.
        """
        try:
            headers = {"authorization": f"Bearer {self.tokens.current(caller, room)}"}
            reply = await self.http.get(path, headers=headers, timeout=seconds)
        except CannotStart as keyless:
            raise Unreachable(f"{caller} cannot call {room}: {keyless}.") from keyless
        except httpx.TransportError as error:
            raise Unreachable(f"{self.address} cannot be reached.") from error
        if reply.status_code in (401, 403):
            refused = _refused(reply.status_code, reply.content)
            raise Unreachable(f"{self.address} refuses the calls of {caller}: {refused.detail}")
        if reply.status_code != 200:
            raise Unreachable(f"{self.address}{path} answered {reply.status_code}.")

    async def close(self) -> None:
        await self.http.aclose()


@dataclass(frozen=True)
class CallTarget:
    """The caller and the method of a call: the room `caller` calls the method `name` of `room`."""

    caller: str
    room: str
    name: str

    @property
    def method(self) -> str:
        return f"{self.room}.{self.name}"


class Remote:
    """The base class of all proxies. `isinstance` with this class recognises a proxy."""


def remote(room: str, contract: type[T], line: RpcConnections, caller: str) -> T:
    """Return a proxy with the methods of `contract`, for the room `caller`.

    The methods of the proxy raise the Problems of the contract, Unreachable, or DeadlineExceeded.
    """
    make = {True: _streaming, False: _posting}
    calls = wire.calls_of(contract)
    methods = {call.name: make[call.streams](CallTarget(caller, room, call.name), call, line) for call in calls}
    stand_in: T = type(f"Remote{contract.__name__}", (Remote,), methods)()
    return stand_in


def _posting(to: CallTarget, call: wire.ContractMethod, line: RpcConnections) -> Callable[..., Any]:
    method = to.method
    decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder(_envelope(call, "result")).decode

    async def post(self: Any, *args: Any, **kwargs: Any) -> Any:
        seconds = _seconds_left(method)
        request = line.request(to, _body(method, call, line, args, kwargs), seconds)
        try:
            reply = await line.http.send(request)
        except httpx.TimeoutException as error:
            raise _too_late(method, error) from error
        except httpx.TransportError as error:
            raise Unreachable(f"{method} could not be called: {error!r}.") from error
        if reply.status_code != 200:
            raise _refused(reply.status_code, reply.content)
        envelope = decode(reply.content)
        if envelope.error is not None:
            raise _problem(envelope.error)
        return envelope.result

    return post


def _streaming(to: CallTarget, call: wire.ContractMethod, line: RpcConnections) -> Callable[..., Any]:
    method = to.method
    decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder(_envelope(call, "item")).decode

    async def stream(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        body = _body(method, call, line, args, kwargs)
        request = line.request(to, body, STREAM_IDLE_SECONDS)
        try:
            reply = await line.http.send(request, stream=True)
        except httpx.TransportError as error:
            raise Unreachable(f"{method} could not be called: {error!r}.") from error
        try:
            if reply.status_code != 200:
                raise _refused(reply.status_code, await reply.aread())
            if reply.headers["content-type"] != wire.STREAM_MSGPACK:
                raise _problem(decode(await reply.aread()).error)
            async for frame in _frames(reply):
                envelope = decode(frame)
                if envelope.error is not None:
                    raise _problem(envelope.error)
                if envelope.end:
                    return
                yield envelope.item
            raise Unreachable(f"{method} broke off.")
        except httpx.TransportError as error:
            raise Unreachable(f"{method} broke off: {error!r}.") from error
        finally:
            await reply.aclose()

    return stream


async def _frames(reply: httpx.Response) -> AsyncIterator[bytes]:
    buffer = bytearray()
    async for part in reply.aiter_raw():
        buffer += part
        while len(buffer) >= 4:
            size = int.from_bytes(buffer[:4], "big")
            if len(buffer) < 4 + size:
                break
            frame = bytes(buffer[4 : 4 + size])
            del buffer[: 4 + size]
            yield frame


def _envelope(call: wire.ContractMethod, member: str) -> type[msgspec.Struct]:
    fields = [(member, call.answer | None, None), ("error", wire.Error | None, None), ("end", bool, False)]
    return msgspec.defstruct(f"{call.name}_envelope", fields)


def _body(
    method: str, call: wire.ContractMethod, line: RpcConnections, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bytes:
    request = {
        "jsonrpc": "2.0",
        "id": next(line.ids),
        "method": method,
        "params": call.arguments(*args, **kwargs),
    }
    try:
        return msgspec.msgpack.encode(request)
    except OverflowError:
        raise InvalidInput("A whole number must fit into 64 bits.") from None


def _seconds_left(method: str) -> float:
    seconds = context.seconds_left(CALL_SECONDS)
    if seconds <= 0:
        log.warning("no time was left for a call", method=method)
        raise DeadlineExceeded("No time was left for an answer: try again, or request less data.")
    return seconds


def _too_late(method: str, error: httpx.TimeoutException) -> Problem:
    if isinstance(error, httpx.ConnectTimeout):
        return Unreachable(f"{method} could not be called: no connection within {CONNECT_SECONDS} s.")
    log.warning("a call was not answered in time", method=method)
    return DeadlineExceeded("The answer was not ready in time: try again, or request less data.")


def _refused(status: int, body: bytes) -> Problem:
    try:
        problem = problem_from_body(msgspec.json.decode(body, type=dict[str, Any]))
    except msgspec.MsgspecError:
        return Unreachable(f"The other side answered {status} without a problem document.")
    if isinstance(problem, Unauthenticated):  # The user's own token is valid, so the user must not get this 401.
        log.error("another process refuses this one's service token", reason=problem.detail)
        return Unreachable(f"Another process refuses this one's service token: {problem.detail}")
    return problem


def _problem(error: wire.Error) -> Problem:
    return problem_from_body(error.data) if error.data else Internal(error.message)
