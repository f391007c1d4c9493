"""One project with many mails, or with a way that hangs, delays the mails of no other project."""

from __future__ import annotations

import asyncio

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import Database
from bunbase.pkg.mail.letters import ClaimedMail, Letter
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.own_ways import PLACES, OwnWaysSender
from bunbase.pkg.mail.sending import send_due
from bunbase.pkg.mail.settings import MailSettings
from bunbase.pkg.mail.smtp import Undelivered
from tests.pkg.waiting import eventually

SETTINGS = MailSettings(host="127.0.0.1", sender="bunbase@example.com")


def notice(project: str, number: int = 0) -> Letter:
    """Return a letter that the limits of a project do not count."""
    return Letter(f"{project}{number}@example.com", "Hello", "Hello", project=project, notice=True)


class Server:
    """A mail server that notes the projects of the mails in their order."""

    def __init__(self) -> None:
        self.projects: list[str] = []

    async def send(self, mail: ClaimedMail) -> None:
        self.projects.append(mail.project)


class HangingWays:
    """The ways of all projects hang, except the way of `bakery`."""

    def __init__(self, *projects: str) -> None:
        self.known = list(projects)
        self.begun: list[str] = []
        self.released = asyncio.Event()

    async def projects(self) -> list[str]:
        return self.known

    async def send(self, mail: ClaimedMail) -> None:
        self.begun.append(mail.project)
        if mail.project != "bakery":
            await self.released.wait()
            raise Undelivered("it hung", permanent=False)


async def test_a_project_with_many_mails_delays_the_mail_of_another_project_by_one(
    db: Database, clock: ManualClock
) -> None:
    outbox, server = MailOutbox(db, clock, SETTINGS), Server()
    await outbox.post(*(notice("flood", number) for number in range(50)))
    clock.advance(1)
    await outbox.post(notice("bakery"))
    await outbox.post(notice("", 1))

    await send_due(outbox, server)

    assert len(server.projects) == 52
    assert max(server.projects.index("bakery"), server.projects.index("")) <= 2


async def test_mails_of_one_project_leave_in_their_order(db: Database, clock: ManualClock) -> None:
    outbox = MailOutbox(db, clock, SETTINGS)
    for number in range(6):
        await outbox.post(notice("bakery", number))
        clock.advance(1)

    order = [mail.recipient for _ in range(6) if (mail := await outbox.claim()) is not None]

    assert order == [f"bakery{number}@example.com" for number in range(6)]


async def test_projects_whose_ways_hang_leave_places_for_another_project(db: Database, clock: ManualClock) -> None:
    hanging = [f"a{number}" for number in range(PLACES)]
    ways = HangingWays(*hanging, "bakery")
    outbox = MailOutbox(db, clock, SETTINGS)
    sender = OwnWaysSender(outbox, ways)
    await outbox.post(*(notice(project, number) for project in hanging for number in range(5)))
    clock.advance(1)
    await sender.send_due()
    await eventually(lambda: len(ways.begun) >= PLACES)
    await outbox.post(notice("bakery"))

    clock.advance(10)  # A hook may take this long. After that, all of the hooks are known to be slow.
    ways.released.set()
    await eventually(lambda: not sender.sending)
    ways.released.clear()
    clock.advance(20)  # The mails of these projects are due again.
    ways.begun.clear()
    await sender.send_due()
    await eventually(lambda: "bakery" in ways.begun)
    await sender.stop()

    assert len(set(ways.begun) - {"bakery"}) <= PLACES // 2


async def test_however_many_projects_have_slow_ways_each_of_them_gets_its_turn(
    db: Database, clock: ManualClock
) -> None:
    """Before, the job took the first eight projects again and again, and no other project."""
    projects = [f"p{number:02}" for number in range(3 * PLACES)]
    ways = HangingWays(*projects)
    outbox = MailOutbox(db, clock, SETTINGS)
    sender = OwnWaysSender(outbox, ways)
    await outbox.post(*(notice(project, number) for project in projects for number in range(5)))

    ways.released.set()
    for _ in range(len(projects)):
        clock.advance(10)
        await sender.send_due()
        await eventually(lambda: not sender.sending)

    assert set(ways.begun) == set(projects)
