"""Build the message of a mail (RFC 5322).

The library refuses line breaks in headers, so no name or subject can add a header.
"""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from typing import Final

from bunbase.pkg.mail.letters import ClaimedMail
from bunbase.pkg.mail.senders import shown_sender

ENCODED: Final = "xn--"


def message_of(mail: ClaimedMail, sender: Address) -> EmailMessage:
    """Return the message. `sender`: of the installation.

    The Message-ID is the same for every attempt, so that mailboxes can drop a second copy.
    """
    to, sender = deliverable(mail.recipient), shown_sender(mail.sender, sender)
    message = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    message["From"] = sender
    if mail.sender.reply_to:
        message["Reply-To"] = Address(addr_spec=mail.sender.reply_to)
    message["To"] = Address(addr_spec=to) if to.isascii() else to  # `Address` refuses a mailbox in Unicode (RFC 6531)
    message["Subject"] = one_line(mail.subject)
    message["Date"] = _date(mail.created_at)
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: out-of-office programs do not answer
    message.set_content(mail.plain, cte="quoted-printable")
    if mail.html:
        message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return message


def one_line(text: str) -> str:
    """Return a text without control characters, and with single spaces in place of all white space."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def deliverable(address: str) -> str:
    """Return an address whose domain is in ASCII (RFC 5891).

    Python's codec `idna` follows an older standard, which turns ß into ss: the mail would go to another domain.
    """
    mailbox, _, domain = address.rpartition("@")
    return f"{mailbox}@" + ".".join([_in_ascii(label) for label in domain.split(".")])


def _in_ascii(label: str) -> str:
    return label if label.isascii() else ENCODED + label.encode("punycode").decode("ascii")


def _date(time: datetime) -> str:
    return format_datetime(time)
