"""The part of cookie mode that changes answers. Tokens are in the cookie, and never in the body.

`Callers` stores its findings about cookies in the state of a request (`Noted`). This app reads them when the answer
begins, so routes do not have to handle cookies.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bunbase.contracts.tenant_auth.cookies import CookieMode
from bunbase.gateway.caching import not_stored
from bunbase.gateway.cookie_mode import SIGN_INS, CookieUsers

NOTE: Final = "cookies"  # The scope's state has the findings about cookies under this key.
PARAMETER: Final = "cookies"
WANTED: Final = "1"
REFRESH: Final = "/v1/auth/refresh"
ENDS: Final = frozenset({("POST", "/v1/auth/logout"), ("DELETE", "/v1/auth/me")})
# These routes change the content of the session's tokens, so all processes must ask for new tokens.
CHANGES: Final = frozenset({"/v1/auth/reauthenticate"})
TOKENS: Final = ("access_token", "refresh_token", "expires_in", "token_type")


class Noted(msgspec.Struct):
    """`mode`: the cookie mode of the project. `value`: the cookie that admitted the request; empty if there was none.
    `set_cookie`: the header that replaces this cookie. `wanted`: true if a sign-in must set the cookie.
    """

    project: str
    mode: CookieMode
    value: str = ""
    set_cookie: str = ""
    wanted: bool = False


class CookieAnswersApp:
    def __init__(self, app: Any, users: CookieUsers) -> None:
        self.app = app
        self.users = users

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, _Answer(self.users, scope, send).send if scope["type"] == "http" else send)


class _Answer:
    """The answer to one request. If the body has tokens, the message `start` waits for the body."""

    def __init__(self, users: CookieUsers, scope: Any, send: Any) -> None:
        self.users = users
        self.scope = scope
        self.pass_on = send
        self.start: Any = None
        self.body = b""

    async def send(self, message: Any) -> None:
        note: Noted | None = self.scope.get("state", {}).get(NOTE)
        if note is None:
            await self.pass_on(message)
        elif message["type"] == "http.response.start":
            await self._begin(message, note)
        elif self.start is not None:
            self.body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._end(note)
        else:
            await self.pass_on(message)

    async def _begin(self, message: Any, note: Noted) -> None:
        route, good = self.scope.get("path_template", ""), message["status"] < 300
        if good and (self.scope["method"], route) in ENDS and note.value:
            note.set_cookie = self.users.removal(note.project)
        if message["status"] == 401 and route == REFRESH and note.value:
            note.set_cookie = self.users.removal(note.project)
        if good and message["status"] != 204 and (note.wanted or (note.value and route in SIGN_INS | CHANGES)):
            self.start = message
            return
        _add(message, note.set_cookie)
        await self.pass_on(message)

    async def _end(self, note: Noted) -> None:
        """Send the answer without its tokens, and with the cookie."""
        body = msgspec.json.decode(self.body)
        if "refresh_token" in body:
            note.set_cookie = self.users.header(note.project, body["refresh_token"], note.mode)
        elif "access_token" in body:
            note.set_cookie = await self.users.replaced(note.project, note.value, note.mode)
        for name in TOKENS:
            body.pop(name, None)
        encoded = msgspec.json.encode(body)
        kept = [(name, value) for name, value in self.start["headers"] if name.lower() != b"content-length"]
        self.start["headers"] = [*kept, (b"content-length", str(len(encoded)).encode())]
        _add(self.start, note.set_cookie)
        await self.pass_on(self.start)
        await self.pass_on({"type": "http.response.body", "body": encoded})


def _add(message: Any, set_cookie: str) -> None:
    if set_cookie:
        sent = [(str(name, "latin-1").lower(), str(value, "latin-1")) for name, value in message.get("headers", ())]
        headers = (*not_stored(sent), ("set-cookie", set_cookie))
        message["headers"] = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
