"""Send the mails of an outbox that are due, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bunbase.pkg.mail.letters import ClaimedMail
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.smtp import Undelivered


class MailServer(Protocol):
    async def send(self, mail: ClaimedMail) -> None:
        """Raises: Undelivered."""
        ...


async def send_due(outbox: MailOutbox, server: MailServer, besides: Sequence[str] = ()) -> int:
    """Send every mail that is due, and return the number of sent mails. A failed mail is due again later.

    `besides`: the projects whose mails are left alone, because they leave another way.

    A mail that is no longer useful is not claimed for sending again: `bury_outdated` gives it up.
    """
    sent = 0
    while (mail := await outbox.claim(besides=besides)) is not None:
        if mail.useful_until <= outbox.clock.now():
            continue
        try:
            await server.send(mail)
        except Undelivered as failure:
            await outbox.failed(mail, failure.reason, failure.permanent)
        else:
            await outbox.sent(mail)
            sent += 1
    return sent
