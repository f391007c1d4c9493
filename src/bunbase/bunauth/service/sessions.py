"""List, refresh and end sessions. `pkg/sessions.py` has the rules.

`tenant_auth/service/sessions.py` describes the life of one refresh.
"""

from __future__ import annotations

from typing import assert_never

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.session_tokens import SessionTokens
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.accounts import Account, AccountSessions, SignedIn
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.bunauth.problems import InvalidToken, SessionNotFound, TokenExpired, TokenReused
from bunbase.contracts.bunauth.tokens import FirstUse
from bunbase.contracts.caller import Caller, Developer
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.sessions import Pair, Standing, knows_address, standing

ALL, OTHERS = "all", "others"  # These values may replace the id of one session.


class Sessions:
    def __init__(self, stores: Stores, tokens: SessionTokens) -> None:
        self.stores = stores
        self.tokens = tokens
        self.clock = tokens.clock

    async def refresh(self, caller: Caller, refresh_token: str) -> SignedIn:
        """Exchange a refresh token for a new pair. Raises: InvalidToken, TokenExpired, TokenReused."""
        return self.tokens.answer(*await self.trade(caller, refresh_token, self.tokens))

    async def trade(
        self, caller: Caller, refresh_token: str, tokens: SessionTokens, client: str = ""
    ) -> tuple[Account, Pair]:
        """Return the account and the new pair. `tokens`: the object that makes the pair.

        `client`: the OpenID Connect client that has the session, or "" for a person's own session. Raises:
        InvalidToken, TokenExpired, TokenReused.
        """
        hash, now = fingerprint(refresh_token), self.clock.now()
        while True:
            token = await self.stores.sessions.refresh_token(hash, client)
            if token is None:
                raise InvalidToken
            session = token.session
            match standing(token, now, tokens.settings):
                case Standing.FRESH:
                    account, generation = await self.stores.accounts.existing(token.user_id), token.generation + 1
                    pair = tokens.new_pair(account, session, generation, token.session_expires_at, now)
                    if await self.stores.sessions.rotate(hash, now, pair, refresh_token):
                        return account, pair
                    # Otherwise a parallel request has used the token. The next attempt returns the pair of that
                    # request.
                case Standing.RETRY:
                    account = await self.stores.accounts.existing(token.user_id)
                    pair = token.traded_for(refresh_token)
                    return account, tokens.with_living_access(pair, account, token, now)
                case Standing.REUSED:
                    await self.end_of(caller, token.user_id, session, ActivityMethod.TOKEN_REUSED)
                    raise TokenReused("Sign in again; if this was not you, change your password.")
                case Standing.EXPIRED:
                    raise TokenExpired("Sign in again.")
                case Standing.ENDED:
                    raise InvalidToken
                case other:
                    assert_never(other)

    async def note_first_uses(self, uses: tuple[FirstUse, ...]) -> None:
        """Record the first use of access tokens.

        The refresh tokens from before these tokens then no longer return a pair.
        """
        now = self.clock.now()
        for use in uses:
            await self.stores.sessions.note_use(use.session, use.generation, now)

    async def list_own(self, caller: Caller, limit: int, cursor: str | None) -> AccountSessions:
        """Return the account's open sessions, newest first. Raises: InvalidCursor, Forbidden."""
        developer = _with_session(caller)
        query = f"sessions:{developer.id}"
        before = page_start(query, cursor, str, "")
        found = await self.stores.sessions.page(developer.id, developer.session, self.clock.now(), before, limit + 1)
        page, next = cut_page(found, limit, query, lambda session: session.id)
        return AccountSessions(tuple(page), next)

    async def end_own(self, caller: Caller) -> None:
        """End the session that the caller's access token belongs to."""
        developer = with_session(caller, "it belongs to no session; delete the token instead")
        await self._end(caller, developer.id, developer.session, Happened(Activity.SIGN_OUT))

    async def end_one(self, caller: Caller, id: str) -> None:
        """End a session of the account. Raises: SessionNotFound, Forbidden."""
        if not await self._end(caller, _with_session(caller).id, id, Happened(Activity.SESSION_END, target=id)):
            raise SessionNotFound

    async def end_all(self, caller: Caller, keep_current: bool) -> None:
        """End all sessions of the account. `keep_current`: the caller's own session stays open."""
        developer, now = _with_session(caller), self.clock.now()
        keep = developer.session if keep_current else ""
        ended = Happened(Activity.SESSION_END, target=OTHERS if keep_current else ALL)
        async with self.stores.db.transaction():
            await self.stores.sessions.end_all(developer.id, now, await self.tokens.revoked_until(now), keep)
            await self.tokens.activity.add(caller, developer.id, ended)

    async def end_of_token(self, access_token: str) -> None:
        """End the session of an access token that this process has just signed."""
        claims, now = self.tokens.access.claims(access_token), self.clock.now()
        await self.stores.sessions.end(claims["sub"], claims["sid"], now, await self.tokens.revoked_until(now))

    async def end_of(self, caller: Caller, user: str, session: str, why: ActivityMethod) -> None:
        """End a session of an account on behalf of the server. Idempotent."""
        await self._end(caller, user, session, Happened(Activity.SESSION_END, why, session))

    async def knows_address(self, email: str, ip: str) -> bool:
        return await knows_address(email, ip, self.stores.sessions.addresses)

    async def _end(self, caller: Caller, user: str, session: str, happened: Happened) -> bool:
        """End a session. Return False and store nothing if the account has no such open session."""
        now = self.clock.now()
        until = await self.tokens.revoked_until(now)
        async with self.stores.db.transaction():
            ended = await self.stores.sessions.end(user, session, now, until)
            if ended:
                await self.tokens.activity.add(caller, user, happened)
            return ended


def _with_session(caller: Caller) -> Developer:
    return with_session(caller, "it cannot see or end sessions: sign in")
