"""The letters about an account: each method returns a Letter. The caller makes the links."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.mail import templates
from bunbase.pkg.mail.composing import compose, in_words
from bunbase.pkg.mail.languages import ENGLISH, texts_in
from bunbase.pkg.mail.letters import Letter
from bunbase.pkg.mail.templates import Template

VERIFY_SECONDS: Final = templates.DAY
UNNAMED: Final = "unknown"
VERIFY_FOR: Final = "24 hours"
INVITE_SECONDS: Final = 7 * templates.DAY
RESET_SECONDS: Final = templates.HOUR
SIGN_IN_SECONDS: Final = 10 * templates.MINUTE


class AccountLetters:
    """`app`: the name that readers know. `project`: the project in whose name the mails are sent, or empty.

    `texts`: templates by their kind, which replace the built-in templates. `language`: the language of the texts.
    `asked_in`: the language of the person who asks for the letters, or empty if the language is not known. `accent`:
    the colour of buttons.
    """

    def __init__(
        self,
        app: str,
        project: str = "",
        texts: Mapping[str, Template] | None = None,
        language: str = ENGLISH,
        asked_in: str = "",
        accent: str = "",
    ) -> None:
        self.app = app
        self.project = project
        self.texts = {**texts_in(language), **(texts or {})}
        self.language = language
        self.asked_in = asked_in
        self.accent = accent

    def verify_email(self, email: str, url: str) -> Letter:
        fields = {"email": email, "url": url, "valid_for": VERIFY_FOR}
        return self.compose(templates.VERIFY_EMAIL, email, fields)

    def open_account(self, email: str, url: str) -> Letter:
        """Return the letter to a new address. The link in the letter opens the account."""
        fields = {"email": email, "url": url, "valid_for": VERIFY_FOR}
        return self.compose(templates.OPEN_ACCOUNT, email, fields)

    def already_registered(self, email: str, url: str) -> Letter:
        return self.compose(templates.ALREADY_REGISTERED, email, {"email": email, "url": url})

    def already_a_user(self, email: str) -> Letter:
        return self.compose(templates.ALREADY_A_USER, email, {"email": email})

    def user_invite(self, email: str, url: str, inviter: str = "", target: str = "") -> Letter:
        """Return an invitation. Without `inviter`, the app itself invites.

        Without `target`, the invitation is to the app.
        """
        named = {"inviter": inviter.strip() or self.app, "target": target.strip() or self.app}
        fields = {"email": email, "url": url, "valid_for": in_words(INVITE_SECONDS), **named}
        return self.compose(templates.USER_INVITE, email, fields)

    def password_reset(self, email: str, url: str) -> Letter:
        fields = {"email": email, "url": url, "valid_for": in_words(RESET_SECONDS)}
        return self.compose(templates.PASSWORD_RESET, email, fields)

    def password_changed(self, email: str) -> Letter:
        return self.compose(templates.PASSWORD_CHANGED, email, {"email": email})

    def sign_in_code(self, email: str, code: str) -> Letter:
        return self.compose(templates.SIGN_IN_CODE, email, {"code": code, "valid_for": in_words(SIGN_IN_SECONDS)})

    def sign_in_link(self, email: str, url: str) -> Letter:
        return self.compose(templates.SIGN_IN_LINK, email, {"url": url, "valid_for": in_words(SIGN_IN_SECONDS)})

    def change_of_old(self, old: str, new: str, url: str) -> Letter:
        """Return the letter to the present address, which must agree to the new address."""
        fields = {"email": old, "new_email": new, "url": url, "valid_for": VERIFY_FOR}
        return self.compose(templates.EMAIL_CHANGE_REQUESTED, old, fields)

    def change_of_new(self, new: str, url: str) -> Letter:
        fields = {"email": new, "url": url, "valid_for": VERIFY_FOR}
        return self.compose(templates.CONFIRM_NEW_EMAIL, new, fields)

    def email_changed(self, old: str, new: str) -> Letter:
        return self.compose(templates.EMAIL_CHANGED, old, {"email": old, "new_email": new})

    def factor_added(self, email: str, factor: str) -> Letter:
        return self.compose(templates.FACTOR_ADDED, email, {"factor": factor})

    def factor_replaced(self, email: str, factor: str) -> Letter:
        return self.compose(templates.FACTOR_REPLACED, email, {"factor": factor})

    def factor_removed(self, email: str, factor: str) -> Letter:
        return self.compose(templates.FACTOR_REMOVED, email, {"factor": factor})

    def recovery_code_used(self, email: str, left: int) -> Letter:
        return self.compose(templates.RECOVERY_CODE_USED, email, {"left": str(left)})

    def recovery_codes_replaced(self, email: str) -> Letter:
        return self.compose(templates.RECOVERY_CODES_REPLACED, email, {})

    def identity_linked(self, email: str, service: str) -> Letter:
        return self.compose(templates.IDENTITY_LINKED, email, {"service": service})

    def identity_removed(self, email: str, service: str) -> Letter:
        return self.compose(templates.IDENTITY_REMOVED, email, {"service": service})

    def new_sign_in(self, email: str, at: datetime, agent: str, ip: str) -> Letter:
        fields = {"email": email, "at": f"{at:%d %B %Y, %H:%M} UTC"}
        return self.compose(templates.NEW_SIGN_IN, email, {**fields, "agent": agent or UNNAMED, "ip": ip or UNNAMED})

    def wrong_codes(self, email: str) -> Letter:
        return self.compose(templates.WRONG_CODES, email, {})

    def account_deleted(self, email: str) -> Letter:
        return self.compose(templates.ACCOUNT_DELETED, email, {"email": email})

    def account_suspended(self, email: str) -> Letter:
        return self.compose(templates.ACCOUNT_SUSPENDED, email, {"email": email})

    def account_resumed(self, email: str) -> Letter:
        return self.compose(templates.ACCOUNT_RESUMED, email, {"email": email})

    def role_changed(self, email: str, role: str) -> Letter:
        return self.compose(templates.ROLE_CHANGED, email, {"email": email, "role": role})

    def compose(self, template: Template, email: str, fields: Mapping[str, str]) -> Letter:
        """Return a letter of this pool, with the texts of the pool."""
        all = {"app": self.app, **fields}
        letter = compose(self.texts[template.kind], email, all, self.project, self.language, self.accent)
        return msgspec.structs.replace(letter, fields=all, language=self.asked_in)

    def again(self, letter: Letter) -> Letter:
        """Return the same letter, made again with the texts and the language of this object."""
        if letter.fields is None or letter.kind not in self.texts:
            return letter
        return self.compose(self.texts[letter.kind], letter.to, letter.fields)
