"""The outermost ASGI app: it sets the request id, writes the log line and the metrics, and adds headers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from bunbase.gateway.caching import caching
from bunbase.gateway.record import record
from bunbase.gateway.request_ids import request_id_from
from bunbase.gateway.s3_door import S3Door
from bunbase.pkg import context
from bunbase.pkg.errors import ClientGone, Stopping

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

UNMATCHED: Final = "unmatched"  # All unknown paths share this label. Otherwise any caller could invent new labels.
CALLER: Final = "caller"  # Under this key, `callers.py` stores the Caller in the scope's state.
# Under this key is the Caller that acts in a user's place. In this case, CALLER has a Caller with the user's rights.
ACTOR: Final = "actor"


class Frame:
    """`serving`: keyword arguments for `serving` in pkg/serve.py: the limits, and the fast lane if it is on. `s3_door`:
    the part of the gateway that the S3 port uses.
    """

    s3_door: S3Door

    def __init__(self, app: App, serving: dict[str, Any] | None = None) -> None:
        self.app = app
        self.serving = serving or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request_id = request_id_from(value for name, value in scope["headers"] if name == b"x-request-id")
        context.request_id.set(request_id)
        started, status = time.perf_counter(), ClientGone.status

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.get("headers", ())
                message["headers"] = [
                    *headers,
                    *caching([name for name, _ in headers]),
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await self.app(scope, receive, framed)
        except asyncio.CancelledError:  # Only a stopping server cancels a request here.
            status = Stopping.status if status == ClientGone.status else status
            raise
        finally:
            route, caller = scope.get("path_template") or UNMATCHED, scope.get("state", {}).get(CALLER)
            record(scope["method"], route, status, time.perf_counter() - started, request_id, caller)
