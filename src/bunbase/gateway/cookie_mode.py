"""Cookie mode: turn the cookie of an end user into an access token, and replace the cookie when it is due.

    Browser             Gateway                           tenant-auth
     │ bb_<project>      │ cookie → access token, cached    │
     ├─────────────────▶│ not cached: once per process ───▶│ an access token, and perhaps the next cookie
     │◀─ Set-Cookie ─────┤ the room is called as with Bearer

Each process may ask separately: until the next cookie is used, the old cookie returns the same next cookie
(`tenant_auth/service/cookies.py`). The access token is checked like any other token, so a revocation takes effect
within a second.

Hard place: only tenant-auth knows whether a session has ended. While the keys of a project are replaced, tenant-auth
may issue a token that this gateway refuses. Before, all users who were active at that moment lost their cookies. Now
the gateway reads the keys again and asks once more. If it still refuses the token, it answers 503, and the browser
keeps its cookie.
"""

from __future__ import annotations

from functools import partial
from typing import Final
from urllib.parse import urlsplit

import msgspec

from bunbase.contracts.bunauth.problems import InvalidToken, TokenExpired, TokenReused
from bunbase.contracts.caller import EndUser
from bunbase.contracts.tenant_auth.cookies import CookieAccess, CookieMode
from bunbase.gateway.caching import NOT_STORED
from bunbase.gateway.cookie_requests import SentCookies, is_plausible
from bunbase.gateway.identity import Identity, in_time
from bunbase.gateway.login_limits import LoginLimits
from bunbase.gateway.project_hosts import FUNCTIONS
from bunbase.pkg.cache import Cache
from bunbase.pkg.errors import Problem, Unauthenticated, Unreachable
from bunbase.pkg.modules import Site
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.shared_calls import SharedCalls
from bunbase.pkg.web_pages.serving import cookie_header

ENDED: Final = (InvalidToken, TokenExpired, TokenReused, Unauthenticated)
MODES_SECONDS: Final = 60.0
ORIGINS_SECONDS: Final = 10.0
MAX_SECONDS: Final = 86400.0
ATTEMPTS: Final = 2  # The gateway asks at most this often for a token that it accepts.

SIGN_INS: Final = frozenset(
    {
        "/v1/auth/anonymous",
        "/v1/auth/login",
        "/v1/auth/login/code",
        "/v1/auth/login/custom-token",
        "/v1/auth/login/enrolment/confirm",
        "/v1/auth/login/link",
        "/v1/auth/login/passkey/verify",
        "/v1/auth/login/phone",
        "/v1/auth/login/second-factor",
        "/v1/auth/oauth/exchange",
        "/v1/auth/refresh",
        "/v1/auth/signup",
        "/v1/auth/signup/confirm",
    }
)

Key = tuple[str, bytes]  # The project, and the hash of the cookie.


class CookieModeOff(Problem):
    status, code, title = 403, "cookie_mode_off", "This project has no cookie mode"


class CookieEnded(Unauthenticated):
    """The session of a cookie has ended. The answer removes the cookie. `set_cookie`: the header that removes it."""

    status, code, title = 401, "cookie_ended", "The session of this cookie has ended"

    def __init__(self, set_cookie: str = "") -> None:
        super().__init__("Sign in again.")
        self.set_cookie = set_cookie

    def headers(self) -> dict[str, str]:
        removal = dict((NOT_STORED, ("set-cookie", self.set_cookie))) if self.set_cookie else {}
        return super().headers() | removal


class ByCookie(msgspec.Struct, frozen=True):
    """A user who was found by a cookie, or None if its session has ended and the route continues without a user.
    `set_cookie`: the header of the answer, if the cookie is replaced or removed."""

    user: EndUser | None
    set_cookie: str = ""


class CookieUsers:
    """Finds users by cookies. Both lanes use one object."""

    def __init__(self, identity: Identity, limits: LoginLimits, site: Site, size: int) -> None:
        self.identity = identity
        self.tenant_auth = identity.tenant_auth
        self.limits = limits
        self.site = site
        self.public_url = site.public_url
        self.own = own_origin(site.public_url)
        self.modes: Cache[str, CookieMode] = Cache(size, MODES_SECONDS)
        self.origins: Cache[str, bool] = Cache(size, ORIGINS_SECONDS)
        self.held: Cache[Key, CookieAccess] = Cache(size, MAX_SECONDS)
        self.asking: SharedCalls[Key, CookieAccess] = SharedCalls()
        identity.on_settings.append(self._forget_mode)

    def known_mode(self, project: str) -> CookieMode | None:
        """Return the cookie mode of a project if it is cached, else None."""
        return self.modes.get(project) if self.identity.ended_user_sessions.live() else None

    async def mode(self, project: str) -> CookieMode:
        """Return the cookie mode of a project. Raises: Unreachable."""
        known = self.known_mode(project)
        if known is None:
            epoch = self.identity.epoch
            known = await in_time(self.tenant_auth.cookie_mode(project))
            if epoch == self.identity.epoch:
                self.modes.put(project, known)
        return known

    async def is_origin(self, origin: str) -> bool:
        """True if any project with cookie mode allows pages of this origin. Raises: Unreachable."""
        known = self.origins.get(origin)
        if known is None:
            known = await in_time(self.tenant_auth.is_cookie_origin(origin))
            self.origins.put(origin, known)
        return known

    async def shares(self, project: str, origin: str) -> bool:
        """True if pages of this origin may read the responses to requests with the cookie. Raises: Unreachable."""
        return origin in (await self.mode(project)).origins

    def known_user(self, project: str, sent: SentCookies) -> EndUser | None:
        """Return the user of the cookie if everything is cached, and the answer needs no new cookie; else None."""
        mode = self.known_mode(project)
        value = sent.value(project, self.public_url) if mode and mode.allowed else ""
        held = self.held.get((project, fingerprint(value))) if value else None
        if mode is None or held is None or held.cookie:
            return None
        self.check_page(mode, sent)
        return self.identity.known_user(project, held.access_token)

    async def user(self, project: str, sent: SentCookies, ip: str, route: str, own_host: str = "") -> ByCookie | None:
        """Return the user of the project's cookie, or None if there is no cookie that counts.

        `route`: on routes where people sign in or where functions show pages, a cookie whose session has ended is
        ignored, so the function can show its own page. `own_host`: the project's host, if the request was sent to it.
        Raises: CookieEnded, CsrfRefused, Malformed, RateLimited, Unreachable.
        """
        value = sent.value(project, self.public_url)
        if not value:
            return None
        mode = await self.mode(project)
        if not mode.allowed:
            return None
        self.check_page(mode, sent, own_host)
        try:
            access, user = await self._user_of(project, value, ip)
        except ENDED:
            if route in SIGN_INS or route.startswith(FUNCTIONS):
                return ByCookie(None, self.removal(project))
            raise CookieEnded(self.removal(project)) from None
        return ByCookie(user, self.header(project, access.cookie, mode) if access.cookie else "")

    def check_page(self, mode: CookieMode, sent: SentCookies, own_host: str = "") -> None:
        """Check that a page of the app has sent the request. Raises: CsrfRefused."""
        sent.check_page(self._pages(mode, own_host))

    async def check_sign_in(self, project: str, sent: SentCookies, own_host: str = "") -> CookieMode:
        """Check that a sign-in may set the cookie. A request without an Origin does not come from a browser.

        Raises: CookieModeOff, CsrfRefused, Unreachable.
        """
        mode = await self.mode(project)
        if not mode.allowed:
            raise CookieModeOff("A member of the project turns it on with the setting auth.cookies.")
        if sent.origin:
            sent.check_origin(self._pages(mode, own_host))
        return mode

    async def replaced(self, project: str, value: str, mode: CookieMode) -> str:
        """Return the header that replaces a cookie now, because the content of its session has changed."""
        try:
            access = await in_time(self.tenant_auth.cookie_access(project, value, True))
        except ENDED:
            return self.removal(project)
        self.held.drop((project, fingerprint(value)))
        return self.header(project, access.cookie or value, mode)

    def header(self, project: str, value: str, mode: CookieMode) -> str:
        """Return the Set-Cookie header with a new value."""
        return cookie_header(project, value, mode.seconds, self.site)

    def removal(self, project: str) -> str:
        return cookie_header(project, "", 0, self.site)

    def _pages(self, mode: CookieMode, own_host: str) -> frozenset[str]:
        """Return the origins of the pages that may use the cookie: the origins of the app, and of this host."""
        own = f"{self.own.partition('://')[0]}://{own_host}" if own_host else self.own
        return mode.origins | {own}

    async def _user_of(self, project: str, value: str, ip: str) -> tuple[CookieAccess, EndUser]:
        """Return the access token of a cookie, and its user.

        Raises: a class in ENDED, only if tenant-auth says that the session has ended; RateLimited, Unreachable.
        """
        if not is_plausible(value):
            raise InvalidToken
        key = (project, fingerprint(value))
        held = self.held.get(key)
        if held is not None:
            try:
                return held, await self.identity.end_user(project, held.access_token)
            # A change of the user has revoked this token, or the session has ended.
            except (InvalidToken, TokenExpired):
                self.held.drop(key)
        for _ in range(ATTEMPTS):
            held = await self.limits.look_up(
                ip, value, partial(self.asking.result, key, partial(self._ask, key, value))
            )
            try:
                return held, await self.identity.end_user(project, held.access_token)
            except (InvalidToken, TokenExpired):
                self.held.drop(key)
                self.identity.user_keys.forget(project)
        raise Unreachable("The keys of this project are being replaced.")

    async def _ask(self, key: Key, value: str) -> CookieAccess:
        access = await in_time(self.tenant_auth.cookie_access(key[0], value, False))
        self.held.put(key, access, access.seconds)
        return access

    def _forget_mode(self, project: str) -> None:
        self.modes.drop(project)
        self.origins.clear()


def own_origin(public_url: str) -> str:
    """Return the origin of the pages of this installation."""
    parts = urlsplit(public_url)
    return f"{parts.scheme}://{parts.netloc.lower()}"
