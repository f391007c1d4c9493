"""Verify the address of an account, and change it."""

from __future__ import annotations

from functools import partial

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.journal import noted
from bunbase.bunauth.service.mail_requests import MailRequests
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.mail_tokens import MailKind
from bunbase.contracts.bunauth.accounts import EmailConfirmed
from bunbase.contracts.bunauth.activity import Activity
from bunbase.contracts.bunauth.problems import LinkExpired
from bunbase.contracts.caller import Caller
from bunbase.pkg.addresses import normal_email
from bunbase.pkg.identity.email_changes import EmailChanges


class Email:
    def __init__(self, stores: Stores, requests: MailRequests, proofs: Proofs) -> None:
        self.stores = stores
        self.requests = requests
        self.proofs = proofs
        letters = requests.letters
        page = partial(letters.page, "change-email")
        self.changes = EmailChanges(requests.links, stores.accounts, lambda _: letters.account, page)

    async def request_verification(self, email: str) -> None:
        await self.requests.request(MailKind.VERIFY_EMAIL, email)

    async def verify(self, caller: Caller, token: str) -> EmailConfirmed:
        """Verify the address to which a link was sent. Raises: LinkExpired."""
        async with self.stores.db.transaction():
            # The account is locked before the link, in the same order as in a deletion of the account, to avoid
            # deadlocks.
            seen = await self.requests.links.find(token, MailKind.VERIFY_EMAIL)
            if seen is not None and seen.user_id is not None:
                await self.stores.accounts.locked(seen.user_id)
            found = await self.requests.links.take(token, MailKind.VERIFY_EMAIL)
            if found is None or found.user_id is None:
                raise LinkExpired("Ask for a new mail, and use its link.")
            if await self.stores.accounts.verify_email(found.user_id, found.email, self.requests.clock.now()):
                # An earlier request to change the address ends here, because it would not need the consent of this
                # address.
                await self.stores.email_changes.forget(found.user_id)
                happened = Happened(Activity.VERIFY_EMAIL)
                await self.proofs.tokens.activity.add(caller, found.user_id, happened)
        return EmailConfirmed("verified")

    async def request_change(self, caller: Caller, email: str) -> None:
        """Send links to both addresses. The answer does not show whether another account has the new address.

        Raises: ReauthenticationRequired, InvalidInput, Forbidden.
        """
        developer = await self.proofs.need_fresh(caller)
        await self.changes.start(developer.id, normal_email(email))

    async def confirm_change(self, caller: Caller, token: str) -> EmailConfirmed:
        """Confirm a change for the address that the link was sent to. Raises: LinkExpired."""
        note = noted(self.proofs.tokens.activity, caller)
        return EmailConfirmed(await self.changes.confirm(token, note))
