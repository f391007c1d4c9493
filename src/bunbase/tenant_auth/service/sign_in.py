"""Open a session with a password, or with a custom token from the project's own server."""

from __future__ import annotations

from functools import partial
from typing import Final

from bunbase.contracts.bunauth.problems import InvalidCredentials, InvalidToken
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.problems import EmailNotVerified
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg import metrics
from bunbase.pkg.addresses import known_email
from bunbase.pkg.phones import phone_or_none
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.service.callers import keyed_project
from bunbase.tenant_auth.service.open_session import OpenSession
from bunbase.tenant_auth.sign_in_methods import CUSTOM_TOKEN, PASSWORD

POOL: Final = "users"  # End users have this label in the metric of sign-ins.


class SignIn:
    def __init__(self, opening: OpenSession) -> None:
        self.opening = opening
        self.stores = opening.stores
        self.tokens = opening.tokens
        self.pools = opening.pools
        self.passwords = opening.pools.passwords

    async def with_password(self, caller: Caller, name: str, password: str) -> UserSignedIn:
        """Open a session. `name`: an email address or a phone number.

        Raises: InvalidCredentials, UserBanned, EmailNotVerified, SignInBusy.
        """
        project = keyed_project(caller)
        while True:
            found = await self._named(project, name)
            person = await self._checked_person(caller, found, password)
            await self._upgrade_hash(project, person, password)
            await self._check_verified(person, project)
            signed_in = await self.opening.open_session(caller, person, PASSWORD)
            if signed_in is not None:
                return signed_in
            # Otherwise the user was changed meanwhile, so the password is checked again, because it may have changed
            # too.

    async def with_custom_token(self, caller: Caller, token: str) -> UserSignedIn:
        """Open a session. Raises: InvalidToken, TokenExpired, CustomTokenUsed, UserBanned."""
        project = keyed_project(caller)
        voucher = await self.tokens.access.read_custom(project, token, self.tokens.clock.now())
        while True:
            person = await self.stores.users.by_id(project, voucher.uid)
            if person is None:
                raise InvalidToken("The user of this token was deleted.")
            use = partial(self.stores.sessions.use_custom_token, project, voucher)
            signed_in = await self.opening.open_session(caller, person, CUSTOM_TOKEN, voucher.claims, use)
            if signed_in is not None:
                return signed_in

    async def _named(self, project: str, name: str) -> Person | None:
        """Return the user with this address or number. The same statement runs whether or not such a user exists."""
        email = known_email(name)
        if email is not None:
            return await self.stores.users.by_email(project, email)
        phone = phone_or_none(name)
        return None if phone is None else await self.stores.users.by_phone(project, phone)

    async def _check_verified(self, person: Person, project: str) -> None:
        """Check that the address is confirmed. Raises: EmailNotVerified.

        Only callers with the right password reach this check.
        """
        if person.email is None:  # Such a user has only a phone number.
            return
        if (await self.pools.of(project)).auth.verify_emails and not person.user.email_verified:
            raise EmailNotVerified("Ask for a mail with POST /v1/auth/verify-email, and use its link.")

    async def _upgrade_hash(self, project: str, person: Person, password: str) -> None:
        """If the stored hash has old parameters, replace it with a hash with the present parameters."""
        assert person.password_hash is not None, "the password has matched it"
        upgraded = await self.passwords.upgraded(project, password, person.password_hash)
        if upgraded is not None:
            await self.stores.users.upgrade_hash(project, person.id, person.password_hash, upgraded)

    async def _checked_person(self, caller: Caller, found: Person | None, password: str) -> Person:
        """Return the user if the password is right. Raises: InvalidCredentials, UserBanned, SignInBusy."""
        matches = await self.passwords.matches(caller.project, password, found.password_hash if found else None)
        with metrics.counted(metrics.logins, POOL):
            if found is None:
                raise InvalidCredentials
            if not matches:
                self.pools.journal.refuse(caller, found.id, UserAct.SIGN_IN, PASSWORD.provider)
                raise InvalidCredentials
            self.opening.refuse_banned(caller, found, PASSWORD)
            return found
