"""How a session goes on and ends."""

from __future__ import annotations

from typing import assert_never

from bunbase.contracts.bunauth import InvalidToken, TokenExpired, TokenReused
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth import UserSignedIn
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.sessions import RefreshToken, Standing, opened_pair, standing
from bunbase.tenant_auth.access_tokens import Subject
from bunbase.tenant_auth.service.parts import Parts, keyed_project


class Sessions(Parts):
    async def refresh(self, caller: Caller, refresh_token: str) -> UserSignedIn:
        project, hash, now = keyed_project(caller), fingerprint(refresh_token), self.clock.now()
        while True:
            token = await self.stores.sessions.refresh_token(project, hash)
            if token is None:
                raise InvalidToken
            match standing(token, now, self.settings):
                case Standing.FRESH:
                    person = await self.account(project, token.user_id)
                    subject = Subject(person.user, person.version, token.session, token.claims)
                    pair = await self.new_pair(project, subject, token.session_expires_at, now)
                    if await self.stores.sessions.rotate(project, refresh_token, subject, pair, now):
                        return self.signed_in(person.user, pair)
                    # else a twin of this request was faster, or the user was changed: look again
                case Standing.RETRY:
                    person = await self.account(project, token.user_id)
                    return self.signed_in(person.user, opened_pair(refresh_token, _sealed(token)))
                case Standing.REUSED:
                    await self._end(project, token.session)
                    raise TokenReused("Sign in again; if this was not you, change your password.")
                case Standing.EXPIRED:
                    raise TokenExpired("Sign in again.")
                case Standing.ENDED:
                    raise InvalidToken
                case other:
                    assert_never(other)

    async def logout(self, caller: Caller) -> None:
        await self._end(keyed_project(caller), caller.end_user().session)

    async def _end(self, project: str, session: str) -> None:
        now = self.clock.now()
        await self.stores.sessions.end(project, session, now, self.revoked_until(now))


def _sealed(token: RefreshToken) -> bytes:
    assert token.sealed_pair is not None, "without one it would not stand as a retry"
    return token.sealed_pair
