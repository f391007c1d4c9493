"""The methods of the contract about invitations."""

from __future__ import annotations

from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.platform import AcceptedInvite, Invite, InvitedRegistration, Invites, OpenInvitation
from bunbase.platform.service.invite_acceptance import InviteAcceptance
from bunbase.platform.service.invites import Invitations
from bunbase.platform.service.newcomers import NewcomerAcceptance


class InviteMethods:
    """Every method calls the part that does the work."""

    invitations: Invitations
    invite_acceptance: InviteAcceptance
    newcomers: NewcomerAcceptance

    async def create_invite(self, caller: Caller, org: str | None, email: str, role: Role) -> Invite:
        return await self.invitations.create(caller, org, email, role)

    async def invites(self, caller: Caller, org: str | None, limit: int, cursor: str | None) -> Invites:
        return await self.invitations.list_invites(caller, org, limit, cursor)

    async def resend_invite(self, caller: Caller, org: str | None, id: str) -> Invite:
        return await self.invitations.resend(caller, org, id)

    async def delete_invite(self, caller: Caller, org: str | None, id: str) -> None:
        await self.invitations.delete(caller, org, id)

    async def accept_invite(self, caller: Caller, token: str) -> AcceptedInvite:
        return await self.invitations.accept(caller, token)

    async def invitation(self, token: str, cookie: str = "") -> OpenInvitation:
        return await self.invite_acceptance.invitation(token, cookie)

    async def accept_invite_by_password(self, caller: Caller, token: str, email: str, password: str) -> AcceptedInvite:
        return await self.invite_acceptance.by_password(caller, token, email, password)

    async def accept_invite_by_code(self, caller: Caller, token: str, challenge: str, code: str) -> AcceptedInvite:
        return await self.invite_acceptance.by_code(caller, token, challenge, code)

    async def accept_invite_by_pass(self, caller: Caller, token: str, cookie: str) -> AcceptedInvite:
        return await self.invite_acceptance.by_pass(caller, token, cookie)

    async def register_by_invite(self, caller: Caller, token: str, name: str, password: str) -> InvitedRegistration:
        return await self.newcomers.register(caller, token, name, password)

    async def open_account_by_invite(self, caller: Caller, token: str, name: str, password: str) -> AcceptedInvite:
        return await self.newcomers.open_on_page(caller, token, name, password)

    async def open_account_by_pass(self, caller: Caller, token: str, cookie: str) -> AcceptedInvite:
        return await self.newcomers.open_by_pass(caller, token, cookie)

    async def send_invite_mail(self, token: str) -> None:
        await self.newcomers.send_mail(token)
