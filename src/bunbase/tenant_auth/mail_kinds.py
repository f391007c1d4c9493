"""The effects of the links that are sent by mail, and of the requests for such mails."""

from __future__ import annotations

from enum import StrEnum


class MailKind(StrEnum):
    INVITE = "invite"
    SIGN_UP = "sign_up"
    VERIFY_EMAIL = "verify_email"
