"""The kinds of links that BunAuth sends by mail. `pkg/identity/store/mail_tokens.py` stores them."""

from __future__ import annotations

from enum import StrEnum

from bunbase.pkg.identity.email_changes import CHANGE_OF_NEW, CHANGE_OF_OLD


class MailKind(StrEnum):
    """The purpose of a link."""

    SIGN_UP = "sign_up"  # this link opens an account
    VERIFY_EMAIL = "verify_email"
    PASSWORD_RESET = "password_reset"
    CHANGE_OF_OLD = CHANGE_OF_OLD
    CHANGE_OF_NEW = CHANGE_OF_NEW
