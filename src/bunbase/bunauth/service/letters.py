"""The mails of BunAuth. Each method returns a Letter. Links in the mails lead to pages of this installation."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from bunbase.contracts.bunauth.accounts import Account
from bunbase.pkg.command_hints import command_for
from bunbase.pkg.mail import templates
from bunbase.pkg.mail.account_letters import AccountLetters
from bunbase.pkg.mail.letters import Letter
from bunbase.pkg.mail.templates import Template

APP: Final = "BunBase"
CHECK: Final = "check who is signed in to your account."
INVITE_SECONDS: Final = 7 * templates.DAY


class Letters:
    """The letters. `public_url`: the URL of this installation for people. `account`: the letters without a link."""

    def __init__(self, public_url: str) -> None:
        self.public_url = public_url.rstrip("/")
        self.account = AccountLetters(APP, texts=_texts(self.public_url))

    def page(self, name: str, token: str) -> str:
        """Return the URL of a page, for a link in a mail."""
        return f"{self.public_url}/account/{name}?token={quote(token, safe='')}"

    def sign_up(self, email: str, token: str) -> Letter:
        return self.account.open_account(email, self.page("sign-up", token))

    def verify_email(self, email: str, token: str) -> Letter:
        return self.account.verify_email(email, self.page("verify-email", token))

    def already_registered(self, email: str) -> Letter:
        return self.account.already_registered(email, f"{self.public_url}/account/forgot-password")

    def password_reset(self, email: str, token: str) -> Letter:
        return self.account.password_reset(email, self.page("reset-password", token))

    def invite(self, email: str, inviter: Account, url: str) -> Letter:
        fields = {
            "inviter": inviter.name or inviter.email.partition("@")[0],
            "inviter_email": inviter.email,
            "valid_for": "7 days",
        }
        return self.account.compose(templates.INSTALLATION_INVITE, email, {"url": url, **fields})


def _texts(public_url: str) -> dict[str, Template]:
    """Return the texts of mails. Mails about security name the command that lists the sessions."""
    sessions = command_for(public_url, "bunbase sessions list").replace("$", "$$")
    by_command = f"check who is signed in to your account, in a terminal ({sessions})."
    return {
        kind: msgspec.structs.replace(template, footer=template.footer.replace(CHECK, by_command))
        for kind, template in templates.TEMPLATES.items()
    }
