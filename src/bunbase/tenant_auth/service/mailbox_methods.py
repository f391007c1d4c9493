"""The methods of the contract that are about codes and links that are sent to an address or a phone."""

from __future__ import annotations

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.mails import AddressConfirmed
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import User
from bunbase.tenant_auth.service.email_change import EmailChange
from bunbase.tenant_auth.service.mailbox_sign_in import MailboxSignIn
from bunbase.tenant_auth.service.password import Password
from bunbase.tenant_auth.service.phone import PhoneSignIn
from bunbase.tenant_auth.service.verify_email import VerifyEmail


class MailboxMethods:
    """Every method calls the part that does the work."""

    by_mailbox: MailboxSignIn
    by_phone: PhoneSignIn
    email_change: EmailChange
    password: Password
    verify_email: VerifyEmail

    async def request_user_verification(self, caller: Caller, email: str, redirect_to: str, captcha: str = "") -> None:
        await self.verify_email.request(caller, email, redirect_to, captcha)

    async def verify_user_email(self, caller: Caller, token: str) -> AddressConfirmed:
        return await self.verify_email.confirm(caller, token)

    async def request_user_code(self, caller: Caller, email: str, captcha: str = "") -> None:
        await self.by_mailbox.request_code(caller, email, captcha)

    async def login_with_code(self, caller: Caller, email: str, code: str) -> UserSignedIn:
        return await self.by_mailbox.with_code(caller, email, code)

    async def request_user_link(self, caller: Caller, email: str, redirect_to: str, captcha: str = "") -> None:
        await self.by_mailbox.request_link(caller, email, redirect_to, captcha)

    async def user_link_target(self, caller: Caller, token: str) -> str:
        return await self.by_mailbox.link_target(caller, token)

    async def login_with_link(self, caller: Caller, token: str) -> UserSignedIn:
        return await self.by_mailbox.with_link(caller, token)

    async def request_phone_code(self, caller: Caller, phone: str, language: str, captcha: str = "") -> None:
        await self.by_phone.request_code(caller, phone, language, captcha)

    async def login_with_phone(self, caller: Caller, phone: str, code: str) -> UserSignedIn:
        return await self.by_phone.with_code(caller, phone, code)

    async def request_phone_change(self, caller: Caller, phone: str, language: str) -> None:
        await self.by_phone.request_change(caller, phone, language)

    async def confirm_phone_change(self, caller: Caller, phone: str, code: str) -> User:
        return await self.by_phone.confirm_change(caller, phone, code)

    async def remove_phone(self, caller: Caller) -> User:
        return await self.by_phone.remove(caller)

    async def request_user_email_change(self, caller: Caller, email: str) -> None:
        await self.email_change.request(caller, email)

    async def confirm_user_email_change(self, caller: Caller, token: str) -> AddressConfirmed:
        return await self.email_change.confirm(caller, token)

    async def request_user_password_reset(
        self, caller: Caller, email: str, redirect_to: str, captcha: str = ""
    ) -> None:
        await self.password.request_reset(caller, email, redirect_to, captcha)

    async def reset_user_password(self, caller: Caller, token: str, password: str) -> str:
        return await self.password.reset(caller, token, password)
