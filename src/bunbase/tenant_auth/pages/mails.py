"""The pages to which the mails of projects link. Each page shows the name of the project's app."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from bunbase.contracts.tenant_auth.sign_in_page import BY_LINK
from bunbase.pkg.passwords import MAX_LENGTH
from bunbase.pkg.web_pages.forms import ALERT, button, field, form, hidden
from bunbase.pkg.web_pages.layout import POLICY, alert, link, paragraph
from bunbase.tenant_auth.pages.look import Look, back_to_app, leading_to, with_captcha

CHANGE: Final = "/v1/auth/ui/change-email"
LINK: Final = "/v1/auth/ui/sign-in-link"
RESET: Final = "/v1/auth/ui/reset-password"
SIGN_UP: Final = "/v1/auth/ui/sign-up"
VERIFY: Final = "/v1/auth/ui/verify-email"
MAX_EMAIL: Final = "254"
NEW_MAIL: Final = "/v1/auth/ui/new-mail"
SENT_AGAIN: Final = (RESET, VERIFY)  # Anybody may request the mails of these pages, for any address.


def verify_email(look: Look, project: str, token: str) -> str:
    said = look.texts
    confirming = _token_form(look, VERIFY, project, token, button(said.confirm))
    return look.page(said.verify_title, paragraph(said.verify_text), confirming)


def email_verified(look: Look, back: str) -> str:
    """Return the page after a confirmation. `back`: the URL of the app, or ""."""
    return look.page(look.texts.verified_title, _ending(look, back))


def link_over(look: Look, detail: str, path: str, project: str) -> str:
    """Return the page for a link that was used or has expired. `path`: the path of the link's page."""
    said = look.texts
    if path not in SENT_AGAIN or not project:
        return look.page(said.problem_title, alert(detail), back_to_app(look, said.ask_again))
    return look.page(said.problem_title, alert(detail), link(_at(look, NEW_MAIL, project, of=path), said.new_mail))


def new_mail(look: Look, project: str, path: str, email: str = "", error: str = "") -> str:
    """Return the page on which a person requests a new mail.

    `path`: the path of the page that the link in the mail opens.
    """
    said = look.texts
    title = said.reset_title if path == RESET else said.verify_title
    address = field("email", said.email, "username", "email", email, maxlength=MAX_EMAIL)
    asking = form(_at(look, NEW_MAIL, project, of=path), address, look.widget, button(said.send_reset))
    return look.page(title, alert(error, ALERT), asking, back_to_app(look, said.back_to_app))


def new_mail_sent(look: Look, email: str) -> str:
    said = look.texts
    return look.page(said.look_in_mail, paragraph(said.reset_sent.format(email=email)))


def headers_of_new_mail(look: Look) -> dict[str, str]:
    return {"content-security-policy": with_captcha(POLICY, look.of)}


def change_email(look: Look, project: str, token: str) -> str:
    said = look.texts
    confirming = _token_form(look, CHANGE, project, token, button(said.confirm_change))
    return look.page(said.change_title, paragraph(said.change_text), confirming)


def email_change(look: Look, status: str) -> str:
    said = look.texts
    if status == "pending":
        return look.page(said.change_pending_title, paragraph(said.change_pending_text))
    return look.page(said.changed_title, paragraph(said.changed_text), paragraph(said.close_page))


def reset_password(look: Look, project: str, token: str, error: str = "") -> str:
    said = look.texts
    fields = (new_password(look, wrong=bool(error)), button(said.set_password))
    parts = (alert(error, ALERT), paragraph(said.new_password_text), _token_form(look, RESET, project, token, *fields))
    return look.page(said.new_password_title, *parts)


def password_set(look: Look, back: str) -> str:
    return look.page(look.texts.password_set_title, paragraph(look.texts.password_set_text), _ending(look, back))


def sign_up(look: Look, project: str, token: str, error: str = "") -> str:
    said = look.texts
    fields = (new_password(look, wrong=bool(error)), button(said.create_account))
    parts = (alert(error, ALERT), paragraph(said.sign_up_text), _token_form(look, SIGN_UP, project, token, *fields))
    return look.page(said.sign_up_title, *parts)


def signed_up(look: Look, back: str) -> str:
    going_back = link(back, look.texts.back_to_app.format(app=look.app)) if back else ""
    return look.page(look.texts.signed_up_title, paragraph(look.texts.signed_up_text), going_back)


def sign_in(look: Look, project: str, token: str) -> str:
    said = look.texts
    text = paragraph(said.link_sign_in_text.format(app=look.app))
    return look.page(said.sign_in, text, _token_form(look, LINK, project, token, button(said.sign_in)))


def headers_of_link(target: str) -> dict[str, str]:
    """Return the headers of the page of a link.

    `target`: the URL of the app, or the URL of the sign-in page, which redirects the browser to the app.
    """
    if target.startswith(f"{BY_LINK}?"):
        target = parse_qs(urlsplit(target).query).get("redirect_to", [""])[0]
    return leading_to(target)


def new_password(look: Look, wrong: bool = False) -> str:
    """Return the field for a new password."""
    least = look.of.min_length
    return field(
        "password",
        look.texts.password,
        "new-password",
        "password",
        wrong=wrong,
        hint=look.texts.password_hint.format(least=least),
        minlength=str(least),
        maxlength=str(MAX_LENGTH),
    )


def _ending(look: Look, back: str) -> str:
    said = look.texts
    return link(back, said.back_to_app.format(app=look.app)) if back else paragraph(said.close_page)


def _token_form(look: Look, path: str, project: str, token: str, *parts: str) -> str:
    return form(_at(look, path, project), hidden("token", token), *parts)


def _at(look: Look, path: str, project: str, **more: str) -> str:
    """Return the URL of a page for a reader who has no key."""
    asked = {"lang": look.asked} if look.asked else {}
    return f"{path}?{urlencode({'project': project, **more, **asked})}"
