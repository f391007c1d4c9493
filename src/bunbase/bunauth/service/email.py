"""Verify the address of an account, and change it.

A change needs the consent of both addresses: the new one proves that it exists and belongs to the same person, and the
old one stops a thief with an open session. An old address that was never verified is not asked.
"""

from __future__ import annotations

from datetime import timedelta

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.letters import VERIFY_SECONDS
from bunbase.bunauth.service.mail_requests import MailRequests
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.mail_tokens import CHANGES, MailKind
from bunbase.contracts.bunauth.accounts import EmailConfirmed
from bunbase.contracts.bunauth.activity import Activity
from bunbase.contracts.bunauth.problems import LinkExpired
from bunbase.contracts.caller import Caller
from bunbase.pkg.addresses import normal_email
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.opaque import fingerprint


class Email:
    def __init__(self, stores: Stores, requests: MailRequests, proofs: Proofs) -> None:
        self.stores = stores
        self.requests = requests
        self.letters = requests.letters
        self.proofs = proofs
        self.clock = requests.clock

    async def request_verification(self, email: str) -> None:
        await self.requests.request(MailKind.VERIFY_EMAIL, email)

    async def verify(self, token: str) -> EmailConfirmed:
        """Verify the address that a link was sent to. Raises: LinkExpired."""
        now = self.clock.now()
        async with self.stores.db.transaction():
            found = await self.stores.mail_tokens.take(fingerprint(token), (MailKind.VERIFY_EMAIL,), now)
            if found is None or found.user_id is None:
                raise LinkExpired("Ask for a new mail, and use its link.")
            await self.stores.accounts.verify_email(found.user_id, found.email, now)
        return EmailConfirmed("verified")

    async def request_change(self, caller: Caller, email: str) -> None:
        """Send links to both addresses. The answer does not show whether another account has the new address.

        Raises: ReauthenticationRequired, InvalidInput, Forbidden.
        """
        developer, new = await self.proofs.need_fresh(caller), normal_email(email)
        expires_at = self.clock.now() + timedelta(seconds=VERIFY_SECONDS)
        async with self.stores.db.transaction():
            account = await self.stores.accounts.locked(developer.id)
            if account is None or account.email == new:
                raise InvalidInput.at("/email", "This is the address of the account already.")
            old = account.email
            await self.stores.mail_tokens.forget_of_account(developer.id, *CHANGES)
            await self.stores.email_changes.replace(developer.id, new, not account.verified, expires_at)
            if account.verified:
                await self.requests.post_link(
                    MailKind.CHANGE_OF_OLD, old, developer.id, lambda token: self.letters.change_of_old(old, new, token)
                )
            await self.requests.post_link(
                MailKind.CHANGE_OF_NEW, new, developer.id, lambda token: self.letters.change_of_new(new, token)
            )

    async def confirm_change(self, caller: Caller, token: str) -> EmailConfirmed:
        """Confirm a change for the address that the link was sent to. Raises: LinkExpired."""
        now, stores = self.clock.now(), self.stores
        async with stores.db.transaction():
            found = await stores.mail_tokens.take(fingerprint(token), CHANGES, now)
            if found is None or found.user_id is None:
                raise LinkExpired("Ask for the change again.")
            account = await stores.accounts.locked(found.user_id)
            by_old = found.kind is MailKind.CHANGE_OF_OLD
            change = await stores.email_changes.confirm(found.user_id, by_old, now)
            if account is None or change is None:
                raise LinkExpired("Ask for the change again.")
            if not change.confirmed:
                return EmailConfirmed("pending")
            await stores.email_changes.forget(found.user_id)
            if not await stores.accounts.set_email(found.user_id, change.new_email, now):
                raise LinkExpired("The change is no longer possible: ask for it again.")
            await self.proofs.tokens.activity.add(caller, found.user_id, Happened(Activity.CONFIRM_EMAIL))
            await stores.mails.post(self.letters.email_changed(account.email, change.new_email))
        return EmailConfirmed("changed")
