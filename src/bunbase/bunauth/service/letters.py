"""The mails of BunAuth: each method returns a Letter. The links lead to pages of this installation."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import quote

from bunbase.contracts.bunauth.accounts import Account
from bunbase.pkg.mail import templates
from bunbase.pkg.mail.composing import compose
from bunbase.pkg.mail.letters import Letter

APP: Final = "BunBase"
UNNAMED: Final = "unknown"
HOUR_SECONDS: Final = 3600
RESET_SECONDS: Final = HOUR_SECONDS
VERIFY_SECONDS: Final = 24 * HOUR_SECONDS
INVITE_SECONDS: Final = 7 * 24 * HOUR_SECONDS


class Letters:
    """`public_url`: the address under which people reach this installation."""

    def __init__(self, public_url: str) -> None:
        self.public_url = public_url.rstrip("/")

    def page(self, name: str, token: str) -> str:
        """Return the address of a page that a mail links to."""
        return f"{self.public_url}/account/{name}?token={quote(token, safe='')}"

    def sign_up(self, email: str, token: str) -> Letter:
        return self._verify(email, self.page("sign-up", token))

    def verify_email(self, email: str, token: str) -> Letter:
        return self._verify(email, self.page("verify-email", token))

    def already_registered(self, email: str) -> Letter:
        url = f"{self.public_url}/account/forgot-password"
        return compose(templates.ALREADY_REGISTERED, email, {"app": APP, "email": email, "url": url})

    def password_reset(self, email: str, token: str) -> Letter:
        fields = {"app": APP, "email": email, "url": self.page("reset-password", token), "valid_for": "1 hour"}
        return compose(templates.PASSWORD_RESET, email, fields)

    def password_changed(self, email: str) -> Letter:
        return compose(templates.PASSWORD_CHANGED, email, {"app": APP, "email": email})

    def change_of_old(self, old: str, new: str, token: str) -> Letter:
        fields = {"email": old, "new_email": new, "url": self.page("change-email", token), "valid_for": "24 hours"}
        return compose(templates.EMAIL_CHANGE_REQUESTED, old, {"app": APP, **fields})

    def change_of_new(self, new: str, token: str) -> Letter:
        fields = {"app": APP, "email": new, "url": self.page("change-email", token), "valid_for": "24 hours"}
        return compose(templates.CONFIRM_NEW_EMAIL, new, fields)

    def email_changed(self, old: str, new: str) -> Letter:
        return compose(templates.EMAIL_CHANGED, old, {"app": APP, "email": old, "new_email": new})

    def factor_added(self, email: str, factor: str) -> Letter:
        return compose(templates.FACTOR_ADDED, email, {"app": APP, "factor": factor})

    def factor_removed(self, email: str, factor: str) -> Letter:
        return compose(templates.FACTOR_REMOVED, email, {"app": APP, "factor": factor})

    def recovery_code_used(self, email: str, left: int) -> Letter:
        return compose(templates.RECOVERY_CODE_USED, email, {"app": APP, "left": str(left)})

    def recovery_codes_replaced(self, email: str) -> Letter:
        return compose(templates.RECOVERY_CODES_REPLACED, email, {"app": APP})

    def identity_linked(self, email: str, service: str) -> Letter:
        return compose(templates.IDENTITY_LINKED, email, {"app": APP, "service": service})

    def identity_removed(self, email: str, service: str) -> Letter:
        return compose(templates.IDENTITY_REMOVED, email, {"app": APP, "service": service})

    def new_sign_in(self, email: str, at: datetime, agent: str, ip: str) -> Letter:
        fields = {"app": APP, "email": email, "at": f"{at:%d %B %Y, %H:%M} UTC"}
        return compose(templates.NEW_SIGN_IN, email, {**fields, "agent": agent or UNNAMED, "ip": ip or UNNAMED})

    def wrong_codes(self, email: str) -> Letter:
        return compose(templates.WRONG_CODES, email, {"app": APP})

    def invite(self, email: str, inviter: Account, url: str) -> Letter:
        fields = {"inviter": inviter.name or inviter.email, "inviter_email": inviter.email, "valid_for": "7 days"}
        return compose(templates.INSTALLATION_INVITE, email, {"app": APP, "url": url, **fields})

    def _verify(self, email: str, url: str) -> Letter:
        fields = {"app": APP, "email": email, "url": url, "valid_for": "24 hours"}
        return compose(templates.VERIFY_EMAIL, email, fields)
