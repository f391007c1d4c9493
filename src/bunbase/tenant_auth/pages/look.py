"""The look that all pages of a project share: the name of its app, its colour, the language, and the policy."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from bunbase.contracts.tenant_auth.pages import UserPage
from bunbase.pkg.web_pages import layout
from bunbase.pkg.web_pages.layout import POLICY, allow
from bunbase.tenant_auth.languages.texts import Texts


class Look(msgspec.Struct, frozen=True):
    """`asked`: the language that the address of the page names; empty if the browser chooses."""

    of: UserPage
    texts: Texts
    asked: str = ""

    @property
    def app(self) -> str:
        return self.of.app_name or self.texts.your_account

    def page(self, title: str, *parts: str) -> str:
        return layout.page(self.app, title, *parts, language=self.texts.language, accent=self.of.accent)


NO_PROJECT: Final = UserPage("")  # for a request that does not say which project it is for


def failed(look: Look, detail: str, asks_again: bool = False) -> str:
    """Return the page for an error after which the same form is of no use. `asks_again`: the app sends a new mail."""
    label = look.texts.ask_again if asks_again else look.texts.back_to_app
    back = layout.link(look.of.app_url, label.format(app=look.app)) if look.of.app_url else ""
    return look.page(look.texts.problem_title, layout.alert(detail), back)


def policy_to(url: str) -> str:
    """Return the policy of a page whose form leads to an address of the app.

    Chromium applies `form-action` also to the redirect after a form, therefore the policy names the app's origin.
    """
    parts = urlsplit(url)
    target = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
    return allow(POLICY, "form-action", target)


def leading_to(url: str) -> dict[str, str]:
    """Return the headers of a page whose form leads to an address of the app."""
    return {"content-security-policy": policy_to(url)}
