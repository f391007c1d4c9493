"""An ASGI app that refuses CORS preflights of foreign origins with a Problem. Litestar would answer in plain text."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar.config.cors import CORSConfig
from litestar.datastructures import Headers

from bunbase.gateway.problems import MEDIA_TYPE
from bunbase.pkg import context
from bunbase.pkg.errors import Problem


class PreflightRefused(Problem):
    status, code, title = 400, "preflight_refused", "Pages of this origin may not call this server"


class Preflights:
    """Wraps the app that has the CORS middleware. `sharing`: the CORS configuration of that app."""

    def __init__(self, app: Any, sharing: CORSConfig) -> None:
        self.app = app
        self.sharing = sharing

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            origin = Headers.from_scope(scope).get("origin", "")
            if origin and not self.sharing.is_origin_allowed(origin):
                await _refuse(origin, send)
                return
        await self.app(scope, receive, send)


async def _refuse(origin: str, send: Any) -> None:
    problem = PreflightRefused(f"Add the page's origin to gateway.cors_origins: {origin[:100]}.")
    body = msgspec.json.encode(problem.body(context.request_id.get()))
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"vary", b"Origin"),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
