"""What surrounds every request: an id, one line in the log, two metrics, and headers that browsers respect."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from bunbase.contracts.caller import Caller
from bunbase.pkg import context, metrics
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("gateway")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

ACCEPTED_ID: Final = re.compile(rb"[A-Za-z0-9_.:-]{8,128}")
UNMATCHED: Final = "unmatched"  # one label for all addresses that do not exist: strangers must not make up labels
QUIET: Final = frozenset({"/api/health", "/api/ready", "/metrics"})
CLIENT_GONE: Final = 499
CALLER: Final = "caller"  # where in the scope's state the front door leaves it for the log


class Frame:
    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request_id = _request_id(scope)
        context.request_id.set(request_id)
        started, status = time.perf_counter(), CLIENT_GONE

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await self.app(scope, receive, framed)
        finally:
            _record(scope, status, time.perf_counter() - started)


def _request_id(scope: Scope) -> str:
    """Keep the caller's id where it is harmless, so that a trace can begin before us."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and ACCEPTED_ID.fullmatch(value):
            return str(value, "ascii")
    return new_id("req")


def _record(scope: Scope, status: int, seconds: float) -> None:
    method, route = scope["method"], scope.get("path_template") or UNMATCHED
    metrics.http_requests.labels(method, route, status).inc()
    metrics.http_seconds.labels(method, route).observe(seconds)
    if route in QUIET:
        return
    duration_ms = round(seconds * 1000, 2)
    log.info(f"{method} {route}", status=status, duration_ms=duration_ms, **_who(scope.get("state", {}).get(CALLER)))


def _who(caller: Caller | None) -> dict[str, str]:
    """Give what the log says of the caller: ids, never an address or an email."""
    if caller is None:
        return {}
    id = caller.developer.id if caller.developer else caller.user.uid if caller.user else ""
    who = f"{caller.kind.value} {id}".rstrip()
    return {"caller": who, "project": caller.project} if caller.project else {"caller": who}
