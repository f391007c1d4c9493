"""Cookie mode: a browser holds the session of an end user in a cookie, and the gateway exchanges the cookie for access
tokens.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class CookieMode(msgspec.Struct, frozen=True):
    """The cookie mode of a project.

    `origins`: the pages that may use the cookie; empty if the project has no cookie mode.

    `seconds`: the lifetime of a cookie that is not used.
    """

    allowed: bool = False
    origins: frozenset[str] = frozenset()
    seconds: int = 0


class CookieAccess(msgspec.Struct, frozen=True):
    """The access token for a cookie. `cookie`: the new value of the cookie; empty if the browser keeps the present
    value.

    `seconds`: the time after which the gateway should call again.
    """

    access_token: str
    cookie: str
    seconds: int


class UserCookies(Protocol):
    """Only the gateway calls these methods. The value of a cookie is the refresh token of its session."""

    async def cookie_mode(self, project: str) -> CookieMode: ...

    async def is_cookie_origin(self, origin: str) -> bool:
        """True if a project with cookie mode allows pages of this origin.

        The answer to a preflight depends on this result.
        """
        ...

    async def cookie_access(self, project: str, cookie: str, anew: bool) -> CookieAccess:
        """Return an access token for a cookie.

        A cookie that is as old as the lifetime of an access token is replaced.

        `anew`: true to replace the cookie now. The old cookie returns the same new cookie until the new cookie is used.
        Raises: InvalidToken, TokenExpired, TokenReused, Unauthenticated.
        """
        ...
