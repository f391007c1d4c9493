"""Sign in without a password: with a code of six digits, or with a link that was sent by mail.

The life of one sign-in:

    1. A request for a mail is stored and answered. A job makes the code or the link. The job sends the mail if the
       address has a user or may get a user (`mail_requests.py`).
    2. The code is compared, or the link is looked up. `shown_address.py` describes the remaining steps.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from bunbase.contracts.bunauth.problems import EmailTaken, LinkExpired
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.problems import InvalidCode
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.sign_in_page import BY_LINK
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg import metrics
from bunbase.pkg.addresses import email_or_none
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.identity.redirects import with_parameters
from bunbase.tenant_auth.admissions import admits
from bunbase.tenant_auth.captchas import Captchas
from bunbase.tenant_auth.first_proofs import take_over
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.callers import keyed_project, linked_project
from bunbase.tenant_auth.service.mail_requests import MailRequests
from bunbase.tenant_auth.service.shown_address import Note, ShownSignIn
from bunbase.tenant_auth.service.sign_in import POOL
from bunbase.tenant_auth.sign_in_codes import guesser
from bunbase.tenant_auth.sign_in_methods import EMAIL_CODE, EMAIL_LINK, SignInMethod

# A function of this type uses up a code or link, or raises a Problem if another request was faster.
Take = Callable[[], Coroutine[Any, Any, None]]


class MailboxSignIn:
    def __init__(self, requests: MailRequests, signing_in: ShownSignIn, captchas: Captchas) -> None:
        self.requests = requests
        self.signing_in = signing_in
        self.captchas = captchas
        self.pools = requests.pools

    async def request_code(self, caller: Caller, email: str, captcha: str = "") -> None:
        """Request a mail with a code. Raises: CaptchaRequired, CaptchaRefused, CaptchaUnavailable."""
        await self.captchas.check(caller, await self.pools.of(keyed_project(caller)), captcha)
        await self.requests.request(caller, MailKind.SIGN_IN_CODE, email)

    async def with_code(self, caller: Caller, email: str, code: str) -> UserSignedIn:
        """Sign in or sign up with a code.

        Raises: InvalidCode, EmailTaken, UserBanned, SecondFactorRequired, TooManyUsers.
        """
        pool, normal = await self.pools.of(keyed_project(caller)), email_or_none(email)
        with metrics.counted(metrics.logins, POOL):
            right = normal and await pool.codes.check(MailKind.SIGN_IN_CODE, normal, code, guesser(caller))
            if not normal or not right:
                owner = await pool.users.by_email(pool.project, normal) if normal else None
                self.signing_in.refuse(caller, owner, EMAIL_CODE)
                raise wrong_code()

        async def take() -> None:
            if not await pool.codes.take(MailKind.SIGN_IN_CODE, normal, right):
                raise wrong_code()

        return await self.signing_in.open(caller, ShownMailbox(pool, normal, EMAIL_CODE, take, wrong_code))

    async def request_link(self, caller: Caller, email: str, redirect_to: str, captcha: str = "") -> None:
        """Send a link. Raises: InvalidInput if the project allows no URL of an app to which the link could lead;
        CaptchaRequired, CaptchaRefused, CaptchaUnavailable.
        """
        pool = await self.pools.of(keyed_project(caller))
        target = redirect_to or next(iter(pool.auth.redirect_urls), "")
        if not target:
            raise InvalidInput.at("/redirect_to", "First add an address of your app to the setting redirect_urls.")
        pool.checked_redirect(target)
        await self.captchas.check(caller, pool, captcha)
        await self.requests.request(caller, MailKind.SIGN_IN_LINK, email, target)

    async def request_page_link(self, caller: Caller, email: str, back: str, captcha: str) -> None:
        """Send a link that signs in on the page of the project. `back`: the checked path and query of that page."""
        pool = await self.pools.of(keyed_project(caller))
        await self.captchas.check(caller, pool, captcha)
        await self.requests.request(caller, MailKind.SIGN_IN_LINK, email, kept=back)

    async def link_target(self, caller: Caller, token: str) -> str:
        """Return the URL of the app or of the sign-in page, with the token of a valid link. The link stays valid.

        Raises: LinkExpired.
        """
        pool = await self.pools.of(linked_project(caller))
        found = await pool.links.find(token, MailKind.SIGN_IN_LINK)
        # Otherwise the name is the whole URL of an app.
        of_page = found is not None and found.name.startswith(f"{BY_LINK}?")
        target = (found.name if of_page else pool.way_back(found.name)) if found else ""
        if not target:
            raise _expired()
        return with_parameters(target, token=token)

    async def with_link(self, caller: Caller, token: str) -> UserSignedIn:
        """Sign in or sign up with a link.

        Raises: LinkExpired, EmailTaken, UserBanned, SecondFactorRequired, TooManyUsers.
        """
        pool = await self.pools.of(keyed_project(caller))
        with metrics.counted(metrics.logins, POOL):
            found = await pool.links.find(token, MailKind.SIGN_IN_LINK)
            if found is None:
                raise _expired()

        async def take() -> None:
            if await pool.links.take(token, MailKind.SIGN_IN_LINK) is None:
                raise _expired()

        return await self.signing_in.open(caller, ShownMailbox(pool, found.email, EMAIL_LINK, take, _expired))


class ShownMailbox:
    """A mailbox that a person can read. `refused`: a function that makes the answer to a wrong code or link."""

    def __init__(
        self, pool: Pool, email: str, method: SignInMethod, take: Take, refused: Callable[[], Problem]
    ) -> None:
        self.pool = pool
        self.email = email
        self.method = method
        self.take = take
        self.refused = refused

    async def owner(self) -> Person | None:
        return await self.pool.users.by_email(self.pool.project, self.email)

    def on(self, user: User) -> User:
        return msgspec.structs.replace(user, email=self.email, email_verified=True)

    def admitted(self) -> bool:
        return admits(self.pool.auth, self.email)

    async def claim(self, owner: Person, note: Note) -> bool:
        """Confirm the address of a user, and end everything with which another person could use the account."""
        if owner.user.email_verified:
            return False
        pool, users = self.pool, self.pool.users
        until = await pool.revoked_until()
        async with pool.stores.db.transaction():
            before = await users.locked(pool.project, owner.id)
            if before is not None and before.email == self.email and await take_over(pool, before, until):
                await note(UserAct.TAKE_OVER)
        return True

    def is_released_by(self, owner: Person) -> bool:
        return False  # The person who proves the address gets the user.

    async def release(self, owner: Person, note: Note) -> None:
        raise ValueError("an address stays with its user")

    def taken(self) -> Problem:
        return EmailTaken("Sign in without the token of the anonymous user: the code or the link is still valid.")


def wrong_code() -> InvalidCode:
    return InvalidCode(
        "Check the code of the newest message, or ask for a new one. After five wrong codes, you need a new one."
    )


def _expired() -> LinkExpired:
    return LinkExpired("Ask for a new mail, and use its link.")
