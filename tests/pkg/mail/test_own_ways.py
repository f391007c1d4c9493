from __future__ import annotations

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import Database
from bunbase.pkg.mail.jobs import mail_jobs
from bunbase.pkg.mail.letters import ClaimedMail, Letter
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.own_ways import OwnWaysSender
from bunbase.pkg.mail.smtp import Undelivered
from tests.pkg.mail.smtp_server import SmtpStub
from tests.pkg.waiting import eventually

STATES = "SELECT array_agg(state ORDER BY id) FROM mails WHERE project = $1"


class Ways:
    """The project `broken` has its own way to send mail, which fails. The project `own` has a working way."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    async def projects(self) -> list[str]:
        return ["broken", "own"]

    async def send(self, mail: ClaimedMail) -> None:
        self.tried.append(mail.project)
        if mail.project == "broken":
            raise Undelivered("it hangs", permanent=False)


def letters(project: str) -> list[Letter]:
    return [Letter(f"{project}{number}@example.com", "Hello", "Hello", project=project) for number in range(3)]


async def send_all(sender: OwnWaysSender) -> None:
    """Run the job until no project has a turn any more."""
    await sender.send_due()
    await eventually(lambda: not sender.sending)


async def test_a_way_that_fails_delays_neither_other_projects_nor_the_mail_server(
    smtp: SmtpStub, db: Database, clock: ManualClock
) -> None:
    outbox, ways = MailOutbox(db, clock, smtp.settings()), Ways()
    send, _, _ = mail_jobs(outbox, ways.projects)
    await outbox.post(*letters("broken"), *letters("own"), *letters("usual"))

    await send_all(OwnWaysSender(outbox, ways))
    await send.work()

    assert sorted(ways.tried) == ["broken", "own", "own", "own"], "the turn of a project ends with its first failure"
    assert await db.value(STATES, "broken") == ["waiting"] * 3
    assert await db.value(STATES, "own") == ["sent"] * 3
    assert await db.value(STATES, "usual") == ["sent"] * 3
    assert sorted(smtp.recipients) == [f"usual{number}@example.com" for number in range(3)]


async def test_dev_mode_without_a_server_sends_by_the_way_of_a_project(db: Database, clock: ManualClock) -> None:
    outbox, ways = MailOutbox(db, clock, dev=True), Ways()

    async def has_own_way(project: str) -> bool:
        return project in await ways.projects()

    outbox.has_own_way = has_own_way
    await outbox.post(*letters("own")[:1], *letters("usual")[:1])

    await send_all(OwnWaysSender(outbox, ways))

    assert (await db.value(STATES, "own"), await db.value(STATES, "usual")) == (["sent"], ["kept"])
