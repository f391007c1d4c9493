"""Sign in without a password: with a code of six digits or a link that was sent by mail.

The life of one sign-in:

    1. A request for a mail is stored and answered. A job makes the code or the link, and mails it if the address has a
       user or may have one (`mail_requests.py`).
    2. The code is compared, or the link is looked up. Neither is used up yet.
    3. A user with this address whose address was never confirmed may have been made by somebody else, who knows the
       password. So the address is confirmed now, and the password, the factors and the sessions end.
    4. A session is opened. The transaction that stores it uses the code or link up. If the address has no user, the
       same transaction stores the new user.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bunbase.contracts.bunauth.problems import EmailTaken, LinkExpired
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.problems import InvalidCode
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg import metrics
from bunbase.pkg.addresses import email_or_none
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.identity.redirects import with_parameters
from bunbase.pkg.ids import new_id
from bunbase.tenant_auth.admissions import admits
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.people import Person, taken_over
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.anonymous import ROLE
from bunbase.tenant_auth.service.callers import keyed_project, linked_project
from bunbase.tenant_auth.service.mail_requests import MailRequests
from bunbase.tenant_auth.service.open_session import OpenSession
from bunbase.tenant_auth.service.sign_in import POOL
from bunbase.tenant_auth.sign_in_methods import EMAIL_CODE, EMAIL_LINK, SignInMethod

Take = Callable[[], Awaitable[None]]  # uses a code or link up, or raises a Problem if somebody was faster


class MailboxSignIn:
    def __init__(self, requests: MailRequests, opening: OpenSession, places: Places) -> None:
        self.requests = requests
        self.opening = opening
        self.places = places
        self.stores = opening.stores
        self.pools = opening.pools

    async def request_code(self, caller: Caller, email: str) -> None:
        await self.requests.request(keyed_project(caller), MailKind.SIGN_IN_CODE, email)

    async def with_code(self, caller: Caller, email: str, code: str) -> UserSignedIn:
        """Sign in, or sign up. Raises: InvalidCode, UserBanned, SecondFactorRequired, TooManyUsers."""
        pool, normal = await self.pools.of(keyed_project(caller)), email_or_none(email)
        with metrics.counted(metrics.logins, POOL):
            right = normal and await pool.codes.check(MailKind.SIGN_IN_CODE, normal, code)
            if not normal or not right:
                raise wrong_code()

        async def take() -> None:
            if not await pool.codes.take(MailKind.SIGN_IN_CODE, normal, right):
                raise wrong_code()

        return await self._open(caller, pool, normal, EMAIL_CODE, take)

    async def request_link(self, caller: Caller, email: str, redirect_to: str) -> None:
        """Raises: InvalidInput, if the project allows no address of an app that the link could lead to."""
        pool = await self.pools.of(keyed_project(caller))
        target = redirect_to or next(iter(pool.auth.redirect_urls), "")
        if not target:
            raise InvalidInput.at("/redirect_to", "First add an address of your app to the setting redirect_urls.")
        await self.requests.request(pool.project, MailKind.SIGN_IN_LINK, email, target)

    async def link_target(self, caller: Caller, token: str) -> str:
        """Return the address of the app with the token of a valid link, which stays valid. Raises: LinkExpired."""
        pool = await self.pools.of(linked_project(caller))
        found = await pool.links.find(token, MailKind.SIGN_IN_LINK)
        target = pool.way_back(found.name) if found else ""
        if not target:
            raise _expired()
        return with_parameters(target, token=token)

    async def with_link(self, caller: Caller, token: str) -> UserSignedIn:
        """Sign in, or sign up. Raises: LinkExpired, UserBanned, SecondFactorRequired, TooManyUsers."""
        pool = await self.pools.of(keyed_project(caller))
        with metrics.counted(metrics.logins, POOL):
            found = await pool.links.find(token, MailKind.SIGN_IN_LINK)
            if found is None:
                raise _expired()

        async def take() -> None:
            if await pool.links.take(token, MailKind.SIGN_IN_LINK) is None:
                raise _expired()

        return await self._open(caller, pool, found.email, EMAIL_LINK, take)

    async def _open(self, caller: Caller, pool: Pool, email: str, method: SignInMethod, take: Take) -> UserSignedIn:
        while True:
            person = await self.stores.users.by_email(pool.project, email)
            if person is None:
                signed_in = await self._sign_up(caller, pool, email, method, take)
            elif not person.user.email_verified and not person.is_banned(pool.clock.now()):
                await self._claim(pool, person.id, email)
                continue
            else:
                signed_in = await self.opening.open_session(caller, person, method, also=take)
            if signed_in is not None:
                return signed_in
            # else the user was changed or added meanwhile: look again

    async def _sign_up(
        self, caller: Caller, pool: Pool, email: str, method: SignInMethod, take: Take
    ) -> UserSignedIn | None:
        """Add a user without a password. Return None if somebody has just added one with this address."""
        if not admits(pool.auth, email):
            raise _expired() if method is EMAIL_LINK else wrong_code()
        user = User(new_id("usr"), email, True, ROLE, {}, {}, pool.clock.now())
        async with self.places.reserve(pool.project):
            try:
                return await self.opening.open_first_session(caller, Person(user), method, also=take)
            except EmailTaken:
                return None

    async def _claim(self, pool: Pool, id: str, email: str) -> None:
        """Confirm the address of a user, and end everything with which another person could open the account."""
        until = await self.pools.revoked_until()
        async with self.stores.db.transaction():
            before = await self.stores.users.locked(pool.project, id)
            if before is None or before.email != email or before.user.email_verified:
                return
            await self.stores.users.change(pool.project, id, taken_over, pool.clock.now(), until)
            await pool.forget_ways_in(id)


def wrong_code() -> InvalidCode:
    return InvalidCode(
        "Check the code of the newest message, or ask for a new one. After five wrong codes, it is void."
    )


def _expired() -> LinkExpired:
    return LinkExpired("Ask for a new mail, and use its link.")
