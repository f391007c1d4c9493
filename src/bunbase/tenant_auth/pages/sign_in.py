"""The ready-made sign-in page of a project, and its further steps. Every form carries the parameters of the app."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import msgspec

from bunbase.contracts.tenant_auth.sign_in_page import BY_LINK, RETURN, SIGN_IN, PageEnd, PageRequest, SignInLook
from bunbase.pkg.identity.factors import NewTotp
from bunbase.pkg.qr import qr_svg
from bunbase.pkg.web_pages.copying import KeepTexts, kept_list
from bunbase.pkg.web_pages.forms import ALERT, button, field, form, hidden
from bunbase.pkg.web_pages.layout import (
    alert,
    button_link,
    code,
    divider,
    ending,
    link,
    paragraph,
)
from bunbase.pkg.web_pages.passkeys import passkey_form
from bunbase.pkg.web_pages.sign_in import CodeTexts, code_form
from bunbase.tenant_auth.languages.texts import Texts
from bunbase.tenant_auth.pages.look import Look, policy_to, with_captcha
from bunbase.tenant_auth.pages.mails import MAX_EMAIL, new_password

NEW_ACCOUNT: Final = "/v1/auth/ui/new-account"
FORGOT: Final = "/v1/auth/ui/forgot-password"
BY_EMAIL: Final = "/v1/auth/ui/by-email"
BY_PHONE: Final = "/v1/auth/ui/by-phone"
CODE: Final = "/v1/auth/ui/code"
PHONE_CODE: Final = "/v1/auth/ui/phone-code"
SECOND_FACTOR: Final = "/v1/auth/ui/second-factor"
ENROLMENT: Final = "/v1/auth/ui/enrolment"
PASSKEY: Final = "/v1/auth/ui/passkey"
PASSKEY_OPTIONS: Final = "/v1/auth/ui/passkey/options"
SEND_VERIFICATION: Final = "/v1/auth/ui/send-verification"
SERVICE: Final = "/v1/auth/ui/with"

MAX_PHONE: Final = "40"
# A URL has at most this many characters, because a phone cannot read the QR code of a longer URL.
MAX_DRAWN: Final = 1000
RECOVERY_FILE: Final = "recovery-codes.txt"


class Visit(msgspec.Struct, frozen=True):
    """A request for a page. `key`: the key of the project. `lang`: the language that the app requests, or "".

    `error`: the error in the last form. `wrong`: the field that caused the error, if any. `email`, `phone`: the address
    or the number in the form.
    """

    key: str
    request: PageRequest
    look: SignInLook
    texts: Texts
    lang: str = ""
    error: str = ""
    wrong: str = ""
    email: str = ""
    phone: str = ""

    def at(self, path: str) -> str:
        """Return the URL of a page, with the parameters of the app."""
        asked = {"key": self.key, **msgspec.structs.asdict(self.request), "lang": self.lang}
        return f"{path}?{urlencode({name: value for name, value in asked.items() if value})}"

    def page(self, title: str, *parts: str) -> str:
        return Look(self.look, self.texts).page(title, alert(self.error, ALERT), *parts)

    def headers(self, captcha: bool = False) -> dict[str, str]:
        """Return the headers of a page. `captcha`: the page shows the widget if the project has a captcha."""
        policy = policy_to(self.request.redirect_to)
        return {"content-security-policy": with_captcha(policy, self.look) if captcha else policy}

    @property
    def email_field(self) -> str:
        wrong = self.wrong == "email"
        return field("email", self.texts.email, "username", "email", self.email, wrong=wrong, maxlength=MAX_EMAIL)

    @property
    def widget(self) -> str:
        return Look(self.look, self.texts).widget

    def passkey(self, challenge: str = "") -> str:
        if not self.look.passkeys:
            return ""
        said, options = self.texts, self.at(PASSKEY_OPTIONS)
        return passkey_form(self.at(PASSKEY), options, (), challenge, said.use_passkey, said.passkey_failed)

    @property
    def back(self) -> str:
        return ending("", self.at(SIGN_IN), self.texts.back_to_sign_in)


def sign_in(visit: Visit) -> str:
    said, wrong = visit.texts, visit.wrong == "password"
    password = field("password", said.password, "current-password", "password", wrong=wrong, maxlength="256")
    parts = (
        form(visit.at(SIGN_IN), visit.email_field, password, button(said.sign_in)),
        ending("", visit.at(FORGOT), said.forgot_password),
        divider(said.alternatives),
        *(
            button_link(visit.at(f"{SERVICE}/{one.name}"), said.with_provider.format(name=one.title))
            for one in visit.look.providers
        ),
        button_link(visit.at(BY_EMAIL), said.by_email),
        button_link(visit.at(BY_PHONE), said.by_phone) if visit.look.phones else "",
        visit.passkey(),
        ending(said.no_account, visit.at(NEW_ACCOUNT), said.create_account) if visit.look.signups else "",
    )
    return visit.page(said.sign_in, *parts)


def new_account(visit: Visit) -> str:
    said = visit.texts
    confirms = visit.look.confirms
    password = "" if confirms else new_password(Look(visit.look, said), visit.wrong == "password")
    parts = (visit.email_field, password, visit.widget, button(said.create_account))
    going_back = ending(said.have_account, visit.at(SIGN_IN), said.sign_in)
    text = paragraph(said.sign_up_by_mail) if confirms else ""
    return visit.page(said.create_account, text, form(visit.at(NEW_ACCOUNT), *parts), going_back)


def sign_up_sent(visit: Visit) -> str:
    said = visit.texts
    return visit.page(said.look_in_mail, paragraph(said.sign_up_sent.format(email=visit.email)), visit.back)


def forgot_password(visit: Visit) -> str:
    said = visit.texts
    asking = form(visit.at(FORGOT), visit.email_field, visit.widget, button(said.send_reset))
    return visit.page(said.reset_title, paragraph(said.reset_text), asking, visit.back)


def reset_sent(visit: Visit) -> str:
    said = visit.texts
    return visit.page(said.look_in_mail, paragraph(said.reset_sent.format(email=visit.email)), visit.back)


def by_email(visit: Visit) -> str:
    said = visit.texts
    ways = (button(said.send_code, "way", "code"), button(said.send_link, "way", "link", second=True))
    asking = form(visit.at(BY_EMAIL), visit.email_field, visit.widget, *ways)
    return visit.page(said.by_email_title, paragraph(said.by_email_text), asking, visit.back)


def mailed_code(visit: Visit) -> str:
    said, wrong = visit.texts, visit.wrong == "code"
    typed = _digits(said.code, wrong)
    asking = form(visit.at(CODE), hidden("email", visit.email), typed, button(said.sign_in))
    again = ending("", visit.at(BY_EMAIL), said.new_code)
    return visit.page(said.code_title, paragraph(said.code_text.format(email=visit.email)), asking, again, visit.back)


def by_phone(visit: Visit) -> str:
    said, wrong = visit.texts, visit.wrong == "phone"
    hint = said.phone_hint
    number = field("phone", said.phone, "tel", "tel", visit.phone, wrong=wrong, hint=hint, maxlength=MAX_PHONE)
    asking = form(visit.at(BY_PHONE), number, visit.widget, button(said.send_code))
    return visit.page(said.by_phone_title, paragraph(said.by_phone_text), asking, visit.back)


def texted_code(visit: Visit) -> str:
    said = visit.texts
    asking = form(
        visit.at(PHONE_CODE),
        hidden("phone", visit.phone),
        _digits(said.code, visit.wrong == "code"),
        button(said.sign_in),
    )
    text, again = said.phone_code_text.format(phone=visit.phone), ending("", visit.at(BY_PHONE), said.new_code)
    return visit.page(said.code_title, paragraph(text), asking, again, visit.back)


def link_sent(visit: Visit) -> str:
    said = visit.texts
    return visit.page(said.link_title, paragraph(said.link_text.format(email=visit.email)), visit.back)


def second_factor(visit: Visit, challenge: str) -> str:
    said = visit.texts
    texts = CodeTexts(said.second_factor_text, said.code, said.go_on)
    asking = code_form(visit.at(SECOND_FACTOR), (("challenge", challenge),), texts, wrong=visit.wrong == "code")
    return visit.page(said.second_factor, asking, visit.passkey(challenge), visit.back)


def enrolment(visit: Visit, challenge: str, new: NewTotp) -> str:
    """Return the page on which a user sets up an authenticator app, because the project demands a second factor."""
    said, wrong, linked = visit.texts, visit.wrong == "code", new.uri.startswith("otpauth://")
    kept = (hidden("challenge", challenge), hidden("secret", new.secret), hidden("uri", new.uri))
    typed = _digits(said.code, wrong)
    parts = (
        paragraph(said.enrol_text.format(app=visit.look.app_name)),
        qr_svg(new.uri, said.enrol_image) if linked and len(new.uri) <= MAX_DRAWN else "",
        code(" ".join(new.secret[at : at + 4] for at in range(0, len(new.secret), 4))),
        link(new.uri, said.enrol_link) if linked else "",
        form(visit.at(ENROLMENT), *kept, typed, button(said.turn_on)),
    )
    return visit.page(said.enrol_title, *parts, visit.back)


def recovery_codes(visit: Visit, end: PageEnd) -> str:
    said = visit.texts
    labels = KeepTexts(said.download, said.copy, said.copied, said.copy_failed)
    title = said.recovery_file.format(app=visit.look.app_name)
    kept = kept_list(end.recovery_codes, title, RECOVERY_FILE, labels)
    going_on = button_link(end.url, said.back_to_app.format(app=visit.look.app_name), main=True)
    return visit.page(said.recovery_title, paragraph(said.recovery_text), kept, going_on)


def unverified(visit: Visit, sent: bool = False) -> str:
    """Return the page for a person whose address is not confirmed yet. `sent`: BunBase is sending a new mail."""
    said = visit.texts
    text = (said.verification_sent if sent else said.unverified_text).format(email=visit.email)
    sending = (hidden("email", visit.email), visit.widget, button(said.send_again, second=True))
    again = form(visit.at(SEND_VERIFICATION), *sending)
    return visit.page(said.unverified_title, paragraph(text), again, visit.back)


def sign_up_back(visit: Visit) -> str:
    """Return the path and query of the page to which the link in a sign-up mail leads back."""
    return visit.at(SIGN_IN)


def link_back(visit: Visit) -> str:
    """Return the path and query of the page to which a link in a mail leads."""
    return visit.at(BY_LINK)


def service_back(visit: Visit) -> str:
    """Return the path and query of the page to which another service leads back."""
    return visit.at(RETURN)


def _digits(label: str, wrong: bool) -> str:
    """Return the input field for a code of six digits."""
    return field("code", label, "one-time-code", wrong=wrong, inputmode="numeric", maxlength="20", spellcheck="false")
