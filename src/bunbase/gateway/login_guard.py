"""Stands before the two sign-in routes: refuses when too many passwords were wrong, and counts the wrong ones."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from bunbase.gateway.credentials import client_ip, project_key
from bunbase.gateway.login_limits import DEVELOPERS, LoginLimits, users_of
from bunbase.pkg.opaque import fingerprint

DEVELOPERS_LOGIN: Final = "/api/auth/login"
USERS_LOGIN: Final = "/v1/auth/login"
MAX_PEEK_BYTES: Final = 64 << 10  # no sign-in is longer; what is goes on unread and is refused for its size


class _Email(msgspec.Struct, frozen=True):
    email: str = ""


class LoginGuard:
    """Middleware of the app, so that requests are routed already: no other spelling of an address slips past."""

    def __init__(self, app: ASGIApp, limits: LoginLimits, trusted_proxies: tuple[str, ...]) -> None:
        self.app = app
        self.limits = limits
        self.trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "POST" or not _signs_in(scope["path_template"]):
            await self.app(scope, receive, send)
            return
        request: Request[Any, Any, Any] = Request(scope)
        pool, ip = _pool(request), client_ip(request, self.trusted_proxies)
        messages = await _peeked(receive)
        email = _email(b"".join(message.get("body", b"") for message in messages if message["type"] == "http.request"))
        async with self.limits.attempt(pool, ip, email) as attempt:

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start" and message["status"] == 401:
                    attempt.failed = True
                await send(message)

            await self.app(scope, _replaying(messages, receive), watched)


def _signs_in(route: str) -> bool:
    return route in (DEVELOPERS_LOGIN, USERS_LOGIN)


def _pool(request: Request[Any, Any, Any]) -> str:
    if request.scope["path_template"] == DEVELOPERS_LOGIN:
        return DEVELOPERS
    return users_of(fingerprint(project_key(request.headers, request.query_params)))


async def _peeked(receive: Receive) -> list[Any]:
    """Read the body up to a bound; give the messages that held it."""
    messages: list[Any] = []
    size = 0
    while size <= MAX_PEEK_BYTES:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            break
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return messages


def _replaying(messages: list[Any], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def replay() -> Any:
        return next(waiting, None) or await receive()

    return replay


def _email(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Email).email
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""  # the room will say what is wrong with it
