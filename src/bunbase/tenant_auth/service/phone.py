"""Sign in with a code in a text message, and change the phone number of a user.

Text messages cost money. Fraudsters can earn this money if they request codes for numbers in countries whose networks
pay them. So a project names the countries of its users, and BunBase limits the number of messages per IP address,
number and project.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.problems import InvalidCode, PhoneNotAllowed, PhoneNotConfigured, PhoneTaken
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem, RateLimited
from bunbase.pkg.languages import is_language
from bunbase.pkg.phones import masked_phone, phone_or_none, reachable_phone
from bunbase.tenant_auth.admissions import admits
from bunbase.tenant_auth.captchas import Captchas
from bunbase.tenant_auth.first_proofs import has_only_a_number, release_number, take_over_number
from bunbase.tenant_auth.journal import Event, the_user
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.people import Person, signed_in_person, with_phone
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.callers import first_language, keyed_project
from bunbase.tenant_auth.service.mail_requests import MailRequests
from bunbase.tenant_auth.service.mailbox_sign_in import Take, wrong_code
from bunbase.tenant_auth.service.proofs import Proofs
from bunbase.tenant_auth.service.shown_address import Note, ShownSignIn
from bunbase.tenant_auth.service.sign_in import POOL
from bunbase.tenant_auth.sign_in_codes import Guesser, guesser
from bunbase.tenant_auth.sign_in_methods import PHONE_CODE

CHANGE = "phone_change"  # Codes that change a user's number have this kind.
CHANGES = "phone_changes"  # The requests of a user are counted under this kind.
HOUR_SECONDS = 3600
EVERYWHERE = "*"


class _Dropped(Exception):
    """A message was not sent, so the transaction must not store its code."""


class PhoneSignIn:
    def __init__(self, requests: MailRequests, signing_in: ShownSignIn, proofs: Proofs, captchas: Captchas) -> None:
        self.requests = requests
        self.signing_in = signing_in
        self.proofs = proofs
        self.captchas = captchas
        self.pools = requests.pools
        self.stores = requests.stores

    async def request_code(self, caller: Caller, phone: str, language: str, captcha: str = "") -> None:
        """Request a message with a code. Raises: PhoneNotConfigured, InvalidInput, PhoneNotAllowed, CaptchaRequired,
        CaptchaRefused, CaptchaUnavailable.
        """
        pool = await self.pools.of(keyed_project(caller))
        number = _reachable(pool, phone)
        await self.captchas.check(caller, pool, captcha)
        await self.requests.request_text(pool, number, _language(pool, caller, language))

    async def with_code(self, caller: Caller, phone: str, code: str) -> UserSignedIn:
        """Sign in or sign up with a code.

        Raises: InvalidCode, PhoneTaken, UserBanned, SecondFactorRequired, TooManyUsers.
        """
        pool, number = await self.pools.of(keyed_project(caller)), phone_or_none(phone)
        with metrics.counted(metrics.logins, POOL):
            right = number and await pool.codes.check(MailKind.PHONE_CODE, number, code, guesser(caller))
            if not number or not right:
                owner = await self.stores.users.by_phone(pool.project, number) if number else None
                self.signing_in.refuse(caller, owner, PHONE_CODE)
                raise wrong_code()

        async def take() -> None:
            if not await pool.codes.take(MailKind.PHONE_CODE, number, right):
                raise wrong_code()

        return await self.signing_in.open(caller, ShownPhone(pool, number, take))

    async def request_change(self, caller: Caller, phone: str, language: str) -> None:
        """Send a code to a new number of the user. Raises: SignUpFirst, PhoneNotConfigured, InvalidInput,
        PhoneNotAllowed, ReauthenticationRequired, RateLimited.
        """
        pool, user = await self.pools.of(keyed_project(caller)), await self.proofs.need_signed_up(caller)
        number = _reachable(pool, phone)
        # Each message costs money, and the user chooses the numbers.
        if not await pool.codes.counted(CHANGES, user.uid):
            raise RateLimited("Too many codes were sent for this account.", retry_after_seconds=HOUR_SECONDS)
        code, new = await pool.codes.prepared(CHANGE, _of_user(number, user.uid))
        texts, language = self.requests.texts, _language(pool, caller, language)
        message = await texts.prepared(pool, CHANGE, number, code, language)
        with suppress(_Dropped):  # The answer is the same if the message was dropped.
            async with self.stores.db.transaction():
                if await pool.codes.keep(new) and not await texts.post(pool, message, code):
                    # Many users may request codes for one number, so only codes that were sent are stored.
                    raise _Dropped

    async def confirm_change(self, caller: Caller, phone: str, code: str) -> User:
        """Change the number with a code. Raises: InvalidCode, PhoneTaken, SignUpFirst, Unauthenticated."""
        pool, uid = await self.pools.of(keyed_project(caller)), caller.end_user().uid
        number = phone_or_none(phone) or ""
        address = _of_user(number, uid)
        right = number and await pool.codes.check(CHANGE, address, code, Guesser(uid))
        if not right:
            raise wrong_code()
        until = await self.pools.revoked_until()
        async with self.stores.db.transaction():
            alter = partial(with_phone, phone=number)
            after = signed_in_person(await self.stores.users.change(pool.project, uid, alter, pool.clock.now(), until))
            if not await pool.codes.take(CHANGE, address, right):
                raise wrong_code()
            await self.pools.journal.add(pool.project, uid, Event(UserAct.PHONE_CHANGE), the_user(caller))
            if after.email is not None:
                await pool.stores.mails.post(pool.letters.identity_linked(after.email, masked_phone(number)))
        return after.user

    async def remove(self, caller: Caller) -> User:
        """Remove the number. Raises: SignUpFirst, ReauthenticationRequired, LastSignInMethod, Unauthenticated."""
        pool, user = await self.pools.of(keyed_project(caller)), await self.proofs.need_signed_up(caller)
        until = await self.pools.revoked_until()
        async with self.stores.db.transaction():
            before = signed_in_person(await self.stores.users.locked(pool.project, user.uid))
            if before.user.phone is None:
                return before.user
            now, alter = pool.clock.now(), partial(with_phone, phone=None)
            after = signed_in_person(await self.stores.users.change(pool.project, user.uid, alter, now, until))
            await pool.need_way_in(user.uid)
            await self.pools.journal.add(pool.project, user.uid, Event(UserAct.PHONE_DELETE), the_user(caller))
            if after.email is not None:
                shown = masked_phone(before.user.phone)
                await pool.stores.mails.post(pool.letters.identity_removed(after.email, shown))
        return after.user


class ShownPhone:
    """A phone whose text messages a person can read."""

    method = PHONE_CODE

    def __init__(self, pool: Pool, phone: str, take: Take) -> None:
        self.pool = pool
        self.phone = phone
        self.take = take

    async def owner(self) -> Person | None:
        return await self.pool.users.by_phone(self.pool.project, self.phone)

    def on(self, user: User) -> User:
        return msgspec.structs.replace(user, phone=self.phone, phone_verified=True)

    def admitted(self) -> bool:
        return admits(self.pool.auth, None)

    async def claim(self, owner: Person, note: Note) -> bool:
        """Take over a user that has only a phone number, if the number was never confirmed."""
        if owner.user.phone_verified:
            return False
        pool, until = self.pool, await self.pool.revoked_until()
        async with pool.stores.db.transaction():
            before = await self._unproved(owner)
            if before is not None and not await has_only_a_number(pool, before):
                return False
            if before is not None:
                await take_over_number(pool, before, until)
                await note(UserAct.TAKE_OVER)
        return True

    def is_released_by(self, owner: Person) -> bool:
        """True if the user has more than the number, because the project's server may have stored a wrong number.

        Such a user cannot be opened with the number.
        """
        return not owner.user.phone_verified

    async def release(self, owner: Person, note: Note) -> None:
        until = await self.pool.revoked_until()
        before = await self._unproved(owner)
        if before is not None and not await has_only_a_number(self.pool, before):
            await release_number(self.pool, before, until)
            await note(UserAct.PHONE_DELETE)

    async def _unproved(self, owner: Person) -> Person | None:
        """Lock and return the user. Return None if the user has another number now, or has confirmed this number."""
        before = await self.pool.users.locked(self.pool.project, owner.id)
        unproved = before is not None and before.user.phone == self.phone and not before.user.phone_verified
        return before if unproved else None

    def refused(self) -> InvalidCode:
        return wrong_code()

    def taken(self) -> Problem:
        return PhoneTaken("Sign in without the token of the anonymous user: the code is still valid.")


def ready(pool: Pool) -> bool:
    """True if users of the project can sign in by phone.

    In dev mode without a hook, the mailbox of dev mode receives the messages.
    """
    return bool(pool.auth.hooks.send_sms or pool.dev) and bool(pool.auth.phone.countries)


def _reachable(pool: Pool, phone: str) -> str:
    """Return the normal form of a number, if the project sends messages to it."""
    if not ready(pool):
        raise PhoneNotConfigured(
            "Set hooks.send_sms to a function of the project that sends text messages, and phone.countries to the "
            'countries of its users, such as ["DE"].'
        )
    number, country = reachable_phone(phone)
    if EVERYWHERE not in pool.auth.phone.countries and country not in pool.auth.phone.countries:
        raise PhoneNotAllowed(f"This app sends no text messages to {country}: see its setting phone.countries.")
    return number


def _language(pool: Pool, caller: Caller, language: str) -> str:
    """Return the language of a message: the given language, or else the first language that the browser prefers."""
    if is_language(language):
        return language
    return first_language(caller) or pool.languages[0]


def _of_user(number: str, uid: str) -> str:
    """Return the address of a code that is valid for only one user."""
    return f"{number} {uid}"
