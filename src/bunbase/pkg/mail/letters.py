"""The types of a mail: a letter that a room posts, a claimed mail, and a mail in the mailbox of dev mode."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.mail.senders import OF_INSTALLATION, OwnSender

MAX_SUBJECT: Final = 250  # A subject has at most this many characters.
MAX_BODY: Final = 256 << 10  # A body has at most this many characters.
USEFUL_SECONDS: Final = 8 * 3600


class Letter(msgspec.Struct, frozen=True):
    """A mail that a room wants to send.

    `to`: an address in the form of `pkg/addresses.py`. `html` may be empty.
    `project`: the id of the project in whose name the mail is sent; empty for the installation.
    `kind`: the name of the template, such as `password_reset`. Limits count each kind, and logs show it.
    `notice`: true if the mail tells the owner of the address about an event that only the owner can cause. Notices have
    their own limit, because an attacker who asks for many codes could otherwise suppress them.
    `useful_seconds`: the time after which the mail is not sent any more, for example because its link has expired.
    `fields`: the values from which the letter was made, so that it can be made again in the language of its reader.
    `language`: the language of the person who asked for the letter, or empty if the language is not known.
    """

    to: str
    subject: str
    text: str
    html: str = ""
    project: str = ""
    kind: str = "other"
    notice: bool = False
    useful_seconds: int = USEFUL_SECONDS
    fields: dict[str, str] | None = None
    language: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.subject) <= MAX_SUBJECT or max(len(self.text), len(self.html)) > MAX_BODY:
            raise ValueError(f"the subject or a body of a mail of the kind {self.kind} has a wrong length")
        if "\0" in self.subject + self.text + self.html:
            raise ValueError("PostgreSQL cannot store the character U+0000")


class ClaimedMail(msgspec.Struct, frozen=True):
    """A mail that this process may send until its claim ends. `attempts`: the number of attempts, including the
    present attempt.

    `project`: the project in whose name the mail is sent; empty for the installation. `sender`: the sender that this
    project has chosen instead of the installation's sender.
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
    sender: OwnSender = OF_INSTALLATION


class DevMail(msgspec.Struct, frozen=True):
    """A mail in the mailbox of dev mode. `project`: the project that sent the mail; empty for the installation."""

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
