"""Mails of projects that do not use the mail server of the installation, but their own way to send mails.

Concern: such a way may be slow or hang, and many projects may have one. It must not delay mails through the mail
server, and must not delay mails of other projects for long. So a separate job sends these mails, for several projects
at the same time. In each run, it sends mails of a project for a few seconds, or until the first failure.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol

from bunbase.pkg.jobs import Job
from bunbase.pkg.mail.letters import ClaimedMail
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.sending import deliver

SEND_SECONDS: Final = 2.0
PROJECTS: Final = 8  # the number of projects whose mails are sent at the same time
TURN_SECONDS: Final = 5.0


class OwnWays(Protocol):
    async def projects(self) -> list[str]:
        """Return the projects that have a way of their own."""
        ...

    async def send(self, mail: ClaimedMail) -> None:
        """Raises: Undelivered."""
        ...


def own_ways_job(outbox: MailOutbox, ways: OwnWays) -> Job:
    """Return the job that sends the mails of projects with a way of their own."""

    async def send() -> None:
        if not await outbox.has_due():
            return
        due = await outbox.due_projects(await ways.projects(), PROJECTS)
        for outcome in await asyncio.gather(*(_turn(outbox, ways, project) for project in due), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    return Job(f"{outbox.db.schema}.mail_of_projects", send, SEND_SECONDS)


async def _turn(outbox: MailOutbox, ways: OwnWays, project: str) -> None:
    """Send due mails of one project, until a mail fails or the time is over."""
    until = time.monotonic() + TURN_SECONDS
    while time.monotonic() < until and (mail := await outbox.claim(of=project)) is not None:
        if mail.useful_until <= outbox.clock.now():
            continue  # `bury_outdated` makes it a dead letter
        if not await deliver(outbox, mail, ways.send):
            return
