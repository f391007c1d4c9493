"""Confirm the addresses of end users by mail."""

from __future__ import annotations

from typing import Protocol

from bunbase.contracts.bunauth.accounts import EmailConfirmed
from bunbase.contracts.caller import Caller
from bunbase.pkg.mail.letters import DevMail


class UserMails(Protocol):
    async def request_user_verification(self, caller: Caller, email: str) -> None:
        """Send a link that confirms an address. The answer does not show whether the address has a user."""
        ...

    async def verify_user_email(self, caller: Caller, token: str) -> EmailConfirmed:
        """Confirm the address that a link was sent to. `caller`: of the project that the link belongs to.

        Raises: LinkExpired.
        """
        ...

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        """Return the mails of this room in the mailbox of dev mode; see `BunAuth.dev_mails`."""
        ...
