"""Requests for a mail that anybody may make for any address.

Concern: the answer to such a request must not show whether the address has an account, neither in words nor in time.
Decision: the request stores one row, whatever the address is, and is answered. A job then looks the address up, makes
the link and posts the mail in one transaction. So a request is not lost by a kill -9 either, and many requests for one
address make one mail.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, assert_never

from bunbase.bunauth.service.letters import Letters
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.mail_tokens import MailKind, MailRequest, NewMailToken
from bunbase.pkg.addresses import email_or_none
from bunbase.pkg.clock import Clock
from bunbase.pkg.mail.account_letters import RESET_SECONDS, VERIFY_SECONDS
from bunbase.pkg.mail.letters import Letter
from bunbase.pkg.opaque import fingerprint, new_secret

PREFIX: Final = "bmt"
LIMIT: Final = 1000  # requests of one run of the job


class MailRequests:
    """`nudge`: wakes the job that answers the requests."""

    def __init__(self, stores: Stores, letters: Letters, clock: Clock) -> None:
        self.stores = stores
        self.letters = letters
        self.clock = clock
        self.nudge: Callable[[], None] = lambda: None

    async def request(self, kind: MailKind, email: str, name: str = "") -> None:
        """Store a request. A text that is not an address is dropped, with the same answer."""
        normal = email_or_none(email)
        if normal is not None:
            await self.stores.mail_tokens.request(kind, normal, self.clock.now(), name)
            self.nudge()

    async def answer_all(self) -> None:
        """Answer the stored requests, but at most LIMIT. The job calls this."""
        for _ in range(LIMIT):
            async with self.stores.db.transaction():
                asked = await self.stores.mail_tokens.take_request()
                if asked is None:
                    return
                await self._answer(asked)

    async def post_link(
        self, kind: MailKind, email: str, user_id: str | None, letter: Callable[[str], Letter], name: str = ""
    ) -> None:
        """Make a link and post its mail. Call this inside the transaction of the act. `letter(token)`: the mail."""
        token = new_secret(PREFIX)
        seconds = RESET_SECONDS if kind is MailKind.PASSWORD_RESET else VERIFY_SECONDS
        expires_at = self.clock.now() + timedelta(seconds=seconds)
        await self.stores.mail_tokens.add(NewMailToken(fingerprint(token), kind, user_id, email, expires_at, name))
        await self.stores.mails.post(letter(token))

    async def _answer(self, asked: MailRequest) -> None:
        account, email = await self.stores.accounts.credentials(asked.email), asked.email
        match asked.kind:
            case MailKind.SIGN_UP:
                if account is None:
                    await self.stores.mail_tokens.forget_of_address(email, asked.kind)
                    link = self.letters.sign_up
                    await self.post_link(asked.kind, email, None, lambda token: link(email, token), asked.name)
                else:
                    await self.stores.mails.post(self.letters.already_registered(email))
            case MailKind.VERIFY_EMAIL:
                if account is not None and account.email_verified_at is None:
                    await self.post_link(
                        asked.kind, email, account.id, lambda token: self.letters.verify_email(email, token)
                    )
            case MailKind.PASSWORD_RESET:
                if account is not None:
                    await self.post_link(
                        asked.kind, email, account.id, lambda token: self.letters.password_reset(email, token)
                    )
            case MailKind.CHANGE_OF_OLD | MailKind.CHANGE_OF_NEW:
                raise ValueError("only a signed-in account asks for a change of its address")
            case other:
                assert_never(other)
