from __future__ import annotations

from pathlib import Path

import pytest

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunkms import Kms
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import Database
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.mail.jobs import mail_jobs
from bunbase.pkg.mail.letters import Letter
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.modules import Rooms
from tests.fakes import FakeKms
from tests.pkg.mail.smtp_server import SmtpStub
from tests.pkg.waiting import eventually
from tests.rooms import opened, site

LETTER = Letter("ada@example.com", "Hello", "Hello")
STATES = "SELECT array_agg(state ORDER BY id) FROM mails"


async def test_a_job_sends_every_mail_over_several_connections(
    smtp: SmtpStub, db: Database, clock: ManualClock
) -> None:
    outbox = MailOutbox(db, clock, smtp.settings())
    send, _, _ = mail_jobs(outbox)
    await outbox.post(*(Letter(f"ada{number}@example.com", "Hello", "Hello") for number in range(12)))

    await send.work()

    assert sorted(smtp.recipients) == sorted(f"ada{number}@example.com" for number in range(12))
    assert await db.value(STATES) == ["sent"] * 12


async def test_production_without_a_server_gives_old_mails_up_and_says_why(db: Database, clock: ManualClock) -> None:
    outbox = MailOutbox(db, clock)
    send, measure, _ = mail_jobs(outbox)
    await outbox.post(Letter("ada@example.com", "Hello", "Hello", useful_seconds=24 * 3600))

    await send.work()
    await measure.work()
    waiting = await db.value(STATES)
    clock.advance(8 * 3600)
    await measure.work()

    assert (waiting, await db.value(STATES)) == (["waiting"], ["dead"])
    assert await db.value("SELECT reason FROM mails") == "Mail is not configured: set mail.host."


async def test_a_failure_of_postgresql_is_a_failure_of_the_job(
    smtp: SmtpStub, db: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failure, the job waits longer and logs the failure. The job sends the mail when the claim of the mail has
    ended.
    """
    outbox = MailOutbox(db, clock, smtp.settings())
    send, _, _ = mail_jobs(outbox)
    await outbox.post(LETTER)

    async def unreachable(_mail: object) -> None:
        raise Unreachable

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "sent", unreachable)
        with pytest.raises(Unreachable):
            await send.work()
    clock.advance(60)
    await send.work()

    assert len(smtp.received) == 2
    assert len(set(smtp.message_ids())) == 1


async def test_a_room_sends_the_mails_that_it_has_posted(smtp: SmtpStub, tmp_path: Path, database_url: str) -> None:
    where = site(tmp_path, database_url, mail=smtp.settings())
    async with opened(MODULE, Rooms({Kms: FakeKms()}), where) as bunauth:
        assert isinstance(bunauth, BunAuthService)
        await bunauth.stores.mails.post(LETTER)

        await eventually(lambda: smtp.received)

        (kept,) = await bunauth.dev_mails("", "", 20, "")
    assert kept.to == "ada@example.com"
