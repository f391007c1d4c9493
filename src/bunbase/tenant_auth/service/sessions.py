"""How a session goes on and ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final, assert_never

from bunbase.contracts.bunauth import InvalidToken, Jwks, TokenExpired, TokenReused
from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.contracts.tenant_auth import User, UserSignedIn
from bunbase.pkg.errors import Unauthenticated
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.sessions import RefreshToken, Standing, opened_pair, standing
from bunbase.tenant_auth.access_tokens import Subject
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.profiles import check_data
from bunbase.tenant_auth.service.parts import Parts, keyed_project

KEEP: Final = timedelta(days=1)  # what is over stays a day, so that a late client hears why it was refused


class Sessions(Parts):
    async def refresh(self, caller: Caller, refresh_token: str) -> UserSignedIn:
        project, hash, now = keyed_project(caller), fingerprint(refresh_token), self.clock.now()
        while True:
            token = await self.stores.sessions.refresh_token(project, hash)
            if token is None:
                raise InvalidToken
            match standing(token, now, self.settings):
                case Standing.FRESH:
                    person = await self._person(project, token.user_id)
                    subject = Subject(person.user, person.version, token.session, token.claims)
                    pair = await self.new_pair(project, subject, token.session_expires_at, now)
                    if await self.stores.sessions.rotate(project, refresh_token, subject, pair, now):
                        return self.signed_in(person.user, pair)
                    # else a twin of this request was faster, or the user was changed: look again
                case Standing.RETRY:
                    person = await self._person(project, token.user_id)
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

    async def me(self, caller: Caller) -> User:
        return (await self._person(keyed_project(caller), caller.end_user().uid)).user

    async def update_me(self, caller: Caller, data: dict[str, Any]) -> User:
        check_data(data)
        user = await self.stores.users.update_data(keyed_project(caller), caller.end_user().uid, data)
        if user is None:
            raise _gone()
        return user

    async def jwks(self, project: str) -> Jwks:
        return await self.access.jwks(project)

    async def session_alive(self, project: str, session: str, version: int) -> bool:
        return await self.stores.sessions.alive(project, session, version, self.clock.now())

    async def drop_project(self, project: str) -> None:
        self.access.forget(project)
        await self.stores.users.drop_project(project)

    async def revocations(self) -> AsyncIterator[Revocation]:
        async for told in self.stores.feed.follow(Revocation(RevokedKind.READY), Revocation(RevokedKind.ALIVE)):
            yield told

    async def forget_pairs(self) -> None:
        """Delete what used refresh tokens were traded for, once no retry may ask for it."""
        await self.stores.sessions.forget_pairs(self.clock.now() - timedelta(seconds=self.settings.reuse_grace_seconds))

    async def forget(self) -> None:
        """Delete what nobody needs any more: old revocations, sessions and tokens that were over a day ago."""
        await self.stores.feed.forget()
        await self.stores.sessions.delete_over(self.clock.now() - KEEP)

    async def _person(self, project: str, id: str) -> Person:
        person = await self.stores.users.by_id(project, id)
        if person is None:
            raise _gone()
        return person

    async def _end(self, project: str, session: str) -> None:
        now = self.clock.now()
        await self.stores.sessions.end(project, session, now, self.revoked_until(now))


def _gone() -> Unauthenticated:
    return Unauthenticated("This account is no more.")


def _sealed(token: RefreshToken) -> bytes:
    assert token.sealed_pair is not None, "without one it would not stand as a retry"
    return token.sealed_pair
