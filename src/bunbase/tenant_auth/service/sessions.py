"""How a session goes on and ends."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

import msgspec

from bunbase.contracts.bunauth import InvalidToken, TokenExpired, TokenReused
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth import UserSignedIn
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.sessions import Pair, RefreshToken, Standing, opened_pair, standing
from bunbase.tenant_auth.access_tokens import Subject
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.service.parts import Parts, keyed_project
from bunbase.tenant_auth.store.sessions import StoredToken


class Sessions(Parts):
    async def refresh(self, caller: Caller, refresh_token: str) -> UserSignedIn:
        project, hash, now = keyed_project(caller), fingerprint(refresh_token), self.clock.now()
        while True:
            token = await self.stores.sessions.refresh_token(project, hash)
            if token is None:
                raise InvalidToken
            match standing(token, now, self.settings):
                case Standing.FRESH:
                    person, subject = await self._subject(project, token)
                    pair = await self.new_pair(project, subject, token.session_expires_at, now)
                    if await self.stores.sessions.rotate(project, refresh_token, subject, pair, now):
                        return self.signed_in(person.user, pair)
                    # else a twin of this request was faster, or the user was changed: look again
                case Standing.RETRY:
                    person, subject = await self._subject(project, token)
                    pair = opened_pair(refresh_token, _sealed(token))
                    if pair.version == person.version:
                        return self.signed_in(person.user, pair)
                    pair = await self._with_new_access(project, pair, subject, now)
                    if await self.stores.sessions.alive(project, token.session, person.version, now):
                        return self.signed_in(person.user, pair)
                    # else the session ended, or the user was changed, while it was signed: look again
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

    async def _subject(self, project: str, token: StoredToken) -> tuple[Person, Subject]:
        """Give the user of a refresh token, and of whom the next access token speaks. Raises: Unauthenticated."""
        person = await self.account(project, token.user_id)
        return person, Subject(person.user, person.version, token.session, token.claims)

    async def _with_new_access(self, project: str, pair: Pair, subject: Subject, now: datetime) -> Pair:
        """Give a pair whose access token died with an older version of its user; the refresh token is good still."""
        token, expires_at = await self.access.sign(project, subject, now)
        return msgspec.structs.replace(pair, access_token=token, access_expires_at=expires_at, version=subject.version)

    async def _end(self, project: str, session: str) -> None:
        now = self.clock.now()
        await self.stores.sessions.end(project, session, now, self.revoked_until(now))


def _sealed(token: RefreshToken) -> bytes:
    assert token.sealed_pair is not None, "without one it would not stand as a retry"
    return token.sealed_pair
