"""Mails reach a real SMTP server on loopback."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import Database
from bunbase.pkg.mail.letters import ClaimedMail, Letter
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.senders import OwnSender
from bunbase.pkg.mail.sending import send_due
from bunbase.pkg.mail.settings import MailSettings
from bunbase.pkg.mail.smtp import SmtpServer, Undelivered
from tests.pkg.mail.smtp_server import PASSWORD, SmtpStub, certificate

AT = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
ADA = "ada@example.com"


def mail(**others: Any) -> ClaimedMail:
    known = {
        "id": "mail_1",
        "kind": "verify_email",
        "recipient": ADA,
        "subject": "Confirm your address — Café",
        "plain": "Open https://bunbase.test/confirm?token=abc\n\nGrüße\n",
        "html": '<p><a href="https://bunbase.test/confirm?token=abc">Confirm</a></p>',
        "attempts": 1,
        "created_at": AT,
        "useful_until": AT,
    }
    return ClaimedMail(**{**known, **others})


async def refusal(settings: MailSettings, sent: ClaimedMail | None = None) -> Undelivered:
    with pytest.raises(Undelivered) as failure:
        await SmtpServer(settings).send(sent or mail())
    assert PASSWORD not in failure.value.reason
    return failure.value


async def test_a_mail_arrives_with_both_bodies_and_a_fixed_message_id(smtp: SmtpStub) -> None:
    await SmtpServer(smtp.settings()).send(mail())

    (message,) = smtp.received
    headers = {name: str(message[name]) for name in ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted")}
    assert headers == {
        "From": "BunBase <bunbase@example.com>",
        "To": ADA,
        "Subject": "Confirm your address — Café",
        "Date": "Mon, 05 Jan 2026 06:00:00 +0000",
        "Message-ID": "<mail_1@example.com>",
        "Auto-Submitted": "auto-generated",
    }
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == mail().plain
    assert html.get_content().strip() == mail().html
    assert smtp.recipients == [ADA]


@pytest.mark.parametrize(
    ("subject", "seen"),
    [
        ("Hello\r\nBcc: eve@example.com", "Hello Bcc: eve@example.com"),
        ("Hello\n\nBody", "Hello Body"),
        ("Hello\u2028Bcc: eve@example.com\x00\x1b", "Hello Bcc: eve@example.com"),
    ],
)
async def test_a_line_break_in_a_subject_adds_no_header(smtp: SmtpStub, subject: str, seen: str) -> None:
    await SmtpServer(smtp.settings()).send(mail(subject=subject))

    (message,) = smtp.received
    assert (str(message["Subject"]), message["Bcc"], smtp.recipients) == (seen, None, [ADA])


async def test_a_lone_dot_and_long_lines_in_a_body_arrive_unchanged(smtp: SmtpStub) -> None:
    """A lone dot ends a message in SMTP, and lines have at most 998 characters (RFC 5321 §4.5)."""
    plain = "first\n.\nMAIL FROM:<eve@example.com>\n" + "x" * 5000 + "\n"

    await SmtpServer(smtp.settings()).send(mail(plain=plain, html=""))

    (message,) = smtp.received
    assert message.get_content().replace("\r\n", "\n") == plain


async def test_a_domain_in_unicode_is_sent_in_ascii_without_changing_it(smtp: SmtpStub) -> None:
    await SmtpServer(smtp.settings()).send(mail(recipient="ada@straße.example"))

    assert smtp.recipients == ["ada@xn--strae-oqa.example"]


async def test_an_address_in_unicode_needs_a_server_that_accepts_it(smtp: SmtpStub) -> None:
    failure = await refusal(smtp.settings(), mail(recipient="büro@example.com"))
    async with SmtpStub(unicode=True).running() as modern:
        await SmtpServer(modern.settings()).send(mail(recipient="büro@example.com"))

    assert failure.permanent
    assert "SMTPUTF8" in failure.reason
    assert modern.recipients == [str(modern.received[0]["To"])] == ["büro@example.com"]


@pytest.mark.parametrize("recipient", ["a..b@example.com", "[a]@example.com", ".a@example.com"])
async def test_an_address_that_smtp_does_not_allow_makes_a_permanent_failure(smtp: SmtpStub, recipient: str) -> None:
    assert (await refusal(smtp.settings(), mail(recipient=recipient))).permanent
    assert smtp.received == []


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "tls"])
async def test_a_mail_is_sent_over_tls_with_a_password(tmp_path: Path, implicit: bool) -> None:
    tls, ca_file = certificate(tmp_path)
    async with SmtpStub(tls, implicit, signs_in=True).running() as smtp:
        settings = smtp.settings(security="tls" if implicit else "starttls", ca_file=str(ca_file))

        await SmtpServer(settings).check()
        await SmtpServer(settings).send(mail())

        assert smtp.encrypted == [True]


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "tls"])
async def test_a_server_with_an_unknown_certificate_gets_neither_password_nor_mail(
    tmp_path: Path, implicit: bool
) -> None:
    tls, _ = certificate(tmp_path)
    async with SmtpStub(tls, implicit, signs_in=True).running() as smtp:
        failure = await refusal(smtp.settings(security="tls" if implicit else "starttls"))

        assert not failure.permanent
        assert "certificate" in failure.reason.lower()
        assert smtp.received == []


async def test_a_server_without_starttls_gets_no_mail_in_plain_text(smtp: SmtpStub) -> None:
    failure = await refusal(smtp.settings(security="starttls"))

    assert not failure.permanent
    assert smtp.received == []


async def test_a_wrong_password_is_not_the_fault_of_the_mail(tmp_path: Path) -> None:
    tls, ca_file = certificate(tmp_path)
    async with SmtpStub(tls, signs_in=True).running() as smtp:
        settings = smtp.settings(security="starttls", ca_file=str(ca_file), password="another password")

        failure = await refusal(settings)
        with pytest.raises(Undelivered, match=r"refused mail\.username and mail\.password"):
            await SmtpServer(settings).check()

    assert not failure.permanent
    assert "refused mail.username and mail.password: 535" in failure.reason
    assert "another password" not in failure.reason


@pytest.mark.parametrize(
    ("answers", "permanent", "reason"),
    [
        ({"to_recipient": ["550 5.1.1 unknown"]}, True, "550 5.1.1 unknown"),
        ({"to_recipient": ["450 4.2.1 greylisted"]}, False, "450 4.2.1 greylisted"),
        ({"to_data": ["554 5.7.1 spam"]}, True, "554 5.7.1 spam"),
        ({"to_data": ["451 4.3.0 busy"]}, False, "451 4.3.0 busy"),
        ({"to_sender": ["553 5.7.1 not your address"]}, False, "553 5.7.1 not your address"),
    ],
)
async def test_only_a_refusal_of_the_recipient_or_the_message_is_permanent(
    smtp: SmtpStub, answers: dict[str, list[str]], permanent: bool, reason: str
) -> None:
    for name, list_of_answers in answers.items():
        setattr(smtp, name, list_of_answers)

    failure = await refusal(smtp.settings())

    assert (failure.permanent, failure.reason) == (permanent, reason)


async def test_a_server_that_hangs_is_left_at_the_deadline(smtp: SmtpStub) -> None:
    smtp.hangs = True

    failure = await refusal(smtp.settings(timeout_seconds=0.2))

    assert (failure.permanent, failure.reason) == (False, f"127.0.0.1:{smtp.port} did not answer within 0.2 s")


async def test_a_server_that_is_down_is_tried_again(smtp: SmtpStub) -> None:
    settings = smtp.settings(port=1)

    assert not (await refusal(settings)).permanent


async def test_a_mail_whose_server_dies_before_its_answer_is_sent_again_with_the_same_message_id(
    smtp: SmtpStub, db: Database, clock: ManualClock
) -> None:
    """Nobody can know whether the server has the mail. Two copies are better than none."""
    outbox = MailOutbox(db, clock, smtp.settings())
    server = SmtpServer(outbox.settings)
    smtp.dies = True
    await outbox.post(Letter(ADA, "Hello", "Hello"))

    assert await send_due(outbox, server) == 0
    clock.advance(10)
    assert await send_due(outbox, server) == 1

    assert len(smtp.received) == 2
    assert len(set(smtp.message_ids())) == 1


async def test_a_refused_mail_is_sent_after_the_server_accepts_it(
    smtp: SmtpStub, db: Database, clock: ManualClock
) -> None:
    outbox = MailOutbox(db, clock, smtp.settings())
    server = SmtpServer(outbox.settings)
    smtp.to_recipient = ["450 greylisted <ada@example.com>", "451 busy"]
    await outbox.post(Letter(ADA, "Hello", "Hello"))
    sent = []

    with capture_logs() as logs:
        for seconds in (0, 10, 60):
            clock.advance(seconds)
            sent.append(await send_due(outbox, server))

    assert sent == [0, 0, 1]
    assert ADA not in repr(logs)
    assert len(smtp.received) == 1


async def test_a_process_killed_between_the_servers_answer_and_its_own_commit_sends_a_second_copy_at_most(
    smtp: SmtpStub, db: Database, database_url: str, clock: ManualClock
) -> None:
    outbox = MailOutbox(db, clock, smtp.settings())
    server = SmtpServer(outbox.settings)
    await outbox.post(Letter(ADA, "Hello", "Hello"))
    command = (sys.executable, "-m", "tests.pkg.mail.dying", database_url, str(smtp.port))
    dying = await asyncio.create_subprocess_exec(*command)
    assert await dying.wait() == -signal.SIGKILL
    assert len(smtp.received) == 1
    sent = []

    for _ in range(3):
        sent.append(await send_due(outbox, server))
        clock.advance(3600)

    assert sent == [0, 1, 0], "the claim of the killed process must end first"
    assert len(smtp.received) == 2
    assert len(set(smtp.message_ids())) == 1


async def test_a_mail_of_a_project_shows_its_name_and_where_answers_go() -> None:
    async with SmtpStub().running() as stub:
        server = SmtpServer(stub.settings())
        await server.send(mail(sender=OwnSender("Bäckerei, Köln", "", "hello@bakery.example")))
        await server.send(mail(sender=OwnSender("Bakery", "post@bakery.example", "")))

    named, own = stub.received
    assert (named["From"].addresses[0].display_name, named["From"].addresses[0].addr_spec) == (
        "Bäckerei, Köln",
        "bunbase@example.com",
    )
    assert (str(named["Reply-To"]), own["Reply-To"]) == ("hello@bakery.example", None)
    assert str(own["From"]) == "Bakery <post@bakery.example>"
    assert own["Message-ID"] == "<mail_1@bakery.example>"
