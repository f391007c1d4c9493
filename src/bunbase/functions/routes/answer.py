"""Streams a function's answer to the client. The rest of the request may stream to the function at the same time.

If the client disconnects, the call ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from litestar.response import Response

from bunbase.contracts.functions.invocations import Chunk, Head, Receiving
from bunbase.functions.routes.request_body import RequestBody
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("functions")

WITHOUT_BODY: Final = (204, 304)
OURS: Final = frozenset({"x-bunbase-function-version", "x-bunbase-invocation"})


class FunctionAnswer(Response[None]):
    """The answer of a function. `parts`: the result of `Functions.invoke`."""

    def __init__(self, parts: AsyncIterator[Receiving | Head | Chunk], body: RequestBody) -> None:
        super().__init__(None)
        self.parts = parts
        self.body = body

    def to_asgi_response(self, *_args: Any, **_kwargs: Any) -> Any:
        return self.send_all

    async def send_all(self, scope: Any, _receive: Any, send: Any) -> None:
        """Send the whole answer. Raises: a Problem before the head; a later problem closes the connection."""
        sending = asyncio.ensure_future(self._send(send, only_head=scope["method"] == "HEAD"))
        leaving = asyncio.ensure_future(self.body.forward_until_client_leaves())
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not sending.done():
                sending.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        (leaving if sending.cancelled() else sending).result()

    async def _send(self, send: Any, only_head: bool) -> None:
        """Send the answer. `only_head`: after the head, end the call, so that a stream does not occupy its worker."""
        began = time.perf_counter()
        parts: Any = self.parts
        try:
            head = await anext(parts)
            if isinstance(head, Receiving):
                self.body.on_receiving(head)
                head = await anext(parts)
            headers = [(name.encode(), value.encode("latin-1")) for name, value in headers_of(head, began)]
            await send({"type": "http.response.start", "status": head.status, "headers": headers})
            if only_head:
                await send({"type": "http.response.body", "body": b""})
                return
            if head.body is not None:
                await send({"type": "http.response.body", "body": head.body, "more_body": True})
            try:
                async for chunk in parts:
                    await send({"type": "http.response.body", "body": chunk.data, "more_body": True})
            except Problem as problem:
                log.warning("an answer was cut off", invocation=head.invocation, code=problem.code)
                # The last message is missing, so the server closes the connection, and the client notices the failure.
                return
            await send({"type": "http.response.body", "body": b""})
        finally:
            await parts.aclose()


def headers_of(head: Head, began: float) -> list[tuple[str, str]]:
    """Return the headers of the function and the headers of BunBase.

    `began`: the value of perf_counter at the start of the request.
    """
    run_ms = max(0.0, (time.perf_counter() - began) * 1000 - head.queued_ms)
    start = ';desc="cold"' if head.cold else ""
    headers = [(name, value) for name, value in head.headers if name not in OURS]
    headers += [
        ("x-bunbase-function-version", str(head.version)),
        ("x-bunbase-invocation", head.invocation),
        ("server-timing", f"queue;dur={head.queued_ms:.2f}{start}, function;dur={run_ms:.2f}"),
    ]
    if head.body is not None and head.status not in WITHOUT_BODY:
        headers.append(("content-length", str(len(head.body))))
    return headers
