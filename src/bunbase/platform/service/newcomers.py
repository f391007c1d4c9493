"""Open accounts for invited people without an account, and make them members.

The life of one newcomer:

    1. The person opens the link. A link from the mail proves that the person reads the mailbox, so the person
    continues.
      Otherwise somebody passed the link on, which proves nothing, so the page sends a mail to the invited address.
    2. BunAuth opens the account, always for the invited address, and decides whether the installation admits newcomers
       of this inviter.
    3. The account becomes a member. BunBase locks the invitation during steps 2 and 3, so nobody can withdraw or use it
    in between. Of two requests at the same time, only one opens the account. If the server is killed between these two
    steps, the
       account exists and the invitation is still open. Then the person signs in with the same link.

Hard place: an invitation is locked while BunAuth checks and hashes a password, which may take seconds. Symptom: forty
requests with one link waited for the lock, each with a connection, and all other requests of the room failed. So only
one request of each project or organisation gets a connection here at the same time, and at most AT_ONCE requests in
total.

Record: docs/decisions/0058-the-mail-of-an-invitation-opens-the-account.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from bunbase.contracts.audit import ActEnd, AuditedAct
from bunbase.contracts.bunauth.accounts import Account, SignedIn
from bunbase.contracts.bunauth.newcomers import InvitedAccount
from bunbase.contracts.bunauth.page_sign_in import ActPage, PageName
from bunbase.contracts.bunauth.problems import SignupsClosed
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Act, Caller, CallerKind, Developer
from bunbase.contracts.invitations import MAILED
from bunbase.contracts.platform import (
    AcceptedInvite,
    Invite,
    InvitedRegistration,
    InvitedSignIn,
    Opening,
)
from bunbase.pkg import context
from bunbase.pkg.errors import RateLimited
from bunbase.pkg.identity.problems import LinkExpired
from bunbase.pkg.opaque import fingerprint, new_secret
from bunbase.platform.audit.service import Audit
from bunbase.platform.service.invite_mail import shown_name
from bunbase.platform.service.invites import ASK_AGAIN, HOUR_SECONDS, Invitations, link_with
from bunbase.platform.store.invites import SentInvite

# one invitation sends at most this number of mails in an hour to people who have only the link that was passed on
MAX_MAILS: Final = 5
# at most this number of accounts are opened at the same time, because each needs a connection until BunAuth has
# answered
AT_ONCE: Final = 3
NOT_ADMITTED: Final = (
    "This invitation opens no account here: ask an administrator of this server for an invitation, open the account "
    "with it, and then accept this invitation."
)

Open = Callable[[SentInvite], Awaitable[Account]]


class NewcomerAcceptance:
    """`sends_mail`: False if the installation has no mail server."""

    def __init__(self, invitations: Invitations, bunauth: BunAuth, audit: Audit, sends_mail: bool) -> None:
        self.invitations = invitations
        self.bunauth = bunauth
        self.audit = audit
        self.sends_mail = sends_mail
        self.clock = invitations.clock
        # a lock lives as long as a request uses it
        self.opening_in: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.turns = asyncio.Semaphore(AT_ONCE)

    async def opening(self, sent: SentInvite) -> Opening:
        """Return the way in which the holder of a link may open an account.

        For a link that was passed on, the way is the same for every address, so it does not show whether the address
        has an account.
        """
        if not await self.bunauth.admits_newcomers(sent.invited_by):
            return Opening.CLOSED
        if sent.mailed:
            return Opening.HAS_ACCOUNT if await self.bunauth.has_account(sent.email) else Opening.HERE
        return Opening.BY_MAIL if self.sends_mail else Opening.CLOSED

    async def register(self, caller: Caller, token: str, name: str, password: str) -> InvitedRegistration:
        sent = await self.invitations.find_open(token)
        if not sent.mailed:
            await self.send_mail(token)
            return InvitedRegistration(None)
        kept: list[SignedIn] = []

        async def open(sent: SentInvite) -> Account:
            kept.append(await self.bunauth.open_invited(caller, _account(sent, name, password)))
            return kept[0].user

        joined = await self._join_new(caller, token, open)
        return InvitedRegistration(InvitedSignIn(**msgspec.structs.asdict(kept[0]), joined=joined))

    async def open_on_page(self, caller: Caller, token: str, name: str, password: str) -> AcceptedInvite:
        async def open(sent: SentInvite) -> Account:
            return await self.bunauth.open_invited_on_page(caller, _account(sent, name, password))

        return await self._join_new(caller, token, open)

    async def open_by_pass(self, caller: Caller, token: str, cookie: str) -> AcceptedInvite:
        """The service where the person signed in has verified the address, so a link that was passed on is enough."""
        to = ActPage(PageName.INVITE, token)

        async def open(sent: SentInvite) -> Account:
            return await self.bunauth.open_invited_by_pass(caller, to, cookie, sent.email, sent.invited_by)

        return await self._join_new(caller, token, open)

    async def send_mail(self, token: str) -> None:
        """Send the mail once more. The answer does not depend on whether the address has an account.

        Raises: LinkExpired, RateLimited, SignupsClosed.
        """
        found, now = await self.invitations.find_open(token), self.clock.now()
        if not self.sends_mail or not await self.bunauth.admits_newcomers(found.invited_by):
            raise SignupsClosed(NOT_ADMITTED)
        inviters = await self.bunauth.accounts((found.invited_by,))
        names = [(shown_name(one.name, one.email), one.email) for one in inviters]
        if not names:
            raise LinkExpired(ASK_AGAIN)
        async with self.invitations.locked(token) as sent:
            await self.invitations.check_acceptable(sent)
            if await self.invitations.stores.invites.count_sent(sent.id, now) > MAX_MAILS:
                wait = HOUR_SECONDS - int(now.timestamp()) % HOUR_SECONDS
                raise RateLimited("Too many mails were sent for this invitation.", retry_after_seconds=wait)
            mailed = new_secret(MAILED)
            invite = Invite(sent.id, sent.email, sent.role, sent.created_at, sent.expires_at)
            url = link_with(self.invitations.public_url, mailed)
            target = await self.invitations.stores.name_of(sent.group)
            lifetime = sent.expires_at - now
            if await self.invitations.mail.post(sent.group, target, names[0], invite, url, lifetime):
                await self.invitations.stores.invites.renew_mail(sent.group, sent.id, fingerprint(mailed), now)

    async def _join_new(self, caller: Caller, token: str, open: Open) -> AcceptedInvite:
        sent = await self.invitations.find_open(token)
        inviters = await self.bunauth.accounts((sent.invited_by,))
        alone = self.opening_in.setdefault(sent.group.id, asyncio.Lock())
        async with alone, self.turns:
            await self.invitations.find_open(token)  # the request before this one may have used the invitation
            return await self._join_now(caller, token, open, inviters[0].email if inviters else "")

    async def _join_now(self, caller: Caller, token: str, open: Open, inviter: str) -> AcceptedInvite:
        async with self.invitations.locked(token) as sent:
            await self.invitations.check_acceptable(sent)
            await self.invitations.people.check_room(sent.group)
            account = await open(sent)
            await self.invitations.join_now(sent, account.id)
            joined = await self.invitations.joined(sent.group, account.id)
            await self._note(caller, account, sent, joined, inviter)
        return joined

    async def _note(
        self, caller: Caller, account: Account, sent: SentInvite, joined: AcceptedInvite, inviter: str
    ) -> None:
        """Store the entry of the audit log, in the transaction of the act. BunAuth stores another entry for the
        account.
        """
        act = AuditedAct(Act.INVITE_ACCEPT.value, request_id=context.request_id.get())
        entry = await self.audit.begin_act(as_actor(caller, account), act)
        values = {"role": joined.role.value, "opened_account": True, "invited_by": sent.invited_by}
        values |= {"inviter": inviter} if inviter else {}
        project, org = (place.id if place else "" for place in (joined.project, joined.org))
        await self.audit.end_act(entry, ActEnd(200, values, project or org, project, org))


def _account(sent: SentInvite, name: str, password: str) -> InvitedAccount:
    """Raises: LinkExpired if the link did not come by mail."""
    if not sent.mailed:
        raise LinkExpired("This link opens no account: use the link in the mail to the invited address.")
    return InvitedAccount(sent.email, sent.invited_by, name, password)


def as_actor(caller: Caller, account: Account) -> Caller:
    """Return a caller for the audit log: on pages, the gateway does not know who acts."""
    person = Developer(account.id, account.email, admin=account.role == "admin")
    return Caller(CallerKind.DEVELOPER, developer=person, ip=caller.ip, agent=caller.agent)
