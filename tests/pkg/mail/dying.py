"""A process that sends a mail and kills itself before it stores this: `python -m tests.pkg.mail.dying URL PORT`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.mail.letters import ClaimedMail
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.sending import send_due
from bunbase.pkg.mail.settings import MailSettings, Security
from bunbase.pkg.mail.smtp import SmtpServer
from tests.pkg.mail.smtp_server import SENDER
from tests.pkg.mail.table import mail_database


class DyingOutbox(MailOutbox):
    async def sent(self, mail: ClaimedMail) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


async def main(database_url: str, port: int) -> None:
    settings = MailSettings(host="127.0.0.1", port=port, security=Security.NONE, sender=SENDER)
    async with mail_database(database_url) as db:
        await send_due(DyingOutbox(db, ManualClock(), settings), SmtpServer(settings))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
