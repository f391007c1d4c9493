"""Invitations to open an account. An administrator makes an invitation, and a link or a mail delivers it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.letters import INVITE_SECONDS, Letters
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.invites import Admission
from bunbase.contracts.bunauth.invites import AccountInvitation, AccountInvite, AccountInvites
from bunbase.contracts.bunauth.problems import AccountInviteNotFound, InvalidInvite, LinkExpired
from bunbase.contracts.caller import Act, Caller, Developer
from bunbase.pkg.addresses import normal_email
from bunbase.pkg.clock import Clock
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import new_id
from bunbase.pkg.opaque import fingerprint, new_secret

PREFIX: Final = "biv"
MAX_OPEN: Final = 1000
QUERY: Final = "invites"
USED: Final = (
    "If you have opened your account with it, sign in. Otherwise ask the person who invited you for a new invitation."
)


class InviteService:
    def __init__(self, stores: Stores, letters: Letters, clock: Clock) -> None:
        self.stores = stores
        self.letters = letters
        self.clock = clock

    async def create(self, caller: Caller, email: str | None, role: str) -> AccountInvite:
        """Make an invitation. Only this response contains its link.

        The mail contains another link, which proves that its user can read the mailbox.

        Raises: InvalidInput, Forbidden.
        """
        administrator, now = _administrator(caller, Act.ACCOUNT_INVITE_CREATE), self.clock.now()
        email = None if email is None else normal_email(email)
        token, mailed = new_secret(PREFIX), new_secret(PREFIX)
        url = self.letters.page("invite", token)
        inviter, until = await self.stores.accounts.existing(administrator.id), now + timedelta(seconds=INVITE_SECONDS)
        invite = AccountInvite(new_id("ain"), email, role, now, until, url, inviter.id, inviter.email)
        async with self.stores.db.transaction():
            hashes = fingerprint(token), None if email is None else fingerprint(mailed)
            if not await self.stores.invites.add(invite, *hashes, administrator.id, MAX_OPEN):
                raise InvalidInput(f"{MAX_OPEN} invitations are open, and there cannot be more. Delete some first.")
            if email is not None:
                await self.stores.mails.post(self.letters.invite(email, inviter, self.letters.page("invite", mailed)))
        return invite

    async def list(self, caller: Caller, limit: int, cursor: str | None) -> AccountInvites:
        """Return the open invitations, newest first. Raises: InvalidCursor, Forbidden."""
        _administrator(caller, Act.ACCOUNT_INVITE_READ)
        found = await self.stores.invites.page(self.clock.now(), page_start(QUERY, cursor, str, ""), limit + 1)
        page, next = cut_page(found, limit, QUERY, lambda invite: invite.id)
        return AccountInvites(tuple(page), next)

    async def delete(self, caller: Caller, id: str) -> None:
        """Withdraw an invitation. Raises: AccountInviteNotFound, Forbidden."""
        _administrator(caller, Act.ACCOUNT_INVITE_DELETE)
        if not await self.stores.invites.delete(id):
            raise AccountInviteNotFound

    async def of_link(self, token: str) -> AccountInvitation:
        """Return the valid invitation of a link. Raises: LinkExpired."""
        found = await self.stores.invites.find(fingerprint(token), self.clock.now())
        if found is None:
            raise LinkExpired(USED)
        inviter = await self.stores.accounts.by_id(found.invited_by)
        return AccountInvitation(found.email, found.role, inviter.email if inviter else "")

    async def admission(self, token: str, email: str) -> Admission:
        """Return the permissions that an invitation gives. Raises: LinkExpired, InvalidInvite."""
        found = await self.stores.invites.find(fingerprint(token), self.clock.now())
        if found is None:
            raise LinkExpired(USED)
        if found.email not in (None, email):
            raise InvalidInvite("Use the address that was invited, or ask for a new invitation.")
        return found

    async def use(self, token: str) -> None:
        """Use up an invitation. Call this inside the transaction that opens the account. Raises: LinkExpired."""
        if not await self.stores.invites.take(fingerprint(token), self.clock.now()):
            raise LinkExpired(USED)


def _administrator(caller: Caller, act: Act) -> Developer:
    with_session(caller, "it cannot invite people: sign in")
    return caller.administrator(act)
