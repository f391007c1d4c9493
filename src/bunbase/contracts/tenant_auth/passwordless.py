"""Sign end users in without a password, with a mail."""

from __future__ import annotations

from typing import Protocol

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.sessions import UserSignedIn


class UserPasswordless(Protocol):
    """A person whose address has no user yet signs up in this way, if the project lets everybody sign up.

    If a user has the address but never confirmed it, the person who reads its mails gets the account. BunBase then
    confirms the address, and removes the password, the factors and the sessions of the person who opened the account.

    If the caller has the token of an anonymous user, this user gets the address and keeps the id. EmailTaken: another
    user has the address already, and the code or link stays valid.
    """

    async def request_user_code(self, caller: Caller, email: str, captcha: str = "") -> None:
        """Send a code of six digits. The answer does not show whether the address has a user.

        `captcha`: the same as at a sign-up. Raises: CaptchaRequired, CaptchaRefused, CaptchaUnavailable.
        """
        ...

    async def login_with_code(self, caller: Caller, email: str, code: str) -> UserSignedIn:
        """Sign in with the newest code of an address, once.

        Raises: InvalidCode, EmailTaken, InvalidToken, UserBanned, SecondFactorRequired, TooManyUsers.
        """
        ...

    async def request_user_link(self, caller: Caller, email: str, redirect_to: str, captcha: str = "") -> None:
        """Send a link that signs in. The answer does not show whether the address has a user.

        `redirect_to`: the URL of the app that gets the token; empty for the first of the project's `redirect_urls`.
        `captcha`: the same as at a sign-up. Raises: InvalidInput, CaptchaRequired, CaptchaRefused, CaptchaUnavailable.
        """
        ...

    async def user_link_target(self, caller: Caller, token: str) -> str:
        """Return the URL of the app, with the token of the link. The link stays valid.

        `caller`: a caller of the link's project.

        Raises: LinkExpired.
        """
        ...

    async def login_with_link(self, caller: Caller, token: str) -> UserSignedIn:
        """Sign in with the token of a link, once.

        Raises: LinkExpired, EmailTaken, InvalidToken, UserBanned, SecondFactorRequired, TooManyUsers.
        """
        ...
