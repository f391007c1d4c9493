"""Refresh and end sessions. `tenant_auth/service/sessions.py` describes the life of one refresh."""

from __future__ import annotations

from typing import assert_never

from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.session_tokens import SessionTokens
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.problems import InvalidToken, TokenExpired, TokenReused
from bunbase.contracts.caller import Caller
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.sessions import Standing, knows_address, standing


class Sessions:
    def __init__(self, stores: Stores, tokens: SessionTokens) -> None:
        self.stores = stores
        self.tokens = tokens
        self.clock = tokens.clock

    async def refresh(self, refresh_token: str) -> SignedIn:
        """Trade a refresh token for a new pair. Raises: InvalidToken, TokenExpired, TokenReused."""
        hash, now = fingerprint(refresh_token), self.clock.now()
        while True:
            token = await self.stores.sessions.refresh_token(hash)
            if token is None:
                raise InvalidToken
            match standing(token, now, self.tokens.settings):
                case Standing.FRESH:
                    account = await self.stores.accounts.existing(token.user_id)
                    pair = self.tokens.new_pair(account, token.session, token.session_expires_at, now)
                    if await self.stores.sessions.rotate(hash, now, pair, refresh_token):
                        return self.tokens.answer(account, pair)
                    # else a parallel request has used the token: look again, and return the pair of that request
                case Standing.RETRY:
                    account = await self.stores.accounts.existing(token.user_id)
                    return self.tokens.answer(account, token.traded_for(refresh_token))
                case Standing.REUSED:
                    await self._end(token.session)
                    raise TokenReused("Sign in again; if this was not you, change your password.")
                case Standing.EXPIRED:
                    raise TokenExpired("Sign in again.")
                case Standing.ENDED:
                    raise InvalidToken
                case other:
                    assert_never(other)

    async def end_own(self, caller: Caller) -> None:
        """End the session that the caller's access token belongs to."""
        await self._end(with_session(caller, "it belongs to no session; delete the token instead").session)

    async def knows_address(self, email: str, ip: str) -> bool:
        return await knows_address(email, ip, self.stores.sessions.addresses)

    async def _end(self, session: str) -> None:
        now = self.clock.now()
        await self.stores.sessions.end(session, now, await self.tokens.revoked_until(now))
