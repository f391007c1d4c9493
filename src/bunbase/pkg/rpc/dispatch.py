"""The dispatcher for JSON-RPC 2.0 (https://www.jsonrpc.org/specification): it executes a decoded request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec

from bunbase.pkg import context
from bunbase.pkg.errors import Internal, Problem
from bunbase.pkg.logger import logger
from bunbase.pkg.rpc import wire
from bunbase.pkg.rpc.admission import Admit
from bunbase.pkg.rpc.tokens import Passport
from bunbase.pkg.rpc.wire import ContractMethod, Error

log = logger("rpc")

MISSING: Any = msgspec.UNSET
NOBODY = Passport("", "")


class Method:
    """A method that can be called. `name`: `<room>.<method>`. `target`: the function, which takes keyword arguments."""

    def __init__(self, name: str, call: ContractMethod, target: Callable[..., Any]) -> None:
        self.name = name
        self.call = call
        self.target = target

    def bind(self, params: Any) -> dict[str, Any]:
        """Return the arguments by name. `params`: an object or a list. Raises: msgspec.ValidationError."""
        fields = self.call.arguments.__struct_fields__
        if isinstance(params, list):
            if len(params) > len(fields):
                raise msgspec.ValidationError(f"at most {len(fields)} params are expected")
            params = dict(zip(fields, params, strict=False))
        arguments = msgspec.convert(params, self.call.arguments)
        return {field: getattr(arguments, field) for field in fields}


def methods_of(room: str, contract: type, service: Any) -> dict[str, Method]:
    """Return all methods of a contract, by the name `<room>.<method>`."""
    methods = [Method(f"{room}.{call.name}", call, getattr(service, call.name)) for call in wire.calls_of(contract)]
    return {method.name: method for method in methods}


class CallFailed(Exception):
    """A call that ends in a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.error = Error(code, message, data)


class Dispatcher:
    """Answers single calls, batches and notifications. The server calls `stream` first, to find streaming methods.

    `admit`: a function that refuses calls, also inside a batch. If it is None, every caller may call every method.
    """

    def __init__(self, methods: Mapping[str, Method], admit: Admit | None = None) -> None:
        self.methods = dict(methods)
        self.admit = admit

    async def answer(self, request: Any, by: Passport | None = None) -> Any:
        """Return the answer to a decoded call or batch: an envelope, a list of envelopes, or None for notifications."""
        if isinstance(request, list):
            if not request or len(request) > wire.MAX_BATCH:
                message = f"A batch must contain 1 to {wire.MAX_BATCH} calls"
                return failure(None, CallFailed(wire.INVALID_REQUEST, message))
            answers = await asyncio.gather(*(self._answer_one(one, by) for one in request))
            return [answer for answer in answers if answer is not None] or None
        return await self._answer_one(request, by)

    def stream(self, request: Any) -> tuple[Any, Method, Any] | None:
        """Return id, method and params if `request` calls a streaming method, otherwise None."""
        if not isinstance(request, dict):
            return None
        method = self.methods.get(str(request.get("method")))
        if method is None or not method.call.streams:
            return None
        id = _id_of(request)
        return None if id is MISSING else id, method, request.get("params", {})

    def waits(self, request: Any) -> bool:
        """True if `request` is one call of a method that only waits for changes."""
        method = self.methods.get(str(request.get("method"))) if isinstance(request, dict) else None
        return method is not None and method.call.waits

    def arguments(self, method: Method, params: Any, by: Passport | None) -> dict[str, Any]:
        """Return the arguments by name. Raises: CallFailed if they are invalid, or if `by` may not make this call."""
        arguments = bound(method, params)
        if self.admit is not None:
            try:
                self.admit(by or NOBODY, method.name, arguments)
            except Problem as refused:
                raise failed_by(refused) from None
        return arguments

    async def _answer_one(self, request: Any, by: Passport | None) -> dict[str, Any] | None:
        id = _id_of(request)
        try:
            result = await self._call(request, by)
        except CallFailed as failed:
            malformed = failed.error.code == wire.INVALID_REQUEST
            return None if id is MISSING and not malformed else failure(id, failed)
        return None if id is MISSING else {"jsonrpc": "2.0", "id": id, "result": result}

    async def _call(self, request: Any, by: Passport | None) -> Any:
        if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
            raise CallFailed(wire.INVALID_REQUEST, 'A call is an object with "jsonrpc": "2.0"')
        name = request.get("method")
        if not isinstance(name, str) or not _is_id(request.get("id")):
            raise CallFailed(wire.INVALID_REQUEST, "`method` is a string and `id` a string, a number or null")
        method = self.methods.get(name)
        if method is None:
            raise CallFailed(wire.METHOD_NOT_FOUND, f"There is no method {name}")
        if method.call.streams:
            raise CallFailed(wire.INVALID_REQUEST, f"{name} streams its answer: it cannot be part of a batch")
        arguments = self.arguments(method, request.get("params", {}), by)
        return await guarded(method.target(**arguments))


async def guarded(call: Awaitable[Any]) -> Any:
    """Return the result of a call. Raises: CallFailed instead of every exception of the call.

    An exception that is not a Problem is a bug: it is logged, and the caller sees only the request id.
    """
    try:
        return await call
    except CallFailed:
        raise
    except Problem as problem:
        raise failed_by(problem) from problem
    except Exception as error:
        log.exception("a call failed unexpectedly")
        raise failed_by(Internal(f"Report this error with the request id {context.request_id.get()}.")) from error


async def guarded_items(items: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Yield the items of a stream. Raises: CallFailed, in the same way as `guarded`."""
    while True:
        item = await guarded(anext(items, MISSING))
        if item is MISSING:
            return
        yield item


def failed_by(problem: Problem) -> CallFailed:
    code = wire.INTERNAL_ERROR if isinstance(problem, Internal) else wire.PROBLEM
    return CallFailed(code, problem.title, problem.body(context.request_id.get()))


def bound(method: Method, params: Any) -> dict[str, Any]:
    """Return the arguments by name. Raises: CallFailed if they are invalid."""
    try:
        return method.bind(params)
    except (msgspec.ValidationError, TypeError) as error:
        raise CallFailed(wire.INVALID_PARAMS, f"{method.call.name}: {error}") from None


def failure(id: Any, failed: CallFailed) -> dict[str, Any]:
    """Return the envelope of an error."""
    return {"jsonrpc": "2.0", "id": None if id is MISSING else id, "error": failed.error}


def _id_of(request: Any) -> Any:
    """Return the id of a request: MISSING for a notification, None if the id cannot be read."""
    id = request.get("id", MISSING) if isinstance(request, dict) else None
    return id if id is MISSING or _is_id(id) else None


def _is_id(id: Any) -> bool:
    return isinstance(id, str | int | float | None) and not isinstance(id, bool)
