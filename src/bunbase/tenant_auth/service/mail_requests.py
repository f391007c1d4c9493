"""Answer requests for mails and text messages.

Anybody may request a mail for any address (`pkg/identity/mail_requests.py`), or a text message to any number.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import assert_never

from bunbase.contracts.caller import Caller
from bunbase.pkg.identity.mail_requests import Answer, answer_requests, request_mail
from bunbase.pkg.identity.store import INSTALLATION, IdentityStores
from bunbase.pkg.identity.store.mail_tokens import MailRequest
from bunbase.pkg.mail.account_letters import RESET_SECONDS, SIGN_IN_SECONDS, VERIFY_SECONDS
from bunbase.pkg.project_turns import Turn
from bunbase.tenant_auth.admissions import admits
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.pool import Pool, Pools
from bunbase.tenant_auth.service.callers import first_language, linked_project
from bunbase.tenant_auth.service.text_messages import TextMessages
from bunbase.tenant_auth.store import Stores

Send = Callable[[], Awaitable[bool]]  # sends a message; returns False if the message was dropped


class MailRequests:
    """Requests for mails and text messages. `nudge`: a function that wakes the job that answers the requests."""

    def __init__(self, stores: Stores, pools: Pools, texts: TextMessages) -> None:
        self.stores = stores
        self.pools = pools
        self.texts = texts
        self.turn = Turn()
        self.nudge: Callable[[], None] = lambda: None

    async def request(self, caller: Caller, kind: MailKind, email: str, redirect_to: str = "", kept: str = "") -> None:
        """Store a request for a mail. If a text is not an address, drop the request and return the same answer.

        `redirect_to`: the URL of the app to which the page behind the link leads. `kept`: a text that is stored with
        the link instead of `redirect_to`. Raises: InvalidInput.
        """
        pool = await self.pools.of(linked_project(caller))
        name = kept or pool.checked_redirect(redirect_to)
        if await request_mail(pool.stores, kind, email, pool.clock, name, first_language(caller)):
            self.nudge()

    async def request_text(self, pool: Pool, phone: str, language: str) -> None:
        """Store a request for a text message with a code. `phone`: the number in its normal form."""
        if await pool.stores.mail_tokens.request(MailKind.PHONE_CODE, phone, pool.clock.now(), "", language):
            self.nudge()

    async def answer_all(self) -> None:
        """Answer the stored requests of all projects. A job calls this."""
        stores = IdentityStores(self.stores.db, self.stores.mails, INSTALLATION)
        await answer_requests(stores, self._prepared, self.pools.site.clock, self.turn)

    async def _prepared(self, asked: MailRequest) -> Answer:
        """Return the answer to a request. Everything that calls BunKMS happens before."""
        pool = await self.pools.of(asked.project)
        match MailKind(asked.kind):
            case MailKind.PHONE_CODE:
                return await self._phone_code(pool, asked)
            case MailKind.SIGN_IN_CODE:
                return await self._sign_in_code(pool, asked)
            case _:
                return partial(self._answer, pool, asked)

    async def _answer(self, pool: Pool, asked: MailRequest) -> None:
        person = await self.stores.users.by_email(asked.project, asked.email)
        match MailKind(asked.kind):
            case MailKind.PASSWORD_RESET:
                await _password_reset(pool, person, asked)
            case MailKind.SIGN_IN_LINK:
                await _sign_in_link(pool, person, asked)
            case MailKind.SIGN_UP:
                await _sign_up(pool, person, asked)
            case MailKind.VERIFY_EMAIL:
                await _verify_email(pool, person, asked)
            case MailKind.INVITE:
                raise ValueError("only administrators invite people")
            case MailKind.PHONE_CODE | MailKind.SIGN_IN_CODE:
                raise ValueError("codes are prepared")
            case other:
                assert_never(other)

    async def _phone_code(self, pool: Pool, asked: MailRequest) -> Answer:
        phone, language = asked.email, asked.language
        person = await self.stores.users.by_phone(pool.project, phone)
        known = person is not None and person.user.phone_verified

        async def message(code: str) -> Send:
            new = await self.texts.prepared(pool, "sign_in", phone, code, language)
            return partial(self.texts.post, pool, new, code, known)

        return await self._code(pool, asked, message if _may_sign_in(pool, person, None) else _no_message)

    async def _sign_in_code(self, pool: Pool, asked: MailRequest) -> Answer:
        person = await self.stores.users.by_email(pool.project, asked.email)

        async def message(code: str) -> Send:
            letter = pool.letters_asked_in(asked.language).sign_in_code(asked.email, code)
            return partial(pool.stores.mails.post, letter)

        return await self._code(pool, asked, message if _may_sign_in(pool, person, asked.email) else _no_message)

    async def _code(self, pool: Pool, asked: MailRequest, message: Callable[[str], Awaitable[Send]]) -> Answer:
        """Return the answer that stores a code and sends it. `message(code)`: prepares the message.

        A code is made for every address and number, so that a guess is processed in the same way whether or not a user
        exists. Frequent requests of a stranger must not lock out the owner. So after too many codes, the newest code is
        sent again and becomes valid again. If the message with a new code is dropped, the new code does not replace the
        old code.
        """
        codes, kind, address = pool.codes, asked.kind, asked.email
        if await codes.may_make(kind, address):
            code, new = await codes.prepared(kind, address)
            send = await message(code)

            async def replace() -> None:
                await codes.lock(kind, address)
                if await send() or await codes.renew(kind, address) is None:
                    await codes.keep(new)

            return replace
        newest = await codes.newest(kind, address)
        if newest is None:
            return _nothing
        code, name = newest
        again = await message(code)

        async def renew() -> None:
            if await codes.renew(kind, address) == name:
                await again()

        return renew


async def _no_message(_code: str) -> Send:
    return _nothing


async def _nothing() -> bool:
    """Send nothing, and report success."""
    return True


async def _password_reset(pool: Pool, person: Person | None, asked: MailRequest) -> None:
    if person is not None and not person.is_banned(pool.clock.now()):
        email = asked.email
        await pool.links.post(
            MailKind.PASSWORD_RESET,
            email,
            person.id,
            RESET_SECONDS,
            lambda token: pool.letters_asked_in(asked.language).password_reset(
                email, pool.page("reset-password", token)
            ),
            asked.name,
        )


async def _sign_in_link(pool: Pool, person: Person | None, asked: MailRequest) -> None:
    email, kind = asked.email, MailKind.SIGN_IN_LINK
    if _may_sign_in(pool, person, email):
        await pool.links.post_only(  # the link belongs to the mailbox, which may have no user yet
            kind,
            email,
            SIGN_IN_SECONDS,
            lambda token: pool.letters_asked_in(asked.language).sign_in_link(email, pool.page("sign-in-link", token)),
            asked.name,
        )


def _may_sign_in(pool: Pool, person: Person | None, email: str | None) -> bool:
    """True if the owner of a mailbox or a phone may sign in or sign up."""
    return admits(pool.auth, email) if person is None else not person.is_banned(pool.clock.now())


async def _sign_up(pool: Pool, person: Person | None, asked: MailRequest) -> None:
    email = asked.email
    if person is not None:
        await pool.stores.mails.post(pool.letters_asked_in(asked.language).already_a_user(email))
        return
    await pool.links.post_only(
        MailKind.SIGN_UP,
        email,
        VERIFY_SECONDS,
        lambda token: pool.letters_asked_in(asked.language).verify_email(email, pool.page("sign-up", token)),
        asked.name,
    )


async def _verify_email(pool: Pool, person: Person | None, asked: MailRequest) -> None:
    if person is not None and not person.user.email_verified:
        email = asked.email
        await pool.links.post(
            MailKind.VERIFY_EMAIL,
            email,
            person.id,
            VERIFY_SECONDS,
            lambda token: pool.letters_asked_in(asked.language).verify_email(email, pool.page("verify-email", token)),
            asked.name,
        )
