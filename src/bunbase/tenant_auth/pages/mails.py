"""The pages that the mails of projects link to. Each shows the name of the project's app."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode, urlsplit

from bunbase.pkg.passwords import MAX_LENGTH, MIN_LENGTH
from bunbase.pkg.web_pages.forms import button, field, form, hidden
from bunbase.pkg.web_pages.layout import POLICY, alert, link, page, paragraph, small

CHANGE: Final = "/v1/auth/ui/change-email"
LINK: Final = "/v1/auth/ui/sign-in-link"
RESET: Final = "/v1/auth/ui/reset-password"
SIGN_UP: Final = "/v1/auth/ui/sign-up"
VERIFY: Final = "/v1/auth/ui/verify-email"

ACCOUNT: Final = "Your account"  # in place of the name of the app, if the request does not say which project it is for
CLOSE: Final = "You can close this page and go back to the app."


def verify_email(app: str, project: str, token: str) -> str:
    text = paragraph("Confirm that this email address is yours.")
    return page(app, "Confirm your address", text, _token_form(VERIFY, project, token, button("Confirm")))


def email_verified(app: str, back: str) -> str:
    """`back`: the address of the app, or ""."""
    return page(app, "Your address is confirmed", _ending(app, back))


def change_email(app: str, project: str, token: str) -> str:
    text = paragraph("Confirm the new address of your account.")
    return page(app, "Change your address", text, _token_form(CHANGE, project, token, button("Confirm the change")))


def email_change(app: str, status: str) -> str:
    if status == "pending":
        text = "The other address must confirm the change too: use the link of the mail that was sent there."
        return page(app, "One step is left", paragraph(text))
    return page(
        app, "Your address is changed", paragraph("Sign in with the new address from now on."), paragraph(CLOSE)
    )


def reset_password(app: str, project: str, token: str, error: str = "") -> str:
    text = paragraph("Choose a new password. You will be signed out on every device.")
    fields = (_new_password(), button("Set the password"))
    return page(app, "Set a new password", alert(error), text, _token_form(RESET, project, token, *fields))


def password_set(app: str, back: str) -> str:
    text = paragraph("You are signed out on every device. Sign in with the new password.")
    return page(app, "Your password is set", text, _ending(app, back))


def sign_up(app: str, project: str, token: str, error: str = "") -> str:
    text = paragraph("Choose a password. Your account is created, and your address is confirmed.")
    fields = (_new_password(), button("Create the account"))
    return page(app, "Choose a password", alert(error), text, _token_form(SIGN_UP, project, token, *fields))


def signed_up(app: str) -> str:
    return page(app, "Your account is ready", paragraph("You can close this page, and sign in to the app."))


def failed(title: str, detail: str, path: str) -> str:
    """Return the page for an error after which the same form is of no use."""
    return page(ACCOUNT, title, alert(detail) if detail != title else "")


def sign_in(app: str, project: str, token: str) -> str:
    text = paragraph(f"Sign in to {app} in this browser.")
    return page(app, "Sign in", text, _token_form(LINK, project, token, button("Sign in")))


def leading_to(url: str) -> dict[str, str]:
    """Return the headers of a page whose form leads to an address of the app.

    Chromium applies `form-action` also to the redirect after a form, therefore the policy names the app's origin.
    """
    parts = urlsplit(url)
    target = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
    return {"content-security-policy": POLICY.replace("form-action 'self'", f"form-action 'self' {target}")}


def _ending(app: str, back: str) -> str:
    return link(back, f"Go back to {app}") if back else paragraph(CLOSE)


def _new_password() -> str:
    least, most = str(MIN_LENGTH), str(MAX_LENGTH)
    hint = small(f"At least {MIN_LENGTH} characters.")
    return field("password", "Password", "new-password", "password", minlength=least, maxlength=most) + hint


def _token_form(path: str, project: str, token: str, *parts: str) -> str:
    return form(f"{path}?{urlencode({'project': project})}", hidden("token", token), *parts)
