"""Create users who sign up themselves with a password.

There are two ways. If the project requires no confirmation, the user is created and signed in immediately. Otherwise
the response is the same for a new address and for an address that has a user, and a mail tells the owner of the address
the next step. The person chooses the password after opening the link in the mail. So an attacker cannot prepare a user
with the address of somebody else and wait until the owner confirms the address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec

from bunbase.contracts.bunauth.problems import EmailTaken, LinkExpired
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.problems import UpgradeUnavailable
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.settings import Enumeration
from bunbase.contracts.tenant_auth.signups import SignupDetails
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.addresses import normal_email
from bunbase.pkg.identity.store.mail_tokens import MailToken
from bunbase.pkg.ids import new_id
from bunbase.tenant_auth.admissions import check_admission, confirms_addresses
from bunbase.tenant_auth.captchas import Captchas
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.profiles import check_data, check_name
from bunbase.tenant_auth.service.anonymous import ROLE, Anonymous, is_anonymous
from bunbase.tenant_auth.service.callers import first_language, keyed_project, linked_project
from bunbase.tenant_auth.service.mail_requests import MailRequests
from bunbase.tenant_auth.service.open_session import OpenSession
from bunbase.tenant_auth.sign_in_methods import PASSWORD
from bunbase.tenant_auth.sign_up_links import SIGN_UPS, KeptSignUp, kept_of
from bunbase.tenant_auth.store.invites import UserInviteStore

Data = dict[str, Any]


class SignUp:
    def __init__(
        self,
        opening: OpenSession,
        places: Places,
        requests: MailRequests,
        anonymous: Anonymous,
        captchas: Captchas,
    ) -> None:
        self.opening = opening
        self.stores = opening.stores
        self.pools = opening.pools
        self.places = places
        self.requests = requests
        self.anonymous = anonymous
        self.captchas = captchas

    async def sign_up(
        self, caller: Caller, email: str, password: str, data: Data, captcha: str, details: SignupDetails
    ) -> UserSignedIn | None:
        """Create a user and open the first session. If a mail was sent instead, return None.

        An anonymous user keeps the id and gets the address. Raises: InvalidInput, WeakPassword, SignupsClosed,
        EmailDomainNotAllowed, UpgradeUnavailable, EmailTaken, TooManyUsers, SignInBusy, InvalidToken, CaptchaRequired,
        CaptchaRefused, CaptchaUnavailable.
        """
        project, email = keyed_project(caller), normal_email(email)
        check_data(data)
        check_name(details.name)
        pool = await self.pools.of(project)
        pool.checked_redirect(details.redirect_to)
        await self.captchas.check(caller, pool, captcha)
        check_admission(pool.auth, email)  # This check comes before the password is hashed, which is expensive.
        if is_anonymous(caller):
            return await self._upgrade(caller, pool, email, password, data, details.name)
        if confirms_addresses(pool.auth):
            await self._send_link(caller, pool, email, password, data, details)
            return None
        async with self.places.reserve(project):
            person = await self._person(caller, pool, email, password, data, details.name)
            return await self.opening.open_first_session(caller, person, PASSWORD)

    async def confirm(self, caller: Caller, token: str, password: str) -> UserSignedIn:
        """Create the user of a link, and open the first session.

        Raises: LinkExpired, EmailTaken, InvalidInput, WeakPassword, SignupsClosed, EmailDomainNotAllowed, TooManyUsers.
        """
        pool, found = await self._found(linked_project(caller), token)
        async with self.places.reserve(pool.project):
            person = await self._confirmed_person(caller, pool, found, password)
            taking, invited = _taking(pool, self.stores.invites, token), found.kind == MailKind.INVITE
            return await self.opening.open_first_session(caller, person, PASSWORD, taking, invited)

    async def kept(self, caller: Caller, token: str) -> KeptSignUp:
        """Return the note that was stored with the link. Raises: LinkExpired."""
        _, found = await self._found(linked_project(caller), token)
        return kept_of(found)

    async def open_confirmed(self, caller: Caller, token: str, password: str) -> None:
        """Create the user of a link, without a session. Raises: the problems of `confirm`."""
        pool, found = await self._found(linked_project(caller), token)
        async with self.places.reserve(pool.project):
            person = await self._confirmed_person(caller, pool, found, password)
            taking, invited = _taking(pool, self.stores.invites, token), found.kind == MailKind.INVITE
            await self.opening.add_user(caller, person, PASSWORD, taking, invited)

    async def _upgrade(
        self, caller: Caller, pool: Pool, email: str, password: str, data: Data, name: str
    ) -> UserSignedIn:
        """Set the address and the password of an anonymous user.

        Nothing has proved that the address belongs to the user. So if a project requires confirmed addresses, an
        upgrade needs a code, a link or another service. Raises: UpgradeUnavailable, WeakPassword, EmailTaken,
        InvalidToken, SignInBusy.
        """
        if confirms_addresses(pool.auth):
            raise UpgradeUnavailable(
                "This app confirms addresses first. Sign in with a code (POST /v1/auth/login/code), a link or another "
                "service and the same token to keep the data, or sign up without the token: then the data of the "
                "visitor stay behind."
            )
        hash = await pool.new_passwords.hash(password, email)
        become = partial(_with_password, email=email, hash=hash, data=data, name=name)
        return await self.anonymous.upgrade(caller, PASSWORD, become)

    async def _send_link(
        self, caller: Caller, pool: Pool, email: str, password: str, data: Data, details: SignupDetails
    ) -> None:
        """Request a mail. If `enumeration` is closed, no statement and no answer depends on the address.

        The ready-made page does not ask for a password here. The page of the link asks for it.
        """
        if password or not details.page:
            await pool.new_passwords.check(password, email)
        if pool.auth.enumeration is Enumeration.OPEN and await self.stores.users.by_email(pool.project, email):
            raise EmailTaken("Sign in instead, or use another address.")
        noted = KeptSignUp(data, details.name, first_language(caller), details.redirect_to, details.page)
        await self.requests.request(caller, MailKind.SIGN_UP, email, kept=msgspec.json.encode(noted).decode())

    async def _found(self, project: str, token: str) -> tuple[Pool, MailToken]:
        """Return the link without using it up. The transaction that stores the user uses it up."""
        pool = await self.pools.of(project)
        found = await pool.links.find(token, *SIGN_UPS)
        if found is None:
            raise _expired()
        return pool, found

    async def _person(self, caller: Caller, pool: Pool, email: str, password: str, data: Data, name: str) -> Person:
        hash = await pool.new_passwords.hash(password, email)
        now, language = pool.clock.now(), first_language(caller)
        return Person(User(new_id("usr"), email, False, ROLE, {}, data, now, name, language=language), hash)

    async def _confirmed_person(self, caller: Caller, pool: Pool, found: MailToken, password: str) -> Person:
        """Return the user of a link. For an invitation, the user has the role of the invitation."""
        kept = kept_of(found)
        hash = await pool.new_passwords.hash(password, found.email)
        now, language = pool.clock.now(), kept.language or first_language(caller)
        user = User(new_id("usr"), found.email, True, kept.role, {}, kept.data, now, kept.name, language=language)
        return Person(user, hash)


def _taking(pool: Pool, invites: UserInviteStore, token: str) -> Callable[[], Awaitable[None]]:
    async def take() -> None:
        taken = await pool.links.take(token, *SIGN_UPS)
        if taken is None:
            raise _expired()
        if taken.kind == MailKind.INVITE:
            await invites.end_all(pool.project, taken.email)

    return take


def _expired() -> LinkExpired:
    return LinkExpired("Sign up again, or ask for a new invitation, and use the link of the new mail.")


def _with_password(person: Person, email: str, hash: str, data: dict[str, Any], name: str) -> Person:
    """Return an anonymous user with an address and a password. The data of the sign-up is merged into the user's data.

    Raises: InvalidInput.
    """
    merged = person.user.data | data
    check_data(merged)
    user = person.user
    user = msgspec.structs.replace(user, email=email, email_verified=False, data=merged, name=name or user.name)
    return msgspec.structs.replace(person, user=user, password_hash=hash)
