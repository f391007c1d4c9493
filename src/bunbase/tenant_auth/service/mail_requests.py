"""Answer requests for a mail that anybody may make for any address (`pkg/identity/mail_requests.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from bunbase.pkg.identity.mail_requests import answer_requests, request_mail
from bunbase.pkg.identity.store import INSTALLATION, IdentityStores
from bunbase.pkg.identity.store.mail_tokens import MailRequest
from bunbase.pkg.mail.account_letters import VERIFY_SECONDS
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.pool import Pool, Pools
from bunbase.tenant_auth.store import Stores


class MailRequests:
    """`nudge`: wakes the job that answers the requests."""

    def __init__(self, stores: Stores, pools: Pools) -> None:
        self.stores = stores
        self.pools = pools
        self.nudge: Callable[[], None] = lambda: None

    async def request(self, project: str, kind: MailKind, email: str, kept: str = "") -> None:
        """Store a request. A text that is not an address is dropped, with the same answer.

        `kept`: a text for the link of the mail.
        """
        pool = await self.pools.of(project)
        if await request_mail(pool.stores, kind, email, pool.clock, kept):
            self.nudge()

    async def answer_all(self) -> None:
        """Answer the stored requests of all projects. The job calls this."""
        await answer_requests(IdentityStores(self.stores.db, self.stores.mails, INSTALLATION), self._answer)

    async def _answer(self, asked: MailRequest) -> None:
        pool, kind = await self.pools.of(asked.project), MailKind(asked.kind)
        person = await self.stores.users.by_email(asked.project, asked.email)
        match kind:
            case MailKind.SIGN_UP:
                await _sign_up(pool, person, asked)
            case MailKind.VERIFY_EMAIL:
                await _verify_email(pool, person, asked.email)
            case MailKind.INVITE:
                raise ValueError("only administrators invite people")
            case other:
                assert_never(other)


async def _sign_up(pool: Pool, person: Person | None, asked: MailRequest) -> None:
    email = asked.email
    if person is not None:
        await pool.stores.mails.post(pool.letters.already_a_user(email))
        return
    await pool.stores.mail_tokens.forget_of_address(email, MailKind.SIGN_UP)
    await pool.links.post(
        MailKind.SIGN_UP,
        email,
        None,
        VERIFY_SECONDS,
        lambda token: pool.letters.verify_email(email, pool.page("sign-up", token)),
        asked.name,
    )


async def _verify_email(pool: Pool, person: Person | None, email: str) -> None:
    if person is not None and not person.user.email_verified:
        await pool.links.post(
            MailKind.VERIFY_EMAIL,
            email,
            person.id,
            VERIFY_SECONDS,
            lambda token: pool.letters.verify_email(email, pool.page("verify-email", token)),
        )
