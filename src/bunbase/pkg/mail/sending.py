"""Send the mails of an outbox that are due, one after the other."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import PurePath
from typing import Final, Protocol

from bunbase.pkg.mail.letters import ClaimedMail
from bunbase.pkg.mail.message import is_sendable
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.smtp import Undelivered

NO_ADDRESS: Final = "The recipient is not an address that this version accepts."


class MailServer(Protocol):
    async def send(self, mail: ClaimedMail) -> None:
        """Send a mail. Raises: Undelivered."""
        ...


async def send_due(outbox: MailOutbox, server: MailServer, besides: Sequence[str] = ()) -> int:
    """Send every mail that is due, and return the number of sent mails. A failed mail is due again later.

    `besides`: the projects whose mails are skipped, because they are sent in another way.

    A mail that is no longer useful is not claimed again, because `bury_outdated` makes it a dead letter.
    """

    async def send(mail: ClaimedMail) -> None:
        await server.send(await outbox.with_sender(mail))

    sent = 0
    while (mail := await outbox.claim(besides=besides)) is not None:
        if mail.useful_until <= outbox.clock.now():
            continue
        sent += await deliver(outbox, mail, send)
    return sent


async def deliver(outbox: MailOutbox, mail: ClaimedMail, send: Callable[[ClaimedMail], Awaitable[None]]) -> bool:
    """Send one mail, store the outcome, and return True if the mail was sent.

    A failure of any kind concerns only this mail. Unknown people write parts of mails, so a mail that a library cannot
    handle must not stop other mails.
    """
    try:
        if not is_sendable(mail.recipient):  # An older version has stored this mail.
            raise Undelivered(NO_ADDRESS, permanent=True)
        await send(mail)
    except Undelivered as failure:
        await outbox.failed(mail, failure.reason, failure.permanent)
        return False
    except Exception as failure:
        await outbox.failed(mail, f"The mail could not be sent: {fault(failure)}", permanent=False)
        return False
    await outbox.sent(mail)
    return True


def fault(failure: BaseException) -> str:
    """Return the kind and the place of a failure.

    The message of the failure is left out, because it may quote the mail.
    """
    frames = traceback.extract_tb(failure.__traceback__)
    return f"{type(failure).__name__} in {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
