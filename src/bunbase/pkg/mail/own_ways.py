"""Mails of projects that do not use the mail server of the installation, but their own way to send mails.

Concern: such a way may be slow or hang, and many projects may have one. A slow way must not delay mails through the
mail server, and must not delay mails of other projects for long. So a separate job sends these mails, for several
projects at once. Projects take turns, and slow projects get at most half of the places (`pkg/sending_turns.py`). The
turn of a project ends with its first failure, or after a few seconds. After a failure, the project rests for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from bunbase.pkg.jobs import Job
from bunbase.pkg.logger import logger
from bunbase.pkg.mail.letters import ClaimedMail
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.sending import deliver, fault
from bunbase.pkg.project_turns import Turn
from bunbase.pkg.sending_turns import SendingTurns

SEND_SECONDS: Final = 2.0
PLACES: Final = 8  # One process sends the mails of at most this many projects at once.
TOGETHER: Final = 1  # A project sends its mails one after the other.
TURN_SECONDS: Final = 5.0
REST: Final = timedelta(seconds=2)  # A project rests for this long after a failure.

log = logger("mail")


class OwnWays(Protocol):
    async def projects(self) -> list[str]:
        """Return the projects that do not use the installation's mail server."""
        ...

    async def send(self, mail: ClaimedMail) -> None:
        """Send a mail in the project's own way. Raises: Undelivered."""
        ...


class OwnWaysSender:
    """Sends mails in the projects' own ways. `nudge` wakes the job when a place is free.

    `sending`: the project of each turn. `resting`: the times until which projects rest.
    """

    def __init__(self, outbox: MailOutbox, ways: OwnWays) -> None:
        self.outbox = outbox
        self.ways = ways
        self.turns = SendingTurns(PLACES, TOGETHER)
        self.order = Turn()
        self.sending: dict[asyncio.Task[None], str] = {}
        self.resting: dict[str, datetime] = {}
        self.nudge: Callable[[], None] = lambda: None

    async def send_due(self) -> None:
        """Begin the turns of projects whose mails are due, while there are places."""
        if len(self.sending) >= PLACES or not await self.outbox.has_due():
            return
        among = await self.ways.projects()
        while len(self.sending) < PLACES:
            project = await self.outbox.due_project(among, self._waiting(), self.order)
            if project is None:
                return
            task = asyncio.create_task(self._turn(project))
            self.sending[task] = project
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Stop sending. Mails that were not sent are sent later: a claim ends when its time is over."""
        tasks = list(self.sending)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _waiting(self) -> list[str]:
        now = self.outbox.clock.now()
        self.resting = {project: until for project, until in self.resting.items() if now < until}
        return [*self.turns.waiting(self.sending.values(), now), *self.resting]

    async def _turn(self, project: str) -> None:
        """Send the mails of one project that are due, until a mail fails or the turn is over."""
        until, clock = time.monotonic() + TURN_SECONDS, self.outbox.clock
        while time.monotonic() < until and (mail := await self.outbox.claim_of(project)) is not None:
            began = clock.now()
            if mail.useful_until <= began:
                continue  # `bury_outdated` makes this mail a dead letter.
            try:
                if not await deliver(self.outbox, mail, self.ways.send):
                    self.resting[project] = clock.now() + REST
                    return
            finally:
                self.turns.note(project, began, clock.now())

    def _ended(self, task: asyncio.Task[None]) -> None:
        project = self.sending.pop(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.resting[project] = self.outbox.clock.now() + REST
            log.error("the mails of a project were not sent", project=project, error=fault(failure))
        self.nudge()  # A place is free for the next project.


def own_ways_job(sender: OwnWaysSender) -> Job:
    """Return the job that sends the mails of projects that do not use the installation's mail server."""
    job = Job(f"{sender.outbox.db.schema}.mail_of_projects", sender.send_due, SEND_SECONDS)
    sender.nudge = job.nudge
    return job
