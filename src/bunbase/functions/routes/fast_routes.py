"""Calls of functions as fast routes: the gateway runs them without the web framework (contracts/fast_routes.py)."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, Final

from bunbase.contracts.caller import Caller
from bunbase.contracts.fast_routes import Answer, FastRequest, FastRoute
from bunbase.contracts.functions.invocations import MAX_BEGINNING_BYTES, Chunk, Invocation
from bunbase.contracts.functions.service import Functions
from bunbase.functions.routes.answer import WITHOUT_BODY, headers_of

PATHS: Final = ("/v1/functions/{name}", "/v1/functions/{name}/{path}")
# HEAD and OPTIONS follow other rules, so the web framework handles them.
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


async def call(method: str, functions: Functions, caller: Caller, asked: FastRequest) -> Answer:
    """Return the whole answer if all of it arrives at once. Otherwise return the head, and a stream of the rest."""
    began = time.perf_counter()
    name, *below = asked.names
    path = "/" + "".join(below) + (f"?{asked.search}" if asked.search else "")
    parts: Any = functions.invoke(caller, name, Invocation(method, path, asked.sent, asked.body))
    try:
        head = await anext(parts)
    except BaseException:
        await parts.aclose()
        raise
    headers = tuple(headers_of(head, began))
    if head.body is None and head.status not in WITHOUT_BODY:
        return Answer(head.status, headers, rest=_bytes_of(parts))
    await parts.aclose()
    return Answer(head.status, headers, head.body or b"")


async def _bytes_of(parts: AsyncGenerator[Chunk, None]) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in parts:
            yield chunk.data
    finally:
        await parts.aclose()


FAST_ROUTES: Final = tuple(
    FastRoute(method, path, partial(call, method), whole=True, reads=True, max_body_bytes=MAX_BEGINNING_BYTES)
    for path in PATHS
    for method in METHODS
)
