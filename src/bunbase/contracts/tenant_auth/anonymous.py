"""Users without an address: an app opens an account for every visitor, who may sign up later."""

from __future__ import annotations

from typing import Any, Protocol

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.sessions import UserSignedIn


class AnonymousUsers(Protocol):
    """A sign-up by an anonymous user (`caller.user`) makes the user an ordinary user, with the same id and data."""

    async def sign_in_anonymously(self, caller: Caller, data: dict[str, Any], captcha: str = "") -> UserSignedIn:
        """Create an anonymous user and open the first session.

        Raises: AnonymousUsersOff, TooManyUsers, InvalidInput, CaptchaRequired, CaptchaRefused, CaptchaUnavailable.
        """
        ...
