"""The kinds of links and codes that are sent to users, and of the requests for them."""

from __future__ import annotations

from enum import StrEnum


class MailKind(StrEnum):
    PASSWORD_RESET = "password_reset"
    SIGN_IN_CODE = "sign_in_code"
    SIGN_IN_LINK = "sign_in_link"
    INVITE = "invite"
    PHONE_CODE = "phone_code"  # this code is in a text message
    SIGN_UP = "sign_up"
    VERIFY_EMAIL = "verify_email"
