"""The pages that the mails of projects link to. Each shows the name of the project's app."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from bunbase.pkg.passwords import MAX_LENGTH, MIN_LENGTH
from bunbase.pkg.web_pages.forms import button, field, form, hidden
from bunbase.pkg.web_pages.layout import alert, page, paragraph

SIGN_UP: Final = "/v1/auth/ui/sign-up"
VERIFY: Final = "/v1/auth/ui/verify-email"

ACCOUNT: Final = "Your account"  # in place of the name of the app, if the request does not say which project it is for
CLOSE: Final = "You can close this page and go back to the app."


def verify_email(app: str, project: str, token: str) -> str:
    text = paragraph("Confirm that this email address is yours.")
    return page(app, "Confirm your address", text, _token_form(VERIFY, project, token, button("Confirm")))


def email_verified(app: str) -> str:
    return page(app, "Your address is confirmed", paragraph(CLOSE))


def sign_up(app: str, project: str, token: str, error: str = "") -> str:
    text = paragraph("Choose a password. Your account is created, and your address is confirmed.")
    fields = (_new_password(), button("Create the account"))
    return page(app, "Choose a password", alert(error), text, _token_form(SIGN_UP, project, token, *fields))


def signed_up(app: str) -> str:
    return page(app, "Your account is ready", paragraph("You can close this page, and sign in to the app."))


def failed(title: str, detail: str, path: str) -> str:
    """Return the page for an error after which the same form is of no use."""
    return page(ACCOUNT, title, alert(detail) if detail != title else "")


def _new_password() -> str:
    least, most = str(MIN_LENGTH), str(MAX_LENGTH)  # the server knows what else the project asks for
    return field("password", "Password", "new-password", "password", minlength=least, maxlength=most)


def _token_form(path: str, project: str, token: str, *parts: str) -> str:
    return form(f"{path}?{urlencode({'project': project})}", hidden("token", token), *parts)
