"""The normal form of email addresses. Accounts are stored and found under this form."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from bunbase.pkg.errors import InvalidInput

ENCODED: Final = "xn--"
MAX_LENGTH: Final = 254  # RFC 5321 §4.5.3.1.3, without the angle brackets
ADDRESS: Final = re.compile(r"[^\s@<>\"(),:;\\]{1,64}@[^\s@<>\"(),:;\\.]+(\.[^\s@<>\"(),:;\\.]+)*")


def normal_email(email: str) -> str:
    """Return the form in which an address is stored: trimmed, in NFC and in lower case, with a domain in Unicode.

    Raises: InvalidInput.
    """
    normal = email_or_none(email)
    if normal is None:
        raise InvalidInput.at("/email", "Send an email address such as ada@example.com.")
    return normal


def email_or_none(email: str) -> str | None:
    """Return the normal form of an email address, or None for a text that is not an email address.

    Sign-in uses this function, because it must give the same answer for a malformed address and an unknown address.
    """
    mailbox, at, domain = unicodedata.normalize("NFC", email.strip().lower()).rpartition("@")
    normal = mailbox + at + ".".join([_in_unicode(label) for label in domain.split(".")])
    return normal if len(normal) <= MAX_LENGTH and normal.isprintable() and ADDRESS.fullmatch(normal) else None


def _in_unicode(label: str) -> str:
    """Return a label such as `xn--bcher-kva` in Unicode: some browsers send one form, some the other (RFC 5890 §2.3.2).

    A label that does not survive the way back stays: two different domains must never become one.
    """
    if not label.startswith(ENCODED):
        return label
    try:
        found = label.removeprefix(ENCODED).encode("ascii").decode("punycode")
        again = ENCODED + found.encode("punycode").decode("ascii")
    except UnicodeError:
        return label
    settled = unicodedata.normalize("NFC", found.lower()) == found and found.isprintable() and not found.isascii()
    return found if settled and again == label and not found.startswith(ENCODED) else label
