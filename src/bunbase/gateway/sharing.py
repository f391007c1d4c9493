"""CORS: which pages of other origins may read answers. Both lanes use the same headers.

`SharingApp` answers preflights, and adds CORS headers to answers of the ordinary lane. A function that sets a CORS
header decides alone: its answer gets no further CORS header. Litestar's middleware is not used, because it would
overwrite headers of functions, and treats each OPTIONS with an Origin as a preflight.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from litestar.config.cors import CORSConfig
from litestar.datastructures import Headers

from bunbase.gateway.problems import MEDIA_TYPE
from bunbase.pkg import context
from bunbase.pkg.errors import Problem

PREFIX: Final = "access-control-"
# Pages of every origin may use these, whatever the settings say: they are for OpenID Connect clients in browsers. They
# take no cookies, and a client must have its tokens to get anything.
FOR_CLIENTS: Final = frozenset(
    {
        "/oauth/token",
        "/oauth/userinfo",
        "/oauth/revoke",
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
    }
)
TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2

Pairs = tuple[tuple[str, str], ...]


class PreflightRefused(Problem):
    status, code, title = 400, "preflight_refused", "Pages of this origin may not call this server"


class Cors:
    """The CORS headers of all answers. `config`: the allowed origins and the names of exposed headers."""

    def __init__(self, config: CORSConfig) -> None:
        self.config = config
        common = {name.lower(): value for name, value in config.simple_headers.items()}
        common["access-control-allow-headers"] = ", ".join(sorted(set(config.allow_headers)))
        common["access-control-allow-methods"] = ", ".join(sorted(set(config.allow_methods)))
        self.common = common
        self.plain = tuple(common.items())
        self.plain_lines = _lines(self.plain)

    def pairs(self, origin: str, has_cookie: bool) -> Pairs:
        """Return the headers for an answer to a page. `origin`: the page's origin; "" if the request has none."""
        if not origin:
            return ()
        config = self.config
        if has_cookie if config.is_allow_all_origins else config.is_origin_allowed(origin):
            return (*{**self.common, "access-control-allow-origin": origin}.items(), ("vary", "Origin"))
        return self.plain

    def lines(self, origin: bytes, has_cookie: bool) -> bytes:
        """Return the same headers as complete header lines."""
        headers = self.pairs(str(origin, "latin-1"), has_cookie)
        return self.plain_lines if headers is self.plain else _lines(headers)

    def preflight(self, origin: str, names: str) -> Pairs:
        """Return the headers that allow a request. `names`: the headers that the page wants to send, a list."""
        headers = {name.lower(): value for name, value in self.config.preflight_headers.items()}
        headers.setdefault("access-control-allow-origin", origin)
        wanted = sorted({name.strip() for name in names.split(",") if TOKEN.fullmatch(name.strip())})
        if wanted:
            headers["access-control-allow-headers"] = ", ".join(wanted)
        return tuple(headers.items())


class SharingApp:
    def __init__(self, app: Any, cors: Cors) -> None:
        self.app = app
        self.cors = cors

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = Headers.from_scope(scope) if scope["type"] == "http" else {}
        origin = headers.get("origin", "")
        if not origin:
            await self.app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await self._preflight(scope["path"], origin, headers.get("access-control-request-headers", ""), send)
        else:
            pairs = self._pairs(scope["path"], origin, "cookie" in headers)
            await self.app(scope, receive, self._sharing(pairs, send))

    def _pairs(self, path: str, origin: str, has_cookie: bool) -> Pairs:
        if path in FOR_CLIENTS:
            return (*{**self.cors.common, "access-control-allow-origin": "*"}.items(),)
        return self.cors.pairs(origin, has_cookie)

    def _sharing(self, pairs: Pairs, send: Any) -> Any:
        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = message.get("headers", ())
                if not any(name.lower().startswith(PREFIX.encode()) for name, _ in own):
                    message["headers"] = [*own, *_encoded(pairs)]
            await send(message)

        return sending

    async def _preflight(self, path: str, origin: str, names: str, send: Any) -> None:
        if path not in FOR_CLIENTS and not self.cors.config.is_origin_allowed(origin):
            await _refuse(origin, send)
            return
        headers = _encoded(self.cors.preflight(origin, names))
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def shares_by_itself(headers: Iterable[tuple[str, str]]) -> bool:
    """True if these headers of a function contain a CORS header. The names are in lower case."""
    return any(name.startswith(PREFIX) for name, _ in headers)


def _lines(headers: Pairs) -> bytes:
    return "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1")


def _encoded(headers: Pairs) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


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
