"""The pages that the mails of projects link to. Each shows the name of the project's app."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from bunbase.pkg.web_pages.forms import button, form, hidden
from bunbase.pkg.web_pages.layout import alert, page, paragraph

VERIFY: Final = "/v1/auth/ui/verify-email"

ACCOUNT: Final = "Your account"  # in place of the name of the app, if the request does not say which project it is for
CLOSE: Final = "You can close this page and go back to the app."


def verify_email(app: str, project: str, token: str) -> str:
    text = paragraph("Confirm that this email address is yours.")
    return page(app, "Confirm your address", text, _token_form(VERIFY, project, token, button("Confirm")))


def email_verified(app: str) -> str:
    return page(app, "Your address is confirmed", paragraph(CLOSE))


def failed(title: str, detail: str, path: str) -> str:
    """Return the page for an error after which the same form is of no use."""
    return page(ACCOUNT, title, alert(detail) if detail != title else "")


def _token_form(path: str, project: str, token: str, *parts: str) -> str:
    return form(f"{path}?{urlencode({'project': project})}", hidden("token", token), *parts)
