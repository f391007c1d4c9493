"""How a session begins: by a password, or by a custom token of the project's own server."""

from __future__ import annotations

from typing import Any, Final

from bunbase.contracts.bunauth import InvalidCredentials, InvalidToken
from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.tenant_auth import CustomToken, User, UserBanned, UserSignedIn
from bunbase.pkg import metrics
from bunbase.pkg.addresses import email_or_none, normal_email
from bunbase.pkg.ids import new_id
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.profiles import check_claims, check_data
from bunbase.tenant_auth.service.parts import Parts, existing, keyed_project, managed_project

POOL: Final = "users"  # as metrics call it
ROLE: Final = "user"  # of everyone who signs up; other roles are given by the server


class SigningIn(Parts):
    async def signup(self, caller: Caller, email: str, password: str, data: dict[str, Any]) -> UserSignedIn:
        project, email = keyed_project(caller), normal_email(email)
        check_data(data)
        async with self.places.one(project):
            hash = await self.passwords.hash(project, password)
            person = Person(User(new_id("usr"), email, False, ROLE, {}, data, self.clock.now()), hash)
            # signed first: a project whose key was destroyed must not get another user
            new = await self.new_session(caller, person, {})
            await self.stores.users.add_signed_in(project, person, new)
        return self.signed_in(person.user, new.pair)

    async def login(self, caller: Caller, email: str, password: str) -> UserSignedIn:
        project, normal = keyed_project(caller), email_or_none(email)
        while True:
            found = None if normal is None else await self.stores.users.by_email(project, normal)
            person = await self._proven(project, found, password)
            new = await self.new_session(caller, person, {})
            if await self.stores.sessions.add(project, new):
                return self.signed_in(person.user, new.pair)
            # else the user was changed meanwhile: the password is to be checked again, and perhaps refused

    async def login_with_custom_token(self, caller: Caller, token: str) -> UserSignedIn:
        project = keyed_project(caller)
        voucher = await self.access.read_custom(project, token, self.clock.now())
        while True:
            person = await self.stores.users.by_id(project, voucher.uid)
            if person is None:
                raise InvalidToken("The user whom this token would sign in is no more.")
            _refuse_banned(person)
            new = await self.new_session(caller, person, voucher.claims)
            if await self.stores.sessions.add_by(project, voucher, new):
                return self.signed_in(person.user, new.pair)

    async def custom_token(self, caller: Caller, uid: str, claims: dict[str, Any]) -> CustomToken:
        project = managed_project(caller, Role.DEVELOPER)
        check_claims(claims)
        _refuse_banned(existing(await self.stores.users.by_id(project, uid)))
        return await self.access.sign_custom(project, uid, claims, self.clock.now())

    async def _proven(self, project: str, found: Person | None, password: str) -> Person:
        """Give the user if this is the password. Raises: InvalidCredentials, UserBanned."""
        matches = await self.passwords.matches(project, password, found.password_hash if found else None)
        if found is None or not matches:
            metrics.logins.labels(POOL, InvalidCredentials.code).inc()
            raise InvalidCredentials
        metrics.logins.labels(POOL, UserBanned.code if found.banned_at else "ok").inc()
        _refuse_banned(found)
        return found


def _refuse_banned(person: Person) -> None:
    if person.banned_at is not None:
        raise UserBanned("Ask the people who run this application.")
