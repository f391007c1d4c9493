"""An ASGI app for the methods that follow from other methods: HEAD follows GET, and Allow names every method.

RFC 9110 §9.1 requires HEAD wherever there is GET. The route answers as it answers GET, and its body is dropped. As soon
as the head is sent, the answer counts as complete. So the route sees that the client needs no more, and stops a stream.
A route whose body is expensive looks for IS_HEAD in the state of the request, and makes none.
Functions receive HEAD and OPTIONS themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from litestar import Litestar
from litestar.routes import HTTPRoute

from bunbase.gateway.project_hosts import FUNCTIONS
from bunbase.pkg.http import IS_HEAD

ALLOW: Final = b"allow"
END: Final = {"type": "http.response.body", "body": b"", "more_body": False}


class Methods:
    def __init__(self, app: Litestar) -> None:
        self.app: Any = app
        self.by_route = {route.path_format: route.methods for route in app.routes if isinstance(route, HTTPRoute)}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"].startswith(FUNCTIONS + "/"):
            await self.app(scope, receive, send)
        elif scope["method"] == "HEAD":
            await self._head(scope, receive, send)
        else:
            await self.app(scope, receive, self._with_allow(scope, send))

    async def _head(self, scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})[IS_HEAD] = True
        asked = {**scope, "method": "GET"}
        sending = self._with_allow(asked, send)
        started = False

        async def without_body(message: Any) -> None:
            nonlocal started
            if started:
                # The loop must run here, because only then does a stream learn that the client needs no more.
                await asyncio.sleep(0)
                return
            started = True
            await sending(message)
            await sending(END)

        try:
            await self.app(asked, receive, without_body)
        finally:
            if "path_template" in asked:  # Frame reads this for the log line and the metrics.
                scope["path_template"] = asked["path_template"]

    def _with_allow(self, scope: Any, send: Any) -> Any:
        """Return a `send` that completes the Allow header. Litestar's answer to OPTIONS names only some methods."""

        async def sending(message: Any) -> None:
            headers = message.get("headers", ())
            if any(name == ALLOW for name, _ in headers):
                said = next(value for name, value in headers if name == ALLOW).decode("latin-1").split(", ")
                methods = allowed(self.by_route.get(scope.get("path_template"), said))
                kept = [header for header in headers if header[0] != ALLOW]
                message["headers"] = [*kept, (ALLOW, ", ".join(methods).encode())]
            await send(message)

        return sending


def allowed(methods: Iterable[str]) -> list[str]:
    """Return all methods that a route with these methods supports, sorted."""
    found = {*methods, "OPTIONS"}
    return sorted(found | {"HEAD"} if "GET" in found else found)
