"""Confirm the addresses of end users by mail."""

from __future__ import annotations

from typing import Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.pkg.mail.letters import DevMail


class AddressConfirmed(msgspec.Struct, frozen=True):
    """`redirect_to`: the URL of the app in the request for the mail; empty if the request had none."""

    status: str
    redirect_to: str = ""


class UserMails(Protocol):
    """`redirect_to`: the URL of the app to which the page behind the link leads back; empty for none.

    The URL must be below one of the project's `redirect_urls`. Otherwise, a request for a mail raises InvalidInput.
    """

    async def request_user_verification(self, caller: Caller, email: str, redirect_to: str, captcha: str = "") -> None:
        """Send a link that confirms an address. The answer does not show whether the address has a user.

        Raises: InvalidInput, CaptchaRequired, CaptchaRefused, CaptchaUnavailable.
        """
        ...

    async def verify_user_email(self, caller: Caller, token: str) -> AddressConfirmed:
        """Confirm the address to which a link was sent. `caller`: a caller of the project to which the link belongs.

        Raises: LinkExpired.
        """
        ...

    async def mailed_target(self, caller: Caller, token: str) -> str:
        """Return the URL of the app to which the page behind a link leads back; "" for none. The link stays valid.

        `caller`: the same as in `verify_user_email`. Raises: LinkExpired.
        """
        ...

    async def request_user_email_change(self, caller: Caller, email: str) -> None:
        """Send links to both addresses of the signed-in user. An old address that was never verified does not have to
        confirm.

        The answer does not show whether another user has the new address.
        Raises: ReauthenticationRequired, InvalidInput.
        """
        ...

    async def confirm_user_email_change(self, caller: Caller, token: str) -> AddressConfirmed:
        """Confirm a change for the address to which the link was sent. `caller`: the same as in `verify_user_email`.

        The status is "pending" until the other address has confirmed too, and then "changed". Raises: LinkExpired.
        """
        ...

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        """Return the mails of this room in the mailbox of dev mode; see `BunAuth.dev_mails`."""
        ...
