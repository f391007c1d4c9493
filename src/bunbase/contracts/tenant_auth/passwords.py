"""Reset and change the passwords of end users."""

from __future__ import annotations

from typing import Protocol

from bunbase.contracts.caller import Caller


class UserPasswords(Protocol):
    async def request_user_password_reset(
        self, caller: Caller, email: str, redirect_to: str, captcha: str = ""
    ) -> None:
        """Send a link that sets a new password. The answer does not show whether the address has a user.

        `redirect_to`: the same as in UserMails. `captcha`: the same as at a sign-up.
        Raises: InvalidInput, CaptchaRequired, CaptchaRefused, CaptchaUnavailable.
        """
        ...

    async def reset_user_password(self, caller: Caller, token: str, password: str) -> str:
        """Set a new password with a link, and end all sessions of the user. The address of the user is confirmed.

        Return the URL of the app to which the browser goes back, or "". Raises: LinkExpired, InvalidInput, SignInBusy.
        """
        ...

    async def change_user_password(self, caller: Caller, password: str, current: str | None) -> None:
        """Set a new password for the signed-in user. All other sessions of the user end.

        `current`: the current password, which is a proof; None if the session has a fresh proof.
        Raises: ReauthenticationRequired, WrongProof, InvalidInput, SignInBusy.
        """
        ...
