"""Answer requests for a mail. Anybody may request a mail for any address (`pkg/identity/mail_requests.py`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, assert_never

from bunbase.bunauth.service.letters import Letters
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.mail_tokens import MailKind
from bunbase.pkg.clock import Clock
from bunbase.pkg.identity.mail_links import MailLinks
from bunbase.pkg.identity.mail_requests import answer_requests, request_mail, unprepared
from bunbase.pkg.identity.store.mail_tokens import MailRequest
from bunbase.pkg.mail.account_letters import RESET_SECONDS, VERIFY_SECONDS
from bunbase.pkg.mail.letters import Letter
from bunbase.pkg.project_turns import Turn

PREFIX: Final = "bmt"


class MailRequests:
    """Requests for mails. `nudge` wakes the job that answers the requests."""

    def __init__(self, stores: Stores, letters: Letters, clock: Clock) -> None:
        self.stores = stores
        self.letters = letters
        self.clock = clock
        self.links = MailLinks(stores.pool, PREFIX, clock)
        self.turn = Turn()
        self.nudge: Callable[[], None] = lambda: None

    async def request(self, kind: MailKind, email: str, name: str = "") -> None:
        """Store a request. If a text is not an address, drop the request and return the same answer."""
        if await request_mail(self.stores.pool, kind, email, self.clock, name):
            self.nudge()

    async def answer_all(self) -> None:
        """Answer the stored requests. A job calls this."""
        await answer_requests(self.stores.pool, unprepared(self._answer), self.clock, self.turn)

    async def post_link(
        self, kind: MailKind, email: str, user_id: str | None, letter: Callable[[str], Letter], name: str = ""
    ) -> None:
        """Make a link and post its mail. Call this inside the transaction of the action.

        `letter(token)` returns the mail.
        """
        seconds = RESET_SECONDS if kind is MailKind.PASSWORD_RESET else VERIFY_SECONDS
        await self.links.post(kind, email, user_id, seconds, letter, name)

    async def _answer(self, asked: MailRequest) -> None:
        account, email, kind = await self.stores.accounts.credentials(asked.email), asked.email, MailKind(asked.kind)
        match kind:
            case MailKind.SIGN_UP:
                if account is None:
                    letter = partial(self.letters.sign_up, email)
                    await self.links.post_only(kind, email, VERIFY_SECONDS, letter, asked.name)
                else:
                    await self.stores.mails.post(self.letters.already_registered(email))
            case MailKind.VERIFY_EMAIL:
                if account is not None and account.email_verified_at is None:
                    await self.post_link(kind, email, account.id, lambda token: self.letters.verify_email(email, token))
            case MailKind.PASSWORD_RESET:
                if account is not None:
                    await self.post_link(
                        kind, email, account.id, lambda token: self.letters.password_reset(email, token)
                    )
            case MailKind.CHANGE_OF_OLD | MailKind.CHANGE_OF_NEW:
                raise ValueError("only a signed-in account asks for a change of its address")
            case other:
                assert_never(other)
