"""The pages to which the mails of BunAuth link, at `/account/…`.

A GET shows a form and changes nothing, because mail servers and other programs open links in mails before people do.
"""

from __future__ import annotations

from typing import Final

from bunbase.bunauth.pages.app import page
from bunbase.contracts.bunauth.invites import AccountInvitation
from bunbase.pkg.command_hints import command_for
from bunbase.pkg.passwords import MAX_LENGTH, MIN_LENGTH
from bunbase.pkg.web_pages.forms import button, field, form, hidden
from bunbase.pkg.web_pages.layout import alert, facts, link, paragraph, small

VERIFY: Final = "/account/verify-email"
SIGN_UP: Final = "/account/sign-up"
RESET: Final = "/account/reset-password"
FORGOT: Final = "/account/forgot-password"
CHANGE: Final = "/account/change-email"
INVITE: Final = "/account/invite"
SEND_AGAIN: Final = "/account/send-verification"

CLOSE: Final = "You can close this page."


def verify_email(token: str, error: str = "") -> str:
    text = paragraph("Confirm that this email address is yours.")
    return page("Confirm your address", alert(error), text, _token_form(VERIFY, token, button("Confirm")))


def email_verified() -> str:
    return page("Your address is confirmed", paragraph(CLOSE))


def sign_up(token: str, email: str, error: str = "") -> str:
    text = paragraph(f"Choose a password. The account of {email} is opened, and the address is confirmed.")
    fields = (_new_password(), button("Open the account"))
    return page("Open your account", alert(error), text, _token_form(SIGN_UP, token, *fields))


def account_opened(email: str, public_url: str) -> str:
    return page("Your account is open", paragraph(f"The account of {email} is ready."), _sign_in(public_url))


def reset_password(token: str, error: str = "") -> str:
    text = paragraph("Choose a new password. All sessions of your account end, on every device.")
    fields = (_new_password(), button("Set the password"))
    return page("Set a new password", alert(error), text, _token_form(RESET, token, *fields))


def password_set(public_url: str, removed: tuple[str, ...] = ()) -> str:
    """Return the page after a reset. `removed`: the other ways to sign in that the reset has removed."""
    return page(
        "Your password is set",
        *_no_longer_works(removed),
        paragraph("All sessions have ended."),
        _sign_in(public_url),
    )


def forgot_password(email: str = "", error: str = "") -> str:
    text = paragraph("We send a link to your address, with which you can choose a new password.")
    return page("Forgot your password?", alert(error), text, _address_form(FORGOT, email))


def send_verification(email: str = "", error: str = "") -> str:
    text = paragraph("We send a new link to your address, with which you can confirm it.")
    return page("Confirm your address", alert(error), text, _address_form(SEND_AGAIN, email))


def mail_requested() -> str:
    text = "If this address has an account that can use it, a mail is on its way. It can take a minute to arrive."
    return page("Look into your mailbox", paragraph(text), small("No mail? Look into the spam folder too."))


def change_email(token: str, error: str = "") -> str:
    text = paragraph("Confirm the new address of your account.")
    return page("Change your address", alert(error), text, _token_form(CHANGE, token, button("Confirm the change")))


def email_change(status: str) -> str:
    if status == "pending":
        text = "The other address must confirm the change too: use the link of the mail that was sent there."
        return page("One step is left", paragraph(text))
    return page("Your address is changed", paragraph("Sign in with the new address from now on."))


def invite(token: str, invitation: AccountInvitation, email: str = "", name: str = "", error: str = "") -> str:
    if invitation.email is None:
        address = field("email", "Email", "username", "email", email, maxlength="254")
    else:
        address = field("email", "Email", "username", "email", invitation.email, readonly="readonly")
    own_name = field("name", "Name", "name", value=name, optional=True, maxlength="100")
    fields = (address, own_name, _new_password(), button("Open the account"))
    about = facts(
        ("You are invited by", invitation.inviter or "a former administrator"),
        ("For", invitation.email or "any address"),
        ("Role on this server", invitation.role),
    )
    return page("Open your account", alert(error), about, _token_form(INVITE, token, *fields))


NEXT_STEPS: Final = {
    VERIFY: (SEND_AGAIN, "Ask for a new mail"),
    RESET: (FORGOT, "Ask for a new mail"),
}


def failed(title: str, detail: str, path: str) -> str:
    """Return the page for an error after which the form cannot be used again.

    `path`: the path of the page that failed.
    """
    next = NEXT_STEPS.get(path)
    return page(title, alert(detail) if detail != title else "", link(*next) if next else "")


def _token_form(path: str, token: str, *parts: str) -> str:
    return form(path, hidden("token", token), *parts)


def _address_form(path: str, email: str) -> str:
    return form(path, field("email", "Email", "username", "email", email, maxlength="254"), button("Send the mail"))


def _no_longer_works(removed: tuple[str, ...]) -> tuple[str, ...]:
    if not removed:
        return ()
    reason = "The address of this account was never confirmed, so somebody else may have set up other ways into it."
    text = f"{reason} These no longer work: {'; '.join(removed)}. Set up those that you need again."
    return (alert(text),)


def _sign_in(public_url: str) -> str:
    login = command_for(public_url, "bunbase login")
    return paragraph(
        f"Now sign in. Developers do this on their machine, in a terminal ({login}). "
        "If you came from an application, go back to it and sign in there. This server has no other page to sign in to."
    )


def _new_password() -> str:
    least, most = str(MIN_LENGTH), str(MAX_LENGTH)
    hint = small(f"At least {MIN_LENGTH} characters.")
    return field("password", "Password", "new-password", "password", minlength=least, maxlength=most) + hint
