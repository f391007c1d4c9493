"""Confirm the address of a user with a link that was sent by mail."""

from __future__ import annotations

from bunbase.contracts.bunauth.problems import LinkExpired
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.mails import AddressConfirmed
from bunbase.tenant_auth.captchas import Captchas
from bunbase.tenant_auth.first_proofs import confirm
from bunbase.tenant_auth.journal import Event, the_user
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.service.callers import linked_project
from bunbase.tenant_auth.service.mail_requests import MailRequests


class VerifyEmail:
    def __init__(self, requests: MailRequests, captchas: Captchas) -> None:
        self.requests = requests
        self.captchas = captchas
        self.stores = requests.stores
        self.pools = requests.pools

    async def request(self, caller: Caller, email: str, redirect_to: str, captcha: str = "") -> None:
        """Request a mail that confirms the address.

        Raises: InvalidInput, CaptchaRequired, CaptchaRefused, CaptchaUnavailable.
        """
        pool = await self.pools.of(linked_project(caller))
        pool.checked_redirect(redirect_to)
        await self.captchas.check(caller, pool, captcha)
        await self.requests.request(caller, MailKind.VERIFY_EMAIL, email, redirect_to)

    async def confirm(self, caller: Caller, token: str) -> AddressConfirmed:
        """Confirm the address to which a link was sent. Raises: LinkExpired."""
        project = linked_project(caller)
        pool, until = await self.pools.of(project), await self.pools.revoked_until()
        found = await pool.links.find(token, MailKind.VERIFY_EMAIL)
        if found is None or found.user_id is None:
            raise _expired()
        async with self.stores.db.transaction():
            # The user is locked before the link, in the same order as in a deletion of the user, to avoid deadlocks.
            person = await self.stores.users.locked(project, found.user_id)
            taken = await pool.links.take(token, MailKind.VERIFY_EMAIL)
            if person is None or taken is None or person.email != found.email:  # The address was changed meanwhile.
                raise _expired()
            if await confirm(pool, person, until):
                await self.pools.journal.add(project, person.id, Event(UserAct.EMAIL_VERIFY), the_user(caller))
        return AddressConfirmed("verified", pool.way_back(found.name))


def _expired() -> LinkExpired:
    return LinkExpired("Ask for a new mail, and use its link.")
