"""The look that all pages of a project share: the name of its app, its colour, the language, and the page's policy."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from bunbase.contracts.tenant_auth.pages import UserPage
from bunbase.pkg.web_pages import layout
from bunbase.pkg.web_pages.captcha import widget, with_widget
from bunbase.pkg.web_pages.layout import POLICY, allow
from bunbase.tenant_auth.languages.texts import Texts


class Look(msgspec.Struct, frozen=True):
    """The look of a page. `asked`: the language that the page's URL names. If empty, the browser's language is used."""

    of: UserPage
    texts: Texts
    asked: str = ""

    @property
    def widget(self) -> str:
        """The widget of the captcha, or "" without a captcha."""
        chosen = self.of.captcha
        if chosen is None:
            return ""
        return widget(chosen.provider, chosen.site_key, self.texts.language, self.texts.captcha_missing)

    @property
    def app(self) -> str:
        return self.of.app_name or self.texts.your_account

    def page(self, title: str, *parts: str) -> str:
        return layout.page(self.app, title, *parts, language=self.texts.language, accent=self.of.accent)


NO_PROJECT: Final = UserPage("")  # This page is for a request that does not name its project.


def failed(look: Look, detail: str, *more: str) -> str:
    """Return the page for an error after which the form cannot be used again.

    `more`: links to other ways to continue.
    """
    return look.page(look.texts.problem_title, layout.alert(detail), *more, back_to_app(look, look.texts.back_to_app))


def back_to_app(look: Look, label: str) -> str:
    """Return a link to the app, or "" if the project allows no link."""
    return layout.link(look.of.app_url, label.format(app=look.app)) if look.of.app_url else ""


def policy_to(url: str) -> str:
    """Return the content security policy of a page whose form leads to a URL of the app.

    Chromium also applies `form-action` to the redirect after a form. Therefore the policy names the app's origin.
    """
    parts = urlsplit(url)
    target = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
    return allow(POLICY, "form-action", target)


def leading_to(url: str) -> dict[str, str]:
    """Return the headers of a page whose form leads to a URL of the app."""
    return {"content-security-policy": policy_to(url)}


def with_captcha(policy: str, page: UserPage) -> str:
    """Return the content security policy of a page that shows the widget if the project has a captcha."""
    return with_widget(policy, page.captcha.provider) if page.captcha is not None else policy
