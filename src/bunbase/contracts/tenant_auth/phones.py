"""Sign end users in with a code in a text message, and change their phone numbers."""

from __future__ import annotations

from typing import Protocol

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import User


class UserPhones(Protocol):
    """A person whose number has no user yet signs up in this way, if the project lets everybody sign up.

    If the caller has the token of an anonymous user, this user gets the number and keeps the id. `language`: the
    language of the message; empty for the languages that the caller's browser prefers.

    A request for a code raises PhoneNotConfigured, InvalidInput and PhoneNotAllowed. These problems depend only on the
    number and the settings, never on the users.
    """

    async def request_phone_code(self, caller: Caller, phone: str, language: str, captcha: str = "") -> None:
        """Send a code of six digits. The answer does not show whether the number has a user."""
        ...

    async def login_with_phone(self, caller: Caller, phone: str, code: str) -> UserSignedIn:
        """Sign in with the newest code of a number, once.

        Raises: InvalidCode, PhoneTaken, InvalidToken, UserBanned, SecondFactorRequired, TooManyUsers.
        """
        ...

    async def request_phone_change(self, caller: Caller, phone: str, language: str) -> None:
        """Send a code to the new number of the signed-in user.

        Raises: SignUpFirst, ReauthenticationRequired, RateLimited.
        """
        ...

    async def confirm_phone_change(self, caller: Caller, phone: str, code: str) -> User:
        """Store the new number for the signed-in user. The user's access tokens end, but the sessions stay.

        Raises: InvalidCode, PhoneTaken, Unauthenticated, and for an anonymous user the problems of `signup`.
        """
        ...

    async def remove_phone(self, caller: Caller) -> User:
        """Remove the number of the signed-in user. Raises: ReauthenticationRequired, LastSignInMethod."""
        ...
