"""Accept invitations on the page that their link opens. The person signs in there for this one act.

Pages have no credentials, so the gateway cannot store an entry in the audit log. This module stores the entry.
"""

from __future__ import annotations

from bunbase.contracts.audit import ActEnd, AuditedAct
from bunbase.contracts.bunauth.accounts import Account
from bunbase.contracts.bunauth.page_sign_in import ActPage, PageName
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.platform import AcceptedInvite, OpenInvitation
from bunbase.pkg import context
from bunbase.pkg.errors import Problem
from bunbase.platform.audit.service import Audit
from bunbase.platform.service.invites import Invitations
from bunbase.platform.service.newcomers import NewcomerAcceptance, as_actor


class InviteAcceptance:
    def __init__(self, invitations: Invitations, bunauth: BunAuth, audit: Audit, newcomers: NewcomerAcceptance) -> None:
        self.invitations = invitations
        self.bunauth = bunauth
        self.audit = audit
        self.newcomers = newcomers

    async def invitation(self, token: str, cookie: str) -> OpenInvitation:
        found = await self.invitations.find_open(token)
        inviters = await self.bunauth.accounts((found.invited_by,))
        target = await self.invitations.stores.name_of(found.group)
        ways = await self.bunauth.page_ways(ActPage(PageName.INVITE, token), cookie)
        inviter, opening = inviters[0].email if inviters else "", await self.newcomers.opening(found)
        return OpenInvitation(target, found.role, found.email, inviter, ways, opening, found.kind.in_words)

    async def by_password(self, caller: Caller, token: str, email: str, password: str) -> AcceptedInvite:
        await self.invitations.check(token)  # check this before the password is hashed, which is expensive
        return await self._accept(caller, token, await self.bunauth.identify_by_password(caller, email, password))

    async def by_code(self, caller: Caller, token: str, challenge: str, code: str) -> AcceptedInvite:
        await self.invitations.check(token)  # check this before the code is used up
        return await self._accept(caller, token, await self.bunauth.identify_by_code(caller, challenge, code))

    async def by_pass(self, caller: Caller, token: str, cookie: str) -> AcceptedInvite:
        await self.invitations.check(token)  # check this before the pass is used up
        account = await self.bunauth.identify_by_pass(caller, ActPage(PageName.INVITE, token), cookie)
        return await self._accept(caller, token, account)

    async def _accept(self, caller: Caller, token: str, account: Account) -> AcceptedInvite:
        act = AuditedAct(Act.INVITE_ACCEPT.value, request_id=context.request_id.get())
        entry = await self.audit.begin_act(as_actor(caller, account), act)
        try:
            joined = await self.invitations.join(account.id, token)
        except Problem as problem:
            await self.audit.end_act(entry, ActEnd(problem.status))
            raise
        await self.audit.end_act(entry, _end(joined))
        return joined


def _end(joined: AcceptedInvite) -> ActEnd:
    """Return the outcome of the act.

    If the person was a member already, only the log of the installation has an entry, because the project or
    organisation has not changed.
    """
    if joined.already_member:
        return ActEnd(200, {"role": joined.role.value, "already_member": True})
    project, org = (place.id if place else "" for place in (joined.project, joined.org))
    return ActEnd(200, {"role": joined.role.value}, project or org, project, org)
