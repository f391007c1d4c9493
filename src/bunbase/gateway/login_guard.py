"""Stands before the two sign-in routes: refuses when too many passwords were wrong, and counts the wrong ones."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bunbase.gateway.credentials import KEY_HEADER, client_ip
from bunbase.gateway.frame import App, Message, Receive, Scope, Send
from bunbase.gateway.login_limits import LoginLimits
from bunbase.gateway.problems import MEDIA_TYPE
from bunbase.pkg import context
from bunbase.pkg.errors import RateLimited
from bunbase.pkg.opaque import fingerprint

POOLS: Final = {"/api/auth/login": "developers", "/v1/auth/login": "users"}
MAX_PEEK_BYTES: Final = 64 << 10  # no sign-in is longer; what is goes on unread and is refused for its size


class _Email(msgspec.Struct, frozen=True):
    email: str = ""


class LoginGuard:
    def __init__(self, app: App, limits: LoginLimits, trusted_proxies: tuple[str, ...]) -> None:
        self.app = app
        self.limits = limits
        self.trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pool = POOLS.get(scope["path"]) if scope["method"] == "POST" else None
        if pool is None:
            await self.app(scope, receive, send)
            return
        messages = await _peeked(receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        who = (
            f"{pool}:{fingerprint(headers.get(KEY_HEADER, '')).hex()[:16]}",
            client_ip((scope.get("client") or ("",))[0], headers, self.trusted_proxies),
            _email(b"".join(message.get("body", b"") for message in messages)),
        )
        try:
            await self.limits.check(*who)
        except RateLimited as limited:
            scope["path_template"] = scope["path"]
            await _refuse(send, limited)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                await self.limits.failed(*who)
            await send(message)

        await self.app(scope, _replaying(messages, receive), counted)


async def _peeked(receive: Receive) -> list[Message]:
    """Read the body up to a bound; give the messages that held it."""
    messages, size = [], 0
    while size <= MAX_PEEK_BYTES:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            break
    return messages


def _replaying(messages: list[Message], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def replay() -> Message:
        return next(waiting, None) or await receive()

    return replay


def _email(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Email).email
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""  # the room will say what is wrong with it


async def _refuse(send: Send, problem: RateLimited) -> None:
    body = msgspec.json.encode(problem.body(context.request_id.get()))
    headers: list[Any] = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in problem.headers().items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
