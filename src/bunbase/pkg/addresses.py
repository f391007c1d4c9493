"""The normal form of email addresses. Accounts are stored and found under this form."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from bunbase.pkg.errors import InvalidInput

MAX_LENGTH: Final = 254  # RFC 5321 §4.5.3.1.3, without the angle brackets
ADDRESS: Final = re.compile(r"[^\s@<>\"(),:;\\]{1,64}@[^\s@<>\"(),:;\\.]+(\.[^\s@<>\"(),:;\\.]+)*")


def normal_email(email: str) -> str:
    """Return the form in which an address is stored: trimmed, in NFC and in lower case. Raises: InvalidInput."""
    normal = email_or_none(email)
    if normal is None:
        raise InvalidInput.at("/email", "Send an email address such as ada@example.com.")
    return normal


def email_or_none(email: str) -> str | None:
    """Return the normal form of an email address, or None for a text that is not an email address.

    Sign-in uses this function, because it must give the same answer for a malformed address and an unknown address.
    """
    normal = unicodedata.normalize("NFC", email.strip().lower())
    return normal if len(normal) <= MAX_LENGTH and normal.isprintable() and ADDRESS.fullmatch(normal) else None
