"""Open a session: with a sign-up, a password, or a custom token from the project's own server."""

from __future__ import annotations

from typing import Any, Final

from bunbase.contracts.bunauth.problems import InvalidCredentials, InvalidToken
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth import User, UserSignedIn
from bunbase.pkg import metrics
from bunbase.pkg.addresses import email_or_none, normal_email
from bunbase.pkg.ids import new_id
from bunbase.pkg.passwords import Passwords
from bunbase.tenant_auth.people import Person, refuse_banned
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.profiles import check_data
from bunbase.tenant_auth.service.callers import keyed_project
from bunbase.tenant_auth.service.session_tokens import SessionTokens
from bunbase.tenant_auth.store import Stores

POOL: Final = "users"  # the label of end users in the metric of sign-ins
ROLE: Final = "user"  # the role of all users who sign up; only the project's server assigns other roles


class SignIn:
    def __init__(self, stores: Stores, passwords: Passwords, places: Places, tokens: SessionTokens) -> None:
        self.stores = stores
        self.passwords = passwords
        self.places = places
        self.tokens = tokens

    async def sign_up(self, caller: Caller, email: str, password: str, data: dict[str, Any]) -> UserSignedIn:
        """Create a user and open the first session. Raises: InvalidInput, EmailTaken, TooManyUsers, SignInBusy."""
        project, email = keyed_project(caller), normal_email(email)
        check_data(data)
        async with self.places.reserve(project):
            hash = await self.passwords.hash(project, password)
            person = Person(User(new_id("usr"), email, False, ROLE, {}, data, self.tokens.clock.now()), hash)
            # sign before storing the user: a project whose key was destroyed must not get another user
            new = await self.tokens.new_session(caller, person, {})
            await self.stores.users.add_signed_in(project, person, new)
        return self.tokens.answer(person.user, new.pair)

    async def with_password(self, caller: Caller, email: str, password: str) -> UserSignedIn:
        """Open a session. Raises: InvalidCredentials, UserBanned, SignInBusy."""
        project, normal = keyed_project(caller), email_or_none(email)
        while True:
            found = None if normal is None else await self.stores.users.by_email(project, normal)
            person = await self._checked_person(project, found, password)
            new = await self.tokens.new_session(caller, person, {})
            if await self.stores.sessions.add(project, new):
                return self.tokens.answer(person.user, new.pair)
            # else the user was changed meanwhile: check the password again, since it may have changed too

    async def with_custom_token(self, caller: Caller, token: str) -> UserSignedIn:
        """Open a session. Raises: InvalidToken, TokenExpired, CustomTokenUsed, UserBanned."""
        project = keyed_project(caller)
        voucher = await self.tokens.access.read_custom(project, token, self.tokens.clock.now())
        while True:
            person = await self.stores.users.by_id(project, voucher.uid)
            if person is None:
                raise InvalidToken("The user of this token was deleted.")
            refuse_banned(person)
            new = await self.tokens.new_session(caller, person, voucher.claims)
            if await self.stores.sessions.add_by(project, voucher, new):
                return self.tokens.answer(person.user, new.pair)

    async def _checked_person(self, project: str, found: Person | None, password: str) -> Person:
        """Return the user if the password is right. Raises: InvalidCredentials, UserBanned, SignInBusy."""
        matches = await self.passwords.matches(project, password, found.password_hash if found else None)
        with metrics.counted(metrics.logins, POOL):
            if found is None or not matches:
                raise InvalidCredentials
            refuse_banned(found)
            return found
