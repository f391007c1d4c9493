"""The look of the pages for end users."""

from __future__ import annotations

from typing import Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.settings import Captcha


class UserPage(msgspec.Struct, frozen=True):
    """The look of the pages of a project. `accent`: the colour of buttons; empty for the default colour.

    `min_length`: the minimum length of a new password. `app_url`: a URL of the app; "" if the project allows none.
    `captcha`: the captcha; None if the project has none.
    """

    app_name: str
    languages: tuple[str, ...] = ("en",)
    accent: str = ""
    min_length: int = 8
    app_url: str = ""
    captcha: Captcha | None = None


class UserPages(Protocol):
    async def user_page(self, caller: Caller) -> UserPage:
        """Return the look of the pages of the caller's project."""
        ...
