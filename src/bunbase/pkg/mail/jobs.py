"""The background jobs of a room that sends mail: send what is due, measure, and delete old mails."""

from __future__ import annotations

import asyncio
from typing import Final

from bunbase.pkg.jobs import Job
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.sending import send_due
from bunbase.pkg.mail.smtp import SmtpServer

SEND_SECONDS: Final = 2.0
MEASURE_SECONDS: Final = 15.0
FORGET_SECONDS: Final = 600.0
SENDERS: Final = 4  # connections to the SMTP server at once; providers often allow 10 of one account

TOO_OLD: Final = "The mail could not be sent in time."
NOT_CONFIGURED: Final = "Mail is not configured: set mail.host."


def mail_jobs(outbox: MailOutbox) -> tuple[Job, Job, Job]:
    """Return the jobs of an outbox. Without a server, mails wait until they are no longer useful."""
    room, settings = outbox.db.schema, outbox.settings
    server = SmtpServer(settings) if settings.configured else None

    async def send() -> None:
        if server is not None:
            work = [send_due(outbox, server) for _ in range(SENDERS)]
            for failure in await asyncio.gather(*work, return_exceptions=True):
                if isinstance(failure, BaseException):
                    raise failure
        await outbox.bury_outdated(TOO_OLD if server else NOT_CONFIGURED)

    return (
        Job(f"{room}.mail", send, SEND_SECONDS),
        Job(f"{room}.measure_mail", outbox.measure, MEASURE_SECONDS),
        Job(f"{room}.forget_mail", outbox.forget, FORGET_SECONDS),
    )
