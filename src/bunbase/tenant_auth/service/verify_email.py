"""Confirm the address of a user with a link that was sent by mail."""

from __future__ import annotations

from functools import partial

from bunbase.contracts.bunauth.problems import LinkExpired
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.mails import AddressConfirmed
from bunbase.tenant_auth.journal import Event, the_user
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.people import Change, Person, with_verified_email
from bunbase.tenant_auth.service.callers import linked_project
from bunbase.tenant_auth.service.mail_requests import MailRequests


class VerifyEmail:
    def __init__(self, requests: MailRequests) -> None:
        self.requests = requests
        self.stores = requests.stores
        self.pools = requests.pools

    async def request(self, caller: Caller, email: str, redirect_to: str) -> None:
        await self.requests.request(caller, MailKind.VERIFY_EMAIL, email, redirect_to)

    async def confirm(self, caller: Caller, token: str) -> AddressConfirmed:
        """Confirm the address that a link was sent to. Raises: LinkExpired."""
        project = linked_project(caller)
        pool, until = await self.pools.of(project), await self.pools.revoked_until()
        found = await pool.links.find(token, MailKind.VERIFY_EMAIL)
        if found is None or found.user_id is None:
            raise _expired()
        async with self.stores.db.transaction():
            # lock the user before the link, as a deletion of the user does: two transactions at once cannot deadlock
            alter = partial(_verified, email=found.email)
            changed = await self.stores.users.change(project, found.user_id, alter, pool.clock.now(), until)
            if changed is None or await pool.links.take(token, MailKind.VERIFY_EMAIL) is None:
                raise _expired()
            await self.pools.journal.add(project, changed.id, Event(UserAct.EMAIL_VERIFY), the_user(caller))
        return AddressConfirmed("verified", pool.way_back(found.name))


def _verified(person: Person, email: str) -> Change:
    """Return the user with a confirmed address. Raises: LinkExpired, if the user has another address by now."""
    if person.email != email:
        raise _expired()
    return with_verified_email(person)


def _expired() -> LinkExpired:
    return LinkExpired("Ask for a new mail, and use its link.")
