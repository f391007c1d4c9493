"""The background jobs of a room that sends mail: send what is due, measure, and delete old mails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from bunbase.pkg.jobs import Job
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.sending import send_due
from bunbase.pkg.mail.smtp import SmtpServer

SEND_SECONDS: Final = 2.0
MEASURE_SECONDS: Final = 15.0
FORGET_SECONDS: Final = 600.0
# At most this many connections to the SMTP server are open at once. Providers often allow 10 for one account.
SENDERS: Final = 4
# Mails wait this long for an SMTP server, because an operator may configure mail after the first users have registered.
WAIT_FOR_SERVER: Final = timedelta(hours=8)

Projects = Callable[[], Awaitable[Sequence[str]]]

TOO_OLD: Final = "The mail could not be sent in time."
NOT_CONFIGURED: Final = "Mail is not configured: set mail.host."


def mail_jobs(outbox: MailOutbox, elsewhere: Projects | None = None) -> tuple[Job, Job, Job]:
    """Return the jobs of an outbox. Without an SMTP server, mails wait until they are no longer useful.

    `elsewhere`: a function that returns the projects whose mails are sent in another way (`own_ways.py`).

    Raises: ValueError, OSError for settings that `check_mail` would refuse.
    """
    room, settings = outbox.db.schema, outbox.settings
    server = SmtpServer(settings) if settings.configured else None

    async def send() -> None:
        if server is None or not await outbox.has_due():
            return
        besides = await elsewhere() if elsewhere else ()
        work = [send_due(outbox, server, besides) for _ in range(SENDERS)]
        for outcome in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def measure() -> None:
        if server is not None:
            await outbox.bury_outdated(TOO_OLD)
        else:
            await outbox.bury_outdated(NOT_CONFIGURED, WAIT_FOR_SERVER)
        await outbox.measure()

    return (
        Job(f"{room}.mail", send, SEND_SECONDS),
        Job(f"{room}.measure_mail", measure, MEASURE_SECONDS),
        Job(f"{room}.forget_mail", outbox.forget, FORGET_SECONDS),
    )
