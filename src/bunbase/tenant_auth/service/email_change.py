"""Change the address of a user, with the consent of both addresses."""

from __future__ import annotations

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.mails import AddressConfirmed
from bunbase.pkg.addresses import normal_email
from bunbase.tenant_auth.admissions import check_domain
from bunbase.tenant_auth.journal import the_user
from bunbase.tenant_auth.service.callers import keyed_project, linked_project
from bunbase.tenant_auth.service.proofs import Proofs


class EmailChange:
    def __init__(self, proofs: Proofs) -> None:
        self.proofs = proofs
        self.pools = proofs.pools

    async def request(self, caller: Caller, email: str) -> None:
        """Send links to both addresses. The answer does not show whether another user has the new address.

        Raises: SignUpFirst, ReauthenticationRequired, InvalidInput, EmailDomainNotAllowed.
        """
        normal = normal_email(email)
        pool, user = await self.pools.of(keyed_project(caller)), await self.proofs.need_signed_up(caller)
        check_domain(pool.auth, normal)
        await pool.email_changes.start(user.uid, normal)

    async def confirm(self, caller: Caller, token: str) -> AddressConfirmed:
        """Confirm a change for the address that the link was sent to. Raises: LinkExpired."""
        pool = await self.pools.of(linked_project(caller))
        note = self.pools.journal.noted(pool.project, the_user(caller))
        return AddressConfirmed(await pool.email_changes.confirm(token, note))
