"""Cookie mode: exchange the value of a cookie, which is a refresh token, for access tokens.

An app replaces its refresh token at each use. But a browser sends its cookie with each request, to any process of the
installation. So a cookie may be used many times. BunBase replaces it when it reaches the age at which an access token
expires. A cookie is in one of these states:

    young          return an access token of the same generation; the cookie stays
    old            return a new cookie, stored with the same statement as in `Sessions.refresh`
    replaced       return the same new cookie again until it has been used, because the earlier answer may be lost
    just replaced  the new cookie was used, but requests with the old cookie may still arrive for ten seconds
    reused         two parties have the cookie: the session ends

The generation of an access token is the generation of the cookie in the request. So when the gateway reports the
first use of the token, this only proves that the browser has this cookie, and not that it has received the next cookie.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bunbase.contracts.bunauth.problems import InvalidToken, TokenExpired, TokenReused
from bunbase.contracts.tenant_auth.cookies import CookieAccess, CookieMode
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.sessions import Standing, standing
from bunbase.tenant_auth.access_tokens import Subject
from bunbase.tenant_auth.cookie_origins import cookie_origins
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.session_tokens import REFRESH
from bunbase.tenant_auth.service.sessions import Sessions
from bunbase.tenant_auth.store.sessions import StoredToken

EARLY_SECONDS: Final = 60  # A cookie is replaced this long before an access token of the same age expires.


class Cookies:
    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.stores = sessions.stores
        self.pools = sessions.pools
        self.tokens = sessions.tokens
        self.clock = sessions.clock

    async def mode(self, project: str) -> CookieMode:
        pool = await self.pools.of(project)
        if not pool.auth.cookies:
            return CookieMode()
        return CookieMode(True, cookie_origins(pool.auth), pool.lifetimes.refresh_ttl_seconds)

    async def is_origin(self, origin: str) -> bool:
        return await self.stores.settings.has_cookie_origin(origin)

    async def access(self, project: str, cookie: str, anew: bool) -> CookieAccess:
        """Return an access token for a cookie. Raises: InvalidToken, TokenExpired, TokenReused, Unauthenticated."""
        hash, now, pool = fingerprint(cookie), self.clock.now(), await self.pools.of(project)
        if not pool.auth.cookies:
            raise InvalidToken("This app has no cookie mode any more. Sign in again.")
        while True:
            token = await self.stores.sessions.refresh_token(project, hash)
            if token is None:
                raise InvalidToken
            found = await self._found(pool, cookie, token, now, anew)
            if found is not None:
                return found
            # Otherwise a parallel request used the cookie, the session ended, or the user was changed, so the next
            # attempt follows.

    async def _found(
        self, pool: Pool, cookie: str, token: StoredToken, now: datetime, anew: bool
    ) -> CookieAccess | None:
        match standing(token, now, pool.lifetimes):
            case Standing.FRESH if not anew and now < _old_at(pool, token):
                return await self._same(pool, token, now, _old_at(pool, token))
            case Standing.FRESH:
                return await self._next(pool, cookie, token, now)
            case Standing.RETRY:
                return await self._again(pool, cookie, token, now)
            case Standing.REUSED if _just_replaced(pool, token, now):
                return await self._same(pool, token, now, now + _grace(pool))
            case Standing.REUSED:
                await self.sessions.end_stolen(pool.project, token)
                raise TokenReused("Sign in again; if this was not you, change your password.")
            case Standing.EXPIRED:
                raise TokenExpired("Sign in again.")
            case _:
                raise InvalidToken

    async def _same(self, pool: Pool, token: StoredToken, now: datetime, until: datetime) -> CookieAccess | None:
        """Return an access token, and keep the cookie."""
        _, subject = await self.sessions.subject(pool, token, token.generation)
        access = await self.tokens.new_access(pool, subject, token.session_expires_at, now, REFRESH)
        return await self._if_open(pool, subject, now, access.access_token, "", min(until, _early(pool, now)))

    async def _next(self, pool: Pool, cookie: str, token: StoredToken, now: datetime) -> CookieAccess | None:
        _, subject = await self.sessions.subject(pool, token, token.generation)
        pair = await self.tokens.new_pair(pool, subject, token.session_expires_at, now)
        if not await self.stores.sessions.rotate(pool.project, cookie, subject, pair, now):
            return None
        return CookieAccess(pair.access_token, pair.refresh_token, _seconds(now, _early(pool, now)))

    async def _again(self, pool: Pool, cookie: str, token: StoredToken, now: datetime) -> CookieAccess | None:
        """Return the cookie that has replaced this cookie."""
        person, subject = await self.sessions.subject(pool, token, token.generation)
        pair = token.traded_for(cookie)
        if not await self.tokens.lives(pool.project, pair, person, now):
            pair = await self.tokens.with_new_access(pool, pair, subject, token, now)
        until = datetime.fromtimestamp(pair.access_expires_at, now.tzinfo) - _margin(pool)
        return await self._if_open(pool, subject, now, pair.access_token, pair.refresh_token, until)

    async def _if_open(
        self, pool: Pool, subject: Subject, now: datetime, access: str, cookie: str, until: datetime
    ) -> CookieAccess | None:
        """Return the answer, or None if the session ended or the user was changed while BunKMS signed."""
        if not await self.stores.sessions.alive(pool.project, subject.session, subject.version, now):
            return None
        return CookieAccess(access, cookie, _seconds(now, until))


def _old_at(pool: Pool, token: StoredToken) -> datetime:
    """Return the time at which a cookie is replaced.

    Cookies of older releases have no age, and are replaced at once.
    """
    issued = token.issued_at
    return datetime.min.replace(tzinfo=token.expires_at.tzinfo) if issued is None else _early(pool, issued)


def _early(pool: Pool, issued: datetime) -> datetime:
    """Return the time shortly before the expiry of an access token that was made at `issued`."""
    return issued + timedelta(seconds=pool.lifetimes.access_ttl_seconds) - _margin(pool)


def _margin(pool: Pool) -> timedelta:
    return timedelta(seconds=min(EARLY_SECONDS, pool.lifetimes.access_ttl_seconds // 2))


def _grace(pool: Pool) -> timedelta:
    return timedelta(seconds=pool.lifetimes.reuse_grace_seconds)


def _just_replaced(pool: Pool, token: StoredToken, now: datetime) -> bool:
    """True if the next cookie was first used a moment ago. The browser may have sent this cookie before that."""
    return (
        token.session_ended_at is None and token.child_used_at is not None and now < token.child_used_at + _grace(pool)
    )


def _seconds(now: datetime, until: datetime) -> int:
    return max(1, int((until - now).total_seconds()))
