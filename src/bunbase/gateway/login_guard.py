"""A middleware that limits sign-ins, sign-ups and token refreshes.

The middleware applies LoginLimits before the room is called.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from enum import Enum
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from bunbase.contracts.bunauth.problems import SecondFactorRequired
from bunbase.contracts.caller import CallerKind
from bunbase.contracts.platform import KeyHolder
from bunbase.contracts.tenant_auth.problems import MfaEnrolmentRequired
from bunbase.gateway.credentials import client_ip, project_key
from bunbase.gateway.guards import Guards
from bunbase.gateway.login_limits import DEVELOPERS, Asking, Attempt, Place
from bunbase.pkg.errors import TooLarge

DEVICE_PAGE: Final = "/device"
DEVICE_CODE_PAGE: Final = "/device/code"  # This page asks for the second factor.
INVITE_PAGE: Final = "/invite"
INVITE_CODE_PAGE: Final = "/invite/code"
SIGN_IN_PAGE: Final = "/oauth/sign-in"
SIGN_IN_CODE_PAGE: Final = "/oauth/sign-in/code"
DEVICE_CONTINUE_PAGE: Final = "/device/continue"  # This page follows a sign-in by another service.


class Kind(Enum):
    """The misuse that a route invites. Counts are separate for each pool: a project's users, or the developers."""

    LOGIN = "login"  # failures are counted by the account that the body names, and by address
    SIGN_UP = "sign_up"  # sign-ups are counted by address
    MAIL = "mail"  # anybody may request a mail to any address: counted by IP address, in the same way as sign-ups
    TRADE = "trade"  # the request sends a secret that nobody can guess; these requests are counted by address
    # This is a link that opens a sign-in. Such a link is counted by address, but apart from TRADE, because any page can
    # embed it.
    START = "start"


class Guarded(msgspec.Struct, frozen=True):
    """A route that LoginGuard protects. `accounts`: the fields of the body that may name the account. `form`: true if
    the body is a form, not JSON.

    `any_method`: true if requests without a body count too.
    """

    kind: Kind
    accounts: tuple[str, ...] = ("email",)
    form: bool = False
    any_method: bool = False


LOGIN, SIGN_UP, MAIL, TRADE = (Guarded(kind) for kind in (Kind.LOGIN, Kind.SIGN_UP, Kind.MAIL, Kind.TRADE))
START: Final = Guarded(Kind.START, any_method=True)
FORM_LOGIN: Final = Guarded(Kind.LOGIN, form=True)
FORM_PHONE: Final = Guarded(Kind.LOGIN, accounts=("phone",), form=True)

GUARDED: Final = {
    "/account/forgot-password": MAIL,
    "/account/invite": SIGN_UP,
    "/account/send-verification": MAIL,
    "/account/sign-in/code": TRADE,
    "/account/sign-in/passkey": TRADE,
    "/account/sign-in/return": START,
    "/account/sign-in/with/{provider}": START,
    "/account/sign-up": SIGN_UP,
    "/api/auth/device": TRADE,
    "/api/auth/login": LOGIN,
    "/api/auth/login/passkey/options": TRADE,  # BunAuth and tenant-auth limit the attempts at each account.
    "/api/auth/login/passkey/verify": TRADE,
    "/api/auth/login/second-factor": TRADE,
    "/api/auth/oauth/exchange": TRADE,
    "/api/auth/oauth/{provider}/callback": START,
    "/api/auth/oauth/{provider}/start": START,
    "/api/auth/password-reset": MAIL,
    "/api/auth/refresh": TRADE,
    "/api/auth/register": SIGN_UP,
    "/api/auth/verify-email": MAIL,
    "/api/invites/register": SIGN_UP,
    "/oauth/authorize": START,
    "/oauth/revoke": TRADE,
    "/oauth/token": TRADE,
    DEVICE_CODE_PAGE: TRADE,
    "/invite/continue": TRADE,
    "/invite/open": SIGN_UP,
    "/invite/open-with-service": TRADE,
    "/invite/send": MAIL,
    "/oauth/sign-in/continue": TRADE,
    DEVICE_CONTINUE_PAGE: TRADE,
    DEVICE_PAGE: FORM_LOGIN,
    INVITE_CODE_PAGE: TRADE,
    INVITE_PAGE: FORM_LOGIN,
    SIGN_IN_CODE_PAGE: TRADE,
    SIGN_IN_PAGE: FORM_LOGIN,
    "/v1/auth/anonymous": SIGN_UP,
    "/v1/auth/login": Guarded(Kind.LOGIN, accounts=("email", "phone")),
    "/v1/auth/login/custom-token": TRADE,
    "/v1/auth/login/enrolment": TRADE,
    "/v1/auth/login/enrolment/confirm": TRADE,
    "/v1/auth/login/passkey/options": TRADE,
    "/v1/auth/login/passkey/verify": TRADE,
    "/v1/auth/login/second-factor": TRADE,
    "/v1/auth/oauth/exchange": TRADE,
    "/v1/auth/oauth/{provider}/callback": START,
    "/v1/auth/oauth/{provider}/start": START,
    "/v1/auth/refresh": TRADE,
    "/v1/auth/signup": SIGN_UP,
    "/v1/auth/signup/confirm": TRADE,
    "/v1/auth/token": TRADE,
    "/v1/auth/ui": FORM_LOGIN,
    "/v1/auth/ui/by-email": MAIL,
    "/v1/auth/ui/by-link": START,
    "/v1/auth/ui/by-phone": MAIL,
    "/v1/auth/ui/code": FORM_LOGIN,
    "/v1/auth/ui/enrolment": TRADE,
    "/v1/auth/ui/forgot-password": MAIL,
    "/v1/auth/ui/new-account": SIGN_UP,
    "/v1/auth/ui/new-mail": MAIL,
    "/v1/auth/ui/passkey": TRADE,
    "/v1/auth/ui/phone-code": FORM_PHONE,
    "/v1/auth/ui/passkey/options": TRADE,
    "/v1/auth/ui/return": START,
    "/v1/auth/ui/second-factor": TRADE,
    "/v1/auth/ui/send-verification": MAIL,
    "/v1/auth/ui/with/{provider}": START,
    "/v1/auth/ui/sign-up": TRADE,
    "/v1/auth/ui/verify-email": TRADE,
    "/v1/auth/password-reset": MAIL,
    "/v1/auth/password-reset/confirm": TRADE,
    "/v1/auth/ui/reset-password": TRADE,
    "/v1/auth/email": MAIL,
    "/v1/auth/email/confirm": TRADE,
    "/v1/auth/ui/change-email": TRADE,
    "/v1/auth/code": MAIL,
    "/v1/auth/login/code": LOGIN,
    "/v1/auth/link": MAIL,
    "/v1/auth/login/link": TRADE,
    "/v1/auth/ui/sign-in-link": TRADE,
    "/v1/auth/login/phone": Guarded(Kind.LOGIN, accounts=("phone",)),
    "/v1/auth/phone": MAIL,
    "/v1/auth/phone/change": MAIL,
    "/v1/auth/phone/change/confirm": TRADE,
    "/v1/auth/verify-email": MAIL,
    "/v1/auth/verify-email/confirm": TRADE,
}
# Answers after a right password have these codes.
PASSED: Final = (SecondFactorRequired.code, MfaEnrolmentRequired.code)
# People type a short code. Requests for codes that do not exist are counted by address.
DEVICE_CODES: Final = (
    DEVICE_PAGE,
    DEVICE_CODE_PAGE,
    DEVICE_CONTINUE_PAGE,
    "/api/auth/device/approve",
    "/api/auth/device/deny",
)

OF_DEVELOPERS: Final = ("/api/", "/account/", "/oauth/", DEVICE_PAGE, INVITE_PAGE)
MAX_FIELDS: Final = 20
# Sign-ins are shorter. A longer body is refused, because its account would not be known.
MAX_PEEK_BYTES: Final = 64 << 10


class _Refusal(msgspec.Struct, frozen=True):
    code: str = ""


class LoginGuard:
    """The middleware.

    The middleware runs after routing and compares route templates, so the spelling of a path does not matter.
    """

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
        guarded = GUARDED.get(route)
        if guarded is None or (scope["method"] != "POST" and not guarded.any_method):
            await self.app(scope, receive, send)
        elif guarded.kind is Kind.LOGIN:
            await self._sign_in(request, receive, send, guarded)
        else:
            await self._count(request, guarded.kind)
            await self.app(scope, receive, send)

    async def _sign_in(self, request: Request[Any, Any, Any], receive: Receive, send: Send, guarded: Guarded) -> None:
        holder, ip = await self._holder(request), client_ip(request, self.trusted_proxies)
        messages = await _peeked(receive)
        body = b"".join(message.get("body", b"") for message in messages if message["type"] == "http.request")
        if len(body) > MAX_PEEK_BYTES:
            raise TooLarge(f"Send at most {MAX_PEEK_BYTES:,} bytes.")
        fields = (_form_fields if guarded.form else _json_fields)(body)
        account = next((found for name in guarded.accounts if (found := fields.get(name))), "")
        place = Place(_pool(holder), "" if _speaks_for_many(holder) else ip, account)
        async with self.limits.attempt(place, self._knows(holder, account, ip)) as attempt:
            await self.app(request.scope, _replaying(messages, receive), _failing_sign_in(send, attempt))

    async def _count(self, request: Request[Any, Any, Any], kind: Kind) -> None:
        """Count a request by its address. Raises: RateLimited, InvalidKey, Unreachable."""
        holder, ip = await self._holder(request), client_ip(request, self.trusted_proxies)
        if not _speaks_for_many(holder):
            self._counting(kind)(_pool(holder), ip)

    def _counting(self, kind: Kind) -> Callable[[str, str], None]:
        match kind:
            case Kind.TRADE:
                return self.limits.trade
            case Kind.START:
                return self.limits.start
            case _:
                return self.limits.sign_up

    async def _holder(self, request: Request[Any, Any, Any]) -> KeyHolder | None:
        """Return the project and kind of the key in a request of an end user.

        Return None on the routes of developers, and for a request without a key, which the room refuses.
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
    """Return the messages of the body. If the body has more than MAX_PEEK_BYTES, return only its first messages."""
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
    """True if the answer asks for a second factor, because the password was right. Pages ask with the status 200."""
    try:
        return msgspec.json.decode(body, type=_Refusal).code in PASSED
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


def _form_fields(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=MAX_FIELDS))
    except ValueError:
        return {}  # The room refuses this form and describes the error.


def _json_fields(body: bytes) -> dict[str, str]:
    try:
        found = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}  # The room refuses this body and describes the error.
    return {name: value for name, value in found.items() if isinstance(value, str)}
