"""Sign-ups of end users whose address is confirmed first."""

from __future__ import annotations

from typing import Protocol

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.sessions import UserSignedIn


class UserSignups(Protocol):
    """The calls raise LinkExpired, EmailTaken, InvalidInput, WeakPassword, SignupsClosed, EmailDomainNotAllowed and
    TooManyUsers.
    """

    async def confirm_user_signup(self, caller: Caller, token: str, password: str) -> UserSignedIn:
        """Create the user that the link of a mail is for, with a password, and sign the user in."""
        ...

    async def open_confirmed_user(self, caller: Caller, token: str, password: str) -> None:
        """Create the user that the link of a mail is for, with a password. For the page of the link."""
        ...
