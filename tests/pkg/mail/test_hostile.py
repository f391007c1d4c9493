"""Hostile texts and addresses in mails: none becomes a header or a recipient, and none stops the mails of others."""

from __future__ import annotations

import random
from typing import Final

import pytest
from structlog.testing import capture_logs

from bunbase.pkg.addresses import deliverable, email_or_none
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import Database
from bunbase.pkg.mail.composing import compose
from bunbase.pkg.mail.headers import check_headers, one_line
from bunbase.pkg.mail.letters import ClaimedMail, Letter
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.own_ways import OwnWaysSender
from bunbase.pkg.mail.senders import OF_INSTALLATION, OwnSender
from bunbase.pkg.mail.sending import NO_ADDRESS, send_due
from bunbase.pkg.mail.smtp import SmtpServer, Undelivered
from bunbase.pkg.mail.templates import MEMBER_INVITE
from tests.pkg.mail.smtp_server import SmtpStub
from tests.pkg.mail.test_own_ways import send_all
from tests.pkg.mail.test_smtp import mail
from tests.seeds import seeds

ADA: Final = "ada@example.com"
POISON: Final = "=?utf-8?q?=28=2c=0a?=é@corp.com"  # For this text, the library's parser raises IndexError.
# The library sent this mail to m@evil.com.
DIVERTED: Final = "=?utf-8?q?m=40evil.com=2c?==28=?utf-8?q?=29=5c==é@corp.com"
HEADERS: Final = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"]
OF_BODY: Final = ["MIME-Version", "Content-Type"]
PIECES: Final = (
    *("=?utf-8?q?", "=?utf-8?b?", "?=", "=?", "?", "=", "=0d=0aBcc=3a_v=40x.example", "YQ0KQmNjOiB2", "=0A", "=40"),
    *("a", "é", "ß", "Ω", "İ", "دو", "＠", "．", "。", "@", ".", "..", "+", "-", "'", "%", "!", "|", "x" * 70),
    *("\r\n", "\n", "\r", "\t", " ", "\0", "\x85", "\u2028", "\u202e", "\u200b", "\u0301", "\ufeff", "\ud800", "😀"),
    *('"', "\\", "(", ")", "<", ">", "[", "]", ",", ";", ":", "group:", "xn--", "xn--bcher-kva", "Bcc: v@x.example"),
)
DOMAINS: Final = (
    "corp.com",
    "bücher.example",
    "xn--bcher-kva.example",
    "corp.com.",
    "CORP.com",
    "a@corp.com",
    "=?x.com",
)


def drawn(chance: random.Random, most: int) -> str:
    return "".join(chance.choice(PIECES) for _ in range(chance.randint(1, most)))


def hostile(chance: random.Random) -> ClaimedMail:
    """Return a mail in a form that the database may contain, also from an older version."""
    address = f"{drawn(chance, 3)}@{chance.choice(DOMAINS)}"
    own = OwnSender(chance.choice(["", drawn(chance, 6)]), chance.choice(["", "post@bakery.example"]), "")
    known = chance.choice(["büro@bücher.example", "office@bücher.example"])  # Every server accepts the second address.
    recipient = (email_or_none(address) or address) if chance.random() < 0.7 else known
    return mail(recipient=recipient, subject=drawn(chance, 8), project="p", sender=own)


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(4))
async def test_a_hostile_mail_has_exactly_our_headers_and_one_recipient_or_is_refused(seed: int) -> None:
    chance = random.Random(seed)
    async with SmtpStub(unicode=seed % 2 == 0).running() as stub:
        server = SmtpServer(stub.settings())
        sent: list[ClaimedMail] = []
        kept_for_later: list[str] = []
        for _ in range(25):
            one = hostile(chance)
            try:
                await server.send(one)
            except Undelivered as refused:
                kept_for_later += [] if refused.permanent else [refused.reason]
            else:
                sent.append(one)

    assert sent
    assert kept_for_later == []
    assert stub.recipients == [deliverable(one.recipient) for one in sent]
    for one, message in zip(sent, stub.received, strict=True):
        assert email_or_none(one.recipient) == one.recipient
        assert message.keys() == [*HEADERS, *OF_BODY]
        assert str(message["To"]) == deliverable(one.recipient)
        assert len(message["To"].addresses) == 1
        sender = one.sender.address or "bunbase@example.com"
        assert [found.addr_spec for found in message["From"].addresses] == [sender]
        assert str(message["Subject"]) == one_line(one.subject)


@pytest.mark.parametrize("recipient", [POISON, DIVERTED, "a%b@corp.com", "a..b@corp.com", "a@☕.example"])
async def test_an_address_of_an_older_version_gets_a_dead_letter_and_stops_no_other_mail(
    smtp: SmtpStub, db: Database, clock: ManualClock, recipient: str
) -> None:
    outbox = MailOutbox(db, clock, smtp.settings())
    await outbox.post(Letter(recipient, "secret", "secret"), Letter(ADA, "Hello", "Hello"))

    with capture_logs() as logs:
        assert await send_due(outbox, SmtpServer(outbox.settings)) == 1

    assert smtp.recipients == [ADA]
    assert (
        await db.value("SELECT state || ': ' || reason FROM mails WHERE recipient <> $1", ADA) == f"dead: {NO_ADDRESS}"
    )
    assert "secret" not in repr(logs)


class Broken:
    """A server and a project's own way to send mail.

    The server and the way fail with an unexpected error, except for Ada's mails.
    """

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def projects(self) -> list[str]:
        return ["own"]

    async def send(self, mail: ClaimedMail) -> None:
        if mail.recipient != ADA:
            raise IndexError(mail.plain)
        self.sent.append(mail.recipient)


async def no_sender(project: str) -> OwnSender:
    if project == "broken":
        raise RuntimeError("secret")
    return OF_INSTALLATION


async def test_a_mail_that_fails_in_an_unforeseen_way_waits_alone_and_is_logged_without_its_text(
    db: Database, clock: ManualClock
) -> None:
    outbox, server = MailOutbox(db, clock), Broken()
    outbox.sender_of = no_sender
    await outbox.post(
        Letter("bob@example.com", "secret", "secret"), Letter("eve@example.com", "secret", "x", project="own")
    )
    await outbox.post(Letter("cy@example.com", "secret", "secret", project="broken"), Letter(ADA, "Hello", "Hello"))

    with capture_logs() as logs:
        await send_all(OwnWaysSender(outbox, server))
        assert await send_due(outbox, server) == 1

    waiting = "SELECT array_agg(split_part(reason, ' in ', 1) ORDER BY recipient) FROM mails WHERE state = 'waiting'"
    prefix = "The mail could not be sent:"
    assert await db.value(waiting) == [f"{prefix} {name}" for name in ("IndexError", "RuntimeError", "IndexError")]
    assert server.sent == [ADA]
    assert "secret" not in repr(logs)


def test_no_field_of_a_letter_begins_an_encoded_word() -> None:
    fields = {
        "app": "BunBase",
        "inviter_email": POISON,
        "kind": "project",
        "role": "admin",
        "valid_for": "1 day",
        "url": "https://b.test/x",
    }
    letter = compose(MEMBER_INVITE, ADA, {**fields, "inviter": "=\u200b?utf-8?q?=0ABcc=3A?=", "target": "?utf-8?q?x?="})

    assert "=?" not in letter.subject + letter.text + letter.html


@pytest.mark.parametrize(
    "content",
    [
        b"From: a@x.example\r\nTo: b@x.example\r\nBcc: c@x.example\r\n\r\n",
        b"From: a@x.example\r\nTo: b@x.example, c@x.example\r\n\r\n",
        b"From: a@x.example\r\nTo: c@x.example\r\n\r\n",
        b"From: a@x.example\r\nTo: b@x.example\nBcc: c@x.example\r\n\r\n",
        b"From: a@x.example\r\nTo: b@x.example\r\n" + b" x" * 600 + b"\r\n\r\n",
        b"From: a@x.example\r\nFrom: a@x.example\r\nTo: b@x.example\r\n\r\n",
    ],
)
def test_a_message_with_other_headers_than_were_written_is_not_sent(content: bytes) -> None:
    with pytest.raises(ValueError, match="header"):
        check_headers(content, ["From", "To"], {"From": "a@x.example", "To": "b@x.example"})
