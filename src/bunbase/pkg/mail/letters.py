"""The types of a mail: a letter that a room posts, a claimed mail, and a mail in the mailbox of dev mode."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

MAX_SUBJECT: Final = 250  # characters
MAX_BODY: Final = 256 << 10  # characters
USEFUL_SECONDS: Final = 8 * 3600


class Letter(msgspec.Struct, frozen=True):
    """A mail that a room wants to send.

    `to`: an address in the form of `pkg/addresses.py`. `html`: may be empty.
    `project`: the id of the project in whose name the mail is sent; empty for the installation.
    `kind`: the name of the template, such as `password_reset`. Limits count each kind, and logs show it.
    `notice`: the mail tells the owner of the address that something has happened, and nobody but the owner can cause
    it. Notices have their own limit: otherwise an attacker who asks for many codes could suppress them.
    `useful_seconds`: the mail is not sent later than this, for example because its link has expired.
    """

    to: str
    subject: str
    text: str
    html: str = ""
    project: str = ""
    kind: str = "other"
    notice: bool = False
    useful_seconds: int = USEFUL_SECONDS

    def __post_init__(self) -> None:
        if not 1 <= len(self.subject) <= MAX_SUBJECT or max(len(self.text), len(self.html)) > MAX_BODY:
            raise ValueError(f"the subject or a body of a mail of the kind {self.kind} has a wrong length")
        if "\0" in self.subject + self.text + self.html:
            raise ValueError("PostgreSQL cannot store the character U+0000")


class ClaimedMail(msgspec.Struct, frozen=True):
    """A mail that this process may send until its claim ends. `attempts`: with the present one.

    `project`: the project in whose name the mail is sent; empty for the installation.
    """

    id: str
    kind: str
    recipient: str
    subject: str
    plain: str
    html: str
    attempts: int
    created_at: datetime
    useful_until: datetime
    project: str = ""


class DevMail(msgspec.Struct, frozen=True):
    """A mail in the mailbox of dev mode. `project`: empty if the installation sent the mail."""

    id: str
    to: str
    project: str
    subject: str
    text: str
    html: str
    at: datetime


def masked(address: str) -> str:
    """Return an address for logs, in which only the first character and the domain can be read."""
    mailbox, _, domain = address.rpartition("@")
    return f"{mailbox[:1]}…@{domain}"
