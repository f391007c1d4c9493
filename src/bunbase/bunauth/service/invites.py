"""Invitations to open an account: an administrator makes them; a link or a mail carries them."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.letters import INVITE_SECONDS, Letters
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.invites import Admission
from bunbase.contracts.bunauth.invites import AccountInvite, AccountInvites
from bunbase.contracts.bunauth.problems import AccountInviteNotFound, InvalidInvite
from bunbase.contracts.caller import Caller, Developer
from bunbase.pkg.addresses import normal_email
from bunbase.pkg.clock import Clock
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.pkg.ids import new_id
from bunbase.pkg.opaque import fingerprint, new_secret

PREFIX: Final = "biv"
MAX_OPEN: Final = 1000
QUERY: Final = "invites"


class InviteService:
    def __init__(self, stores: Stores, letters: Letters, clock: Clock) -> None:
        self.stores = stores
        self.letters = letters
        self.clock = clock

    async def create(self, caller: Caller, email: str | None, role: str) -> AccountInvite:
        """Make an invitation; only this answer shows its link. Raises: InvalidInput, Forbidden."""
        administrator, now = _administrator(caller), self.clock.now()
        email = None if email is None else normal_email(email)
        token = new_secret(PREFIX)
        url = self.letters.page("invite", token)
        invite = AccountInvite(new_id("ain"), email, role, now, now + timedelta(seconds=INVITE_SECONDS), url)
        inviter = await self.stores.accounts.existing(administrator.id)
        async with self.stores.db.transaction():
            if not await self.stores.invites.add(invite, fingerprint(token), administrator.id, MAX_OPEN):
                raise InvalidInput(f"{MAX_OPEN} invitations are open, and there cannot be more. Delete some first.")
            if email is not None:
                await self.stores.mails.post(self.letters.invite(email, inviter, url))
        return invite

    async def list(self, caller: Caller, limit: int, cursor: str | None) -> AccountInvites:
        """Return the open invitations, newest first. Raises: InvalidCursor, Forbidden."""
        _administrator(caller)
        found = await self.stores.invites.page(self.clock.now(), page_start(QUERY, cursor, str, ""), limit + 1)
        page, next = cut_page(found, limit, QUERY, lambda invite: invite.id)
        return AccountInvites(tuple(page), next)

    async def delete(self, caller: Caller, id: str) -> None:
        """Raises: AccountInviteNotFound, Forbidden."""
        _administrator(caller)
        if not await self.stores.invites.delete(id):
            raise AccountInviteNotFound

    async def admission(self, token: str, email: str) -> Admission:
        """Return what an invitation allows. Raises: InvalidInvite."""
        found = await self.stores.invites.find(fingerprint(token), self.clock.now())
        if found is None or found.email not in (None, email):
            raise InvalidInvite("Use the address that was invited, or ask for a new invitation.")
        return found

    async def use(self, token: str) -> None:
        """Use an invitation up. Call this inside the transaction that opens the account. Raises: InvalidInvite."""
        if not await self.stores.invites.take(fingerprint(token), self.clock.now()):
            raise InvalidInvite("Somebody has used this invitation: ask for a new one.")


def _administrator(caller: Caller) -> Developer:
    developer = with_session(caller, "it cannot invite people: sign in")
    if not developer.admin:
        raise Forbidden("Only administrators of this installation invite people to it.")
    return developer
