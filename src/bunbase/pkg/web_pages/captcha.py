"""The widget of a captcha on a page, and the policy that lets it run. Only pages of apps with a captcha show it.

The script of the widget is not ours, and it can read the page that contains it. So it never runs on a page with a
secret in its URL, and the policy allows only the hosts that the documentation of the service names.

- https://developers.cloudflare.com/turnstile/reference/content-security-policy/ -
https://docs.hcaptcha.com/#content-security-policy-settings
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final
from urllib.parse import urlsplit

import msgspec

from bunbase.pkg.web_pages.layout import allow


class Widget(msgspec.Struct, frozen=True):
    """The widget of one service. `script`: the URL of the script, in which `{language}` is the language of the page.

    `css`: the class of the widget's place on the page.

    `answer`: the field of the form that gets the token. `allowed`: directives of the policy and their sources.
    """

    script: str
    css: str
    answer: str
    allowed: dict[str, tuple[str, ...]]


TURNSTILE: Final = ("https://challenges.cloudflare.com",)
HCAPTCHA: Final = ("https://hcaptcha.com", "https://*.hcaptcha.com")
WIDGETS: Final = {
    "turnstile": Widget(
        "https://challenges.cloudflare.com/turnstile/v0/api.js",
        "cf-turnstile",
        "cf-turnstile-response",
        {"script-src": TURNSTILE, "frame-src": TURNSTILE},
    ),
    "hcaptcha": Widget(
        "https://js.hcaptcha.com/1/api.js?hl={language}",
        "h-captcha",
        "h-captcha-response",
        {"script-src": HCAPTCHA, "frame-src": HCAPTCHA, "style-src": HCAPTCHA, "connect-src": HCAPTCHA},
    ),
}


def widget(provider: str, site_key: str, language: str, missing: str) -> str:
    """Return the widget, for the end of a form. `missing`: the text that is shown until the widget appears, with
    `{host}` for the host of its script.

    The small size fits on a phone.
    """
    found = WIDGETS[provider]
    src = escape(found.script.format(language=language))
    attributes = f'data-sitekey="{escape(site_key)}" data-size="compact" data-language="{escape(language)}"'
    told = escape(missing.format(host=urlsplit(found.script).hostname))
    return (
        f'<div class="captcha"><div class="{found.css}" {attributes}></div>\n<p class="small">{told}</p></div>\n'
        f'<script src="{src}" async defer></script>'
    )


def with_widget(policy: str, provider: str) -> str:
    """Return a policy that lets the widget run."""
    for directive, sources in WIDGETS[provider].allowed.items():
        policy = allow(policy, directive, *sources)
    return policy


def token_in(fields: Mapping[str, str]) -> str:
    """Return the token that a widget has put into its form, or ""."""
    return next((fields[found.answer] for found in WIDGETS.values() if fields.get(found.answer)), "")
