"""CORS: decide whether a page of another origin may read a response. Both lanes use the same headers.

`SharingApp` answers preflights, and adds CORS headers to answers of the ordinary lane. If a function sets a CORS header
itself, its response gets no further CORS header. Litestar's middleware is not used, because it would overwrite headers
of functions, and treats each OPTIONS with an Origin as a preflight.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Protocol

import msgspec
from litestar.config.cors import CORSConfig
from litestar.datastructures import Headers

from bunbase.gateway.problems import MEDIA_TYPE
from bunbase.pkg import context
from bunbase.pkg.errors import Problem

PREFIX: Final = "access-control-"
ALLOW_ORIGIN: Final = "access-control-allow-origin"
ALLOW_CREDENTIALS: Final = "access-control-allow-credentials"
OF_USERS: Final = "/v1/"  # Only these paths take the cookies of end users.
# Pages of every origin may use these paths, whatever the settings are, because OpenID Connect clients in browsers need
# them. These paths take no cookies, and a client gets nothing without its tokens.
FOR_CLIENTS: Final = frozenset(
    {
        "/oauth/token",
        "/oauth/userinfo",
        "/oauth/revoke",
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    }
)
TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # Names of headers have this form (RFC 9110 §5.6.2).

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

    def pairs(self, origin: str, has_cookie: bool, credentials: bool = False) -> Pairs:
        """Return the headers for an answer to a page. `origin`: the page's origin; "" if the request has none.

        `credentials`: true if the project allows the page to use its cookie (cookie mode).
        """
        if not origin:
            return ()
        if credentials:
            return (*{**self.common, ALLOW_ORIGIN: origin, ALLOW_CREDENTIALS: "true"}.items(), ("vary", "Origin"))
        config = self.config
        if has_cookie if config.is_allow_all_origins else config.is_origin_allowed(origin):
            return (*{**self.common, "access-control-allow-origin": origin}.items(), ("vary", "Origin"))
        return self.plain

    def lines(self, origin: bytes, has_cookie: bool, credentials: bool = False) -> bytes:
        """Return the same headers as complete header lines."""
        headers = self.pairs(str(origin, "latin-1"), has_cookie, credentials)
        return self.plain_lines if headers is self.plain else _lines(headers)

    def preflight(self, origin: str, names: str, credentials: bool = False) -> Pairs:
        """Return the headers that allow a request. `names`: the list of the headers that the page wants to send."""
        headers = {name.lower(): value for name, value in self.config.preflight_headers.items()}
        if credentials:
            headers |= {ALLOW_ORIGIN: origin, ALLOW_CREDENTIALS: "true", "vary": "Origin"}
        headers.setdefault("access-control-allow-origin", origin)
        wanted = sorted({name.strip() for name in names.split(",") if TOKEN.fullmatch(name.strip())})
        if wanted:
            headers["access-control-allow-headers"] = ", ".join(wanted)
        return tuple(headers.items())


class CookieSharing(Protocol):
    async def shares_answer(self, scope: Any, origin: str) -> bool:
        """True if pages of this origin may use the cookie of the project that the request was sent to."""
        ...

    async def shares_preflight(self, scope: Any, origin: str) -> bool:
        """True if the project of the request lets pages of this origin use its cookie.

        Without a project, any project counts.
        """
        ...


class SharingApp:
    """Adds CORS headers. `cookies` decides which pages may send cookies and read the answers."""

    def __init__(self, app: Any, cors: Cors, cookies: CookieSharing) -> None:
        self.app = app
        self.cors = cors
        self.cookies = cookies

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = Headers.from_scope(scope) if scope["type"] == "http" else {}
        origin = headers.get("origin", "")
        if not origin:
            await self.app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await self._preflight(scope, origin, headers.get("access-control-request-headers", ""), send)
        else:
            await self.app(scope, receive, self._sharing(scope, origin, "cookie" in headers, send))

    async def _pairs(self, scope: Any, origin: str, has_cookie: bool) -> Pairs:
        if scope["path"] in FOR_CLIENTS:
            return (*{**self.cors.common, ALLOW_ORIGIN: "*"}.items(),)
        credentials = scope["path"].startswith(OF_USERS) and await self.cookies.shares_answer(scope, origin)
        return self.cors.pairs(origin, has_cookie, credentials)

    def _sharing(self, scope: Any, origin: str, has_cookie: bool, send: Any) -> Any:
        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = message.get("headers", ())
                if not any(name.lower().startswith(PREFIX.encode()) for name, _ in own):
                    message["headers"] = [*own, *_encoded(await self._pairs(scope, origin, has_cookie))]
            await send(message)

        return sending

    async def _preflight(self, scope: Any, origin: str, names: str, send: Any) -> None:
        path = scope["path"]
        credentials = path.startswith(OF_USERS) and await self.cookies.shares_preflight(scope, origin)
        if path not in FOR_CLIENTS and not credentials and not self.cors.config.is_origin_allowed(origin):
            await _refuse(origin, send)
            return
        headers = _encoded(self.cors.preflight(origin, names, credentials))
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def shares_by_itself(headers: Iterable[tuple[str, str]]) -> bool:
    """True if these headers of a function contain a CORS header. The names must be in lower case."""
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
