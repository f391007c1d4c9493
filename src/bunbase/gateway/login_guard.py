"""A middleware that limits sign-ins, sign-ups and token refreshes. It applies LoginLimits before the room is called."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from bunbase.contracts.bunauth.problems import SecondFactorRequired
from bunbase.contracts.caller import CallerKind
from bunbase.contracts.platform import KeyHolder
from bunbase.gateway.credentials import client_ip, project_key
from bunbase.gateway.guards import Guards
from bunbase.gateway.login_limits import DEVELOPERS, Asking, Attempt, Place

DEVELOPERS_LOGIN: Final = "/api/auth/login"
USERS_LOGIN: Final = "/v1/auth/login"
DEVICE_PAGE: Final = "/device"
DEVICE_CODE_PAGE: Final = "/device/code"  # asks for the second factor
INVITE_PAGE: Final = "/invite"
INVITE_CODE_PAGE: Final = "/invite/code"
SIGN_IN_PAGE: Final = "/oauth/sign-in"
SIGN_IN_CODE_PAGE: Final = "/oauth/sign-in/code"
FORM_LOGINS: Final = (DEVICE_PAGE, INVITE_PAGE, SIGN_IN_PAGE)
LOGINS: Final = (DEVELOPERS_LOGIN, USERS_LOGIN, *FORM_LOGINS)
MAILS: Final = ("/api/auth/password-reset", "/api/auth/verify-email")  # anybody may ask for a mail to any address
PAGES: Final = ("/account/forgot-password", "/account/send-verification", "/account/sign-up", "/account/invite")
SIGN_UPS: Final = ("/api/auth/register", "/v1/auth/signup", *MAILS, *PAGES)
DEVICE_CODES: Final = (
    DEVICE_PAGE,
    DEVICE_CODE_PAGE,
    "/api/auth/device/approve",
    "/api/auth/device/deny",
)  # people type a short code
SECOND_STEPS: Final = (
    "/api/auth/login/second-factor",
    "/api/auth/login/passkey/options",
    "/api/auth/login/passkey/verify",
    DEVICE_CODE_PAGE,
    INVITE_CODE_PAGE,
    SIGN_IN_CODE_PAGE,
)  # the room limits the attempts at each account; here they are limited for each address
STARTS: Final = ("/api/auth/oauth/{provider}/start", "/api/auth/oauth/{provider}/callback", "/oauth/authorize")
TRADES: Final = (
    "/api/auth/refresh",
    "/api/auth/oauth/exchange",
    "/api/auth/device",
    "/v1/auth/refresh",
    "/v1/auth/login/custom-token",
    "/v1/auth/token",
    "/oauth/token",
    "/oauth/revoke",
    *SECOND_STEPS,
    *STARTS,
)
OF_DEVELOPERS: Final = ("/api/", "/account/", "/oauth/", *FORM_LOGINS)
MAX_FIELDS: Final = 20
MAX_PEEK_BYTES: Final = 64 << 10  # sign-ins are shorter; a longer body is passed on, and refused for its size there


class _Email(msgspec.Struct, frozen=True):
    email: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    code: str = ""


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
        if route in DEVICE_CODES:
            with self.limits.check(client_ip(request, self.trusted_proxies)) as guess:
                await self._answer(request, receive, _failing(send, guess, 404))
            return
        await self._answer(request, receive, send)

    async def _answer(self, request: Request[Any, Any, Any], receive: Receive, send: Send) -> None:
        scope, route = request.scope, request.scope["path_template"]
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
        body = b"".join(message.get("body", b"") for message in messages if message["type"] == "http.request")
        email = _email_of_form(body) if request.scope["path_template"] in FORM_LOGINS else _email(body)
        place = Place(_pool(holder), "" if _speaks_for_many(holder) else ip, email)
        async with self.limits.attempt(place, self._knows(holder, email, ip)) as attempt:
            await self.app(request.scope, _replaying(messages, receive), _failing_sign_in(send, attempt))

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


def _failing(send: Send, attempt: Attempt, status: int) -> Send:
    """Return a `send` that marks the attempt as failed if the answer has this status."""

    async def watched(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == status:
            attempt.failed = True
        await send(message)

    return watched


def _failing_sign_in(send: Send, attempt: Attempt) -> Send:
    """Return a `send` that marks the attempt as failed if the answer is 401, unless it asks for a second factor."""

    async def watched(message: Message) -> None:
        if message["type"] == "http.response.start":
            attempt.failed = message["status"] == 401
        elif message["type"] == "http.response.body" and attempt.failed:
            attempt.failed = not _has_passed_the_first_step(message["body"])
        await send(message)

    return watched


def _has_passed_the_first_step(body: bytes) -> bool:
    """True if the answer asks for a second factor: the password was right. Pages ask for it with the status 200."""
    try:
        return msgspec.json.decode(body, type=_Refusal).code == SecondFactorRequired.code
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


def _email_of_form(body: bytes) -> str:
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=MAX_FIELDS)).get("email", "")
    except ValueError:
        return ""  # the room refuses this form and describes the error


def _email(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Email).email
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""  # the room refuses this body and describes the error
