"""The methods of the contract that are about links that are sent to an address."""

from __future__ import annotations

from bunbase.bunauth.service.email import Email
from bunbase.bunauth.service.invites import InviteService
from bunbase.bunauth.service.password import Password
from bunbase.bunauth.service.registration import Registration
from bunbase.contracts.bunauth.accounts import Account, EmailConfirmed, NewAccount, PasswordReset, SignedIn
from bunbase.contracts.bunauth.invites import AccountInvitation, AccountInvite, AccountInvites
from bunbase.contracts.caller import Caller


class MailboxMethods:
    """Every method calls the part that does the work."""

    email: Email
    invitations: InviteService
    password: Password
    registration: Registration

    async def confirm_signup(self, caller: Caller, token: str, password: str) -> SignedIn:
        return await self.registration.confirm(caller, token, password)

    async def open_account(self, caller: Caller, token: str, password: str) -> Account:
        return (await self.registration.open_confirmed(caller, token, password)).account()

    async def signup_address(self, token: str) -> str:
        return await self.registration.address_of(token)

    async def request_password_reset(self, email: str) -> None:
        await self.password.request_reset(email)

    async def reset_password(self, caller: Caller, token: str, password: str) -> PasswordReset:
        return await self.password.reset(caller, token, password)

    async def request_email_verification(self, email: str) -> None:
        await self.email.request_verification(email)

    async def verify_email(self, caller: Caller, token: str) -> EmailConfirmed:
        return await self.email.verify(caller, token)

    async def request_email_change(self, caller: Caller, email: str) -> None:
        await self.email.request_change(caller, email)

    async def confirm_email_change(self, caller: Caller, token: str) -> EmailConfirmed:
        return await self.email.confirm_change(caller, token)

    async def create_invite(self, caller: Caller, email: str | None, role: str) -> AccountInvite:
        return await self.invitations.create(caller, email, role)

    async def invites(self, caller: Caller, limit: int, cursor: str | None) -> AccountInvites:
        return await self.invitations.list(caller, limit, cursor)

    async def invitation(self, token: str) -> AccountInvitation:
        return await self.invitations.of_link(token)

    async def accept_invite(self, caller: Caller, new: NewAccount) -> Account:
        return (await self.registration.open_invited(caller, new)).account()

    async def delete_invite(self, caller: Caller, id: str) -> None:
        await self.invitations.delete(caller, id)
