"""A middleware that limits sign-ins, sign-ups and token refreshes. It applies LoginLimits before the room is called."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from bunbase.contracts.caller import CallerKind
from bunbase.contracts.platform import KeyHolder
from bunbase.gateway.credentials import client_ip, project_key
from bunbase.gateway.guards import Guards
from bunbase.gateway.login_limits import DEVELOPERS, Asking, Place

DEVELOPERS_LOGIN: Final = "/api/auth/login"
USERS_LOGIN: Final = "/v1/auth/login"
LOGINS: Final = (DEVELOPERS_LOGIN, USERS_LOGIN)
MAILS: Final = ("/api/auth/password-reset", "/api/auth/verify-email")  # anybody may ask for a mail to any address
SIGN_UPS: Final = ("/api/auth/register", "/v1/auth/signup", *MAILS)
STARTS: Final = ("/api/auth/oauth/{provider:str}/start", "/api/auth/oauth/{provider:str}/callback")
TRADES: Final = (
    "/api/auth/refresh",
    "/api/auth/oauth/exchange",
    "/v1/auth/refresh",
    "/v1/auth/login/custom-token",
    *STARTS,
)
OF_DEVELOPERS: Final = "/api/"
MAX_PEEK_BYTES: Final = 64 << 10  # sign-ins are shorter; a longer body is passed on, and refused for its size there


class _Email(msgspec.Struct, frozen=True):
    email: str = ""


class LoginGuard:
    """The middleware. It runs after routing and compares route templates, so the spelling of a path does not matter."""

    def __init__(self, app: ASGIApp, guards: Guards, trusted_proxies: Container[str]) -> None:
        self.app = app
        self.limits = guards.limits
        self.identity = guards.identity
        self.clients = guards.clients
        self.trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        route, request = scope["path_template"], Request[Any, Any, Any](scope)
        if scope["method"] != "POST" and route not in STARTS:
            await self.app(scope, receive, send)
            return
        if route in LOGINS:
            await self._sign_in(request, receive, send)
            return
        if route in SIGN_UPS or route in TRADES:
            await self._count(request, route)
        await self.app(scope, receive, send)

    async def _sign_in(self, request: Request[Any, Any, Any], receive: Receive, send: Send) -> None:
        holder, ip = await self._holder(request), client_ip(request, self.trusted_proxies)
        messages = await _peeked(receive)
        email = _email(b"".join(message.get("body", b"") for message in messages if message["type"] == "http.request"))
        place = Place(_pool(holder), "" if _speaks_for_many(holder) else ip, email)
        async with self.limits.attempt(place, self._knows(holder, email, ip)) as attempt:

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start" and message["status"] == 401:
                    attempt.failed = True
                await send(message)

            await self.app(request.scope, _replaying(messages, receive), watched)

    async def _count(self, request: Request[Any, Any, Any], route: str) -> None:
        """Count a sign-up, or a trade of a token. Raises: RateLimited, InvalidKey, Unreachable."""
        holder, ip = await self._holder(request), client_ip(request, self.trusted_proxies)
        if not _speaks_for_many(holder):
            (self.limits.sign_up if route in SIGN_UPS else self.limits.trade)(_pool(holder), ip)

    async def _holder(self, request: Request[Any, Any, Any]) -> KeyHolder | None:
        """Return the project and kind of the key in a request of an end user.

        Return None on the routes of developers, and for a request without a key: the room refuses that one.
        Raises: InvalidKey, RateLimited, Unreachable.
        """
        if request.scope["path_template"].startswith(OF_DEVELOPERS):
            return None
        key = project_key(request.headers, request.query_params)
        return await self.clients.holder(key, client_ip(request, self.trusted_proxies)) if key else None

    def _knows(self, holder: KeyHolder | None, email: str, ip: str) -> Asking:
        async def asking() -> bool:
            if holder is None:
                return await self.identity.bunauth.knows_address(email, ip)
            return await self.identity.tenant_auth.knows_address(holder.project, email, ip)

        return asking


def _pool(holder: KeyHolder | None) -> str:
    return DEVELOPERS if holder is None else holder.project


def _speaks_for_many(holder: KeyHolder | None) -> bool:
    """True for a secret key: the project's own server sends it, and signs in all its users from one address."""
    return holder is not None and holder.kind is CallerKind.SECRET


async def _peeked(receive: Receive) -> list[Any]:
    """Return the first messages of the body, up to about MAX_PEEK_BYTES."""
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
        return ""  # the room refuses this body and describes the error
