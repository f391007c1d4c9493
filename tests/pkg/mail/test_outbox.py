from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bunbase.pkg import metrics
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import Database
from bunbase.pkg.mail.jobs import NOT_CONFIGURED
from bunbase.pkg.mail.letters import ClaimedMail, Letter
from bunbase.pkg.mail.outbox import MailOutbox, retry_seconds
from bunbase.pkg.mail.sending import send_due
from bunbase.pkg.mail.settings import MailSettings
from bunbase.pkg.mail.smtp import Undelivered
from tests.pkg.mail.table import MIGRATIONS, documented_table, mail_database

SETTINGS = MailSettings(host="127.0.0.1", sender="bunbase@example.com")
LETTER = Letter("ada@example.com", "Reset your password", "https://bunbase.test/reset?token=secret", "<p>secret</p>")
ROWS = "SELECT coalesce(jsonb_agg(to_jsonb(mails) ORDER BY id), '[]') FROM mails"


class ServerStub:
    """A server that records the ids of mails in `sent`, and first raises the failures in `failures`."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.sent: list[str] = []

    async def send(self, mail: ClaimedMail) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(mail.id)


@pytest.fixture
def outbox(db: Database, clock: ManualClock) -> MailOutbox:
    return MailOutbox(db, clock, SETTINGS)


async def rows(outbox: MailOutbox) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await outbox.db.value(ROWS)
    return found


def counted(outcome: str) -> float:
    return float(metrics.mails.labels("bunauth", outcome)._value.get())


def temporary() -> Undelivered:
    return Undelivered("421 try later", permanent=False)


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda path: path.parts[-3])
def test_the_documented_table_is_the_table_of_every_room(migration: Path) -> None:
    text = migration.read_text("utf-8")

    assert documented_table() == text[text.index("CREATE TABLE") :]


async def test_a_sent_mail_is_sent_once_and_its_secrets_are_wiped(outbox: MailOutbox) -> None:
    server = ServerStub()
    await outbox.post(LETTER)

    assert await send_due(outbox, server) == 1
    assert await send_due(outbox, server) == 0

    (row,) = await rows(outbox)
    assert (row["state"], row["subject"], row["plain"], row["html"]) == ("sent", "", "", "")
    assert len(server.sent) == 1


async def test_a_mail_of_a_failed_transaction_is_never_sent(outbox: MailOutbox) -> None:
    async def fail() -> None:
        async with outbox.db.transaction():
            await outbox.post(LETTER)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await send_due(outbox, ServerStub()) == 0


async def test_failed_attempts_wait_longer_and_longer_until_the_mail_is_a_dead_letter(
    outbox: MailOutbox, clock: ManualClock
) -> None:
    server = ServerStub(*(temporary() for _ in range(99)))
    await outbox.post(LETTER)
    dead = counted("dead")
    attempts = 0

    while (await rows(outbox))[0]["state"] == "waiting":
        await send_due(outbox, server)
        attempts += 1
        assert await send_due(outbox, server) == 0
        clock.advance(retry_seconds(attempts))

    (row,) = await rows(outbox)
    assert [retry_seconds(number) for number in range(1, 8)] == [10, 60, 300, 1800, 3600, 3600, 3600]
    assert (row["state"], row["attempts"], row["reason"], row["plain"]) == ("dead", 12, "421 try later", "")
    assert counted("dead") == dead + 1


async def test_a_mail_that_fails_at_first_is_sent_later(outbox: MailOutbox, clock: ManualClock) -> None:
    server = ServerStub(temporary())
    await outbox.post(LETTER)
    await send_due(outbox, server)
    assert server.sent == []

    clock.advance(10)
    await send_due(outbox, server)

    assert len(server.sent) == 1


async def test_a_permanent_refusal_makes_a_dead_letter_at_once(outbox: MailOutbox) -> None:
    await outbox.post(LETTER)

    await send_due(outbox, ServerStub(Undelivered("550 <ada@example.com> is unknown", permanent=True)))

    (row,) = await rows(outbox)
    assert (row["state"], row["attempts"], row["reason"]) == ("dead", 1, "550 <a…@example.com> is unknown")


async def test_a_mail_of_a_killed_process_is_sent_again_with_the_same_id(
    outbox: MailOutbox, clock: ManualClock
) -> None:
    """The process ends after the server has accepted the mail, and before the process has stored this."""
    server = ServerStub()
    await outbox.post(LETTER)
    claimed = await outbox.claim()
    assert claimed is not None
    await server.send(claimed)

    assert await send_due(outbox, server) == 0, "the claim has not ended"
    clock.advance(SETTINGS.timeout_seconds + 30)
    assert await send_due(outbox, server) == 1
    clock.advance(3600)
    assert await send_due(outbox, server) == 0

    assert server.sent == [claimed.id, claimed.id]


async def test_a_slow_process_does_not_bring_back_a_mail_that_another_process_has_sent(
    outbox: MailOutbox, clock: ManualClock
) -> None:
    await outbox.post(LETTER)
    slow = await outbox.claim()
    assert slow is not None
    clock.advance(SETTINGS.timeout_seconds + 30)
    await send_due(outbox, ServerStub())

    await outbox.failed(slow, "no answer", permanent=False)
    await outbox.failed(slow, "no answer", permanent=True)

    assert (await rows(outbox))[0]["state"] == "sent"


async def test_processes_share_the_mails_and_none_is_sent_twice(
    outbox: MailOutbox, database_url: str, clock: ManualClock
) -> None:
    servers = [ServerStub(), ServerStub()]
    for number in range(20):
        await outbox.post(Letter(f"ada{number}@example.com", "Hello", "Hello"))
    async with mail_database(database_url) as other_db:
        other = MailOutbox(other_db, clock, SETTINGS)

        await asyncio.gather(*(send_due(*pair) for pair in zip((outbox, other), servers, strict=True)))

    sent = [id for server in servers for id in server.sent]
    assert len(sent) == len(set(sent)) == 20
    assert all(server.sent for server in servers)


async def test_an_address_gets_no_more_mails_than_the_limits_allow(db: Database, clock: ManualClock) -> None:
    """The caller sees no difference. An address with a tag is the same mailbox; notices have their own limit."""
    outbox = MailOutbox(db, clock, MailSettings(host="mail.test", sender="a@b.c", max_per_address=5, max_of_a_kind=3))
    dropped = counted("dropped")

    for tag in ("", "+1", "+2", "+3"):
        await outbox.post(Letter(f"Ada{tag}@Example.com", "Code", "1", kind="code"))
    assert (len(await rows(outbox)), counted("dropped")) == (3, dropped + 1)
    for _ in range(3):
        await outbox.post(Letter("ada@example.com", "Reset", "2", kind="reset"))
    assert len(await rows(outbox)) == 5
    await outbox.post(Letter("ada@example.com", "Changed", "3", kind="changed", notice=True))
    await outbox.post(Letter("bob@example.com", "Code", "4", kind="code"))
    assert len(await rows(outbox)) == 7

    clock.advance(3600)
    await outbox.post(Letter("ada@example.com", "Code", "5", kind="code"))
    assert len(await rows(outbox)) == 8


async def test_a_project_sends_no_more_mails_in_an_hour_than_its_limit_but_all_notices(
    db: Database, clock: ManualClock
) -> None:
    outbox = MailOutbox(db, clock, SETTINGS, max_per_project=2)
    for number in range(3):
        for project in ("prj_a", "prj_b", ""):
            await outbox.post(Letter(f"{project}{number}@example.com", "Code", "1", project=project, kind="code"))
    await outbox.post(Letter("ada@example.com", "Changed", "2", project="prj_a", kind="changed", notice=True))

    assert len(await rows(outbox)) == 2 + 2 + 3 + 1
    clock.advance(3600)
    await outbox.post(Letter("ada@example.com", "Code", "3", project="prj_a", kind="code"))
    assert len(await rows(outbox)) == 9


async def test_no_number_of_projects_passes_the_limit_of_an_address_and_none_shuts_out_those_who_know_it(
    db: Database, clock: ManualClock
) -> None:
    outbox = MailOutbox(db, clock, MailSettings(host="mail.test", sender="a@b.c", max_of_a_kind=100))

    async def knows(letter: Letter) -> bool:
        return letter.project.startswith("knows")

    async def sent(project: str, notice: bool = False) -> int:
        """Send as many mails as the project may send, and return their number."""
        letter = Letter("ada@example.com", "Code", "1", project=project, kind="code", notice=notice)
        return [await outbox.post(letter) for _ in range(31)].index(False)

    outbox.is_known = knows

    assert [await sent(project) for project in ("bad 1", "bad 2", "bad 3")] == [15, 5, 0]
    assert [await sent(project) for project in ("knows 1", "knows 2", "knows 1")] == [3, 3, 0]
    assert [await sent("bad 1", notice=True), await sent("knows 1", notice=True)] == [15, 5]
    assert await sent("bad 2", notice=True) == 3, "a notice goes only to users"
    assert sum([await sent(f"knows {number}") for number in range(3, 9)]) == 30 - 20 - 6
    assert await sent("") == 0


async def test_requests_at_once_do_not_pass_the_limit(db: Database, clock: ManualClock) -> None:
    outbox = MailOutbox(db, clock, MailSettings(host="mail.test", sender="a@b.c", max_of_a_kind=3))

    await asyncio.gather(*(outbox.post(LETTER) for _ in range(12)))

    assert len(await rows(outbox)) == 3


async def test_transactions_that_post_to_the_same_addresses_in_opposite_order_do_not_wait_for_each_other(
    outbox: MailOutbox,
) -> None:
    letters = [Letter(f"{name}@example.com", "Changed", "Changed") for name in ("ada", "bob")]

    await asyncio.gather(*(outbox.post(*(letters if turn % 2 else reversed(letters))) for turn in range(6)))

    assert len(await rows(outbox)) == 12


async def test_a_mail_to_no_address_is_a_bug_of_the_room(outbox: MailOutbox) -> None:
    with pytest.raises(ValueError, match="not an address"):
        await outbox.post(Letter("ada", "Hello", "Hello"))


async def test_mails_that_wait_for_a_server_die_when_they_are_no_longer_useful(
    db: Database, clock: ManualClock
) -> None:
    """In production without a server, posting works, and a server that is configured in time sends the mail."""
    outbox = MailOutbox(db, clock)
    await outbox.post(LETTER)
    clock.advance(4 * 3600)
    await outbox.post(Letter("bob@example.com", "Hello", "Hello"))
    clock.advance(4 * 3600)

    assert await outbox.bury_outdated(NOT_CONFIGURED) == 1

    assert [row["state"] for row in await rows(outbox)] == ["dead", "waiting"]
    assert await send_due(MailOutbox(db, clock, SETTINGS), ServerStub()) == 1


async def test_sent_mails_are_deleted_after_a_day_and_dead_letters_after_a_month(
    outbox: MailOutbox, clock: ManualClock
) -> None:
    await outbox.post(LETTER)
    await outbox.post(Letter("bob@example.com", "Hello", "Hello"))
    await send_due(outbox, ServerStub(Undelivered("550", permanent=True)))
    states = []

    for seconds in (3600, 24 * 3600, 30 * 24 * 3600):
        clock.advance(seconds)
        await outbox.forget()
        states.append(sorted(row["state"] for row in await rows(outbox)))

    assert states == [["dead", "sent"], ["dead"], []]


async def test_gauges_show_the_backlog_and_the_age_of_the_oldest_mail(outbox: MailOutbox, clock: ManualClock) -> None:
    await outbox.post(LETTER)
    clock.advance(90)
    await outbox.post(Letter("bob@example.com", "Hello", "Hello"))

    await outbox.measure()

    assert metrics.mails_waiting.labels("bunauth")._value.get() == 2
    assert metrics.mails_oldest_seconds.labels("bunauth")._value.get() == 90
    await send_due(outbox, ServerStub(Undelivered("550", permanent=True)))
    await outbox.measure()
    assert metrics.mails_waiting.labels("bunauth")._value.get() == 0
    assert metrics.mails_dead.labels("bunauth")._value.get() == 1


async def test_dev_mode_without_a_server_keeps_mails_for_its_mailbox(db: Database, clock: ManualClock) -> None:
    outbox = MailOutbox(db, clock, dev=True)
    await outbox.post(LETTER)
    await outbox.post(Letter("bob@example.com", "Hello", "Hello Bob", project="prj_bakery"))

    assert await send_due(outbox, ServerStub()) == 0

    newest, oldest = await outbox.dev_mails("", "", 10, "")
    assert (oldest.to, oldest.text, oldest.html, oldest.at) == (LETTER.to, LETTER.text, LETTER.html, clock.now())
    assert await outbox.dev_mails("Bob@example.com", "", 10, "") == [newest]
    assert await outbox.dev_mails("", "prj_bakery", 10, "") == [newest]
    assert await outbox.dev_mails("", "", 1, newest.id) == [oldest]
    assert await outbox.dev_mails("no address", "", 10, "") == []
    clock.advance(24 * 3600 + 1)
    await outbox.forget()
    assert await outbox.dev_mails("", "", 10, "") == []


async def test_dev_mode_with_a_server_sends_mails_and_keeps_them_too(db: Database, clock: ManualClock) -> None:
    outbox, server = MailOutbox(db, clock, SETTINGS, dev=True), ServerStub()
    await outbox.post(LETTER)

    assert await send_due(outbox, server) == 1

    assert [mail.text for mail in await outbox.dev_mails("", "", 10, "")] == [LETTER.text]


async def test_the_mailbox_of_dev_mode_shows_dead_letters_too(db: Database, clock: ManualClock) -> None:
    outbox = MailOutbox(db, clock, SETTINGS, dev=True)
    await outbox.post(LETTER, Letter("bob@example.com", "Hello", "Hello"))
    await send_due(outbox, ServerStub(Undelivered("550", permanent=True), temporary()))
    clock.advance(9 * 3600)
    await outbox.bury_outdated("too late")

    assert {row["state"] for row in await rows(outbox)} == {"dead"}
    assert [mail.text for mail in await outbox.dev_mails("", "", 10, "")] == ["Hello", LETTER.text]
    clock.advance(25 * 3600)
    await outbox.forget()
    assert await rows(outbox) == []


async def test_production_has_no_mailbox(outbox: MailOutbox) -> None:
    await outbox.post(LETTER)

    assert await outbox.dev_mails("", "", 10, "") == []
