"""Build the message of a mail (RFC 5322): our header, and a body in MIME that the library writes."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import msgspec

from bunbase.pkg.addresses import deliverable, email_or_none
from bunbase.pkg.mail.headers import address_line, check_headers, one_line, text_line
from bunbase.pkg.mail.letters import ClaimedMail
from bunbase.pkg.mail.senders import shown_sender


class Message(msgspec.Struct, frozen=True):
    """A mail that is ready to be sent. `sender`, `recipient`: the addresses of the envelope, which the mail server
    uses. `content`: the header and the
    body, in bytes.
    """

    sender: str
    recipient: str
    content: bytes


def message_of(mail: ClaimedMail, sender: Address) -> Message:
    """Return the message. `sender`: the sender of the installation.

    The Message-ID is the same for every attempt, so that mailboxes can drop a second copy.
    Raises: ValueError if the mail cannot be written in a way that every reader sees the same header.
    """
    sender = shown_sender(mail.sender, sender)
    from_, to, reply_to = sender.addr_spec, deliverable(mail.recipient), deliverable(mail.sender.reply_to)
    if not all(is_sendable(one) for one in (from_, mail.recipient, mail.sender.reply_to or from_)):
        raise ValueError("an address of the mail is not in the form of our addresses")
    lines = {
        "From": address_line("From", from_, one_line(sender.display_name)),
        "Reply-To": address_line("Reply-To", reply_to) if mail.sender.reply_to else "",
        "To": address_line("To", to),
        "Subject": text_line("Subject", one_line(mail.subject)),
        "Date": f"Date: {format_datetime(mail.created_at)}",
        "Message-ID": f"Message-ID: <{mail.id}@{sender.domain}>",
        # with this header, out-of-office programs do not answer (RFC 3834)
        "Auto-Submitted": "Auto-Submitted: auto-generated",
    }
    written = {name: line for name, line in lines.items() if line}
    body = _body(mail)
    content = "".join(f"{line}\r\n" for line in written.values()).encode() + body.as_bytes()
    addresses = {"From": from_, "To": to, **({"Reply-To": reply_to} if mail.sender.reply_to else {})}
    check_headers(content, [*written, *body.keys()], addresses)
    return Message(from_, to, content)


def is_sendable(address: str) -> bool:
    """True if a mail to the normal form of this address is delivered to exactly this address."""
    normal = email_or_none(address)
    return normal is not None and deliverable(normal) == deliverable(address)


def _body(mail: ClaimedMail) -> EmailMessage:
    body = EmailMessage(policy=SMTP)
    body.set_content(mail.plain, cte="quoted-printable")
    if mail.html:
        body.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return body
