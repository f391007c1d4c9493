"""The checks that decide whether a process is ready."""

from __future__ import annotations

import asyncio
from typing import Final

from bunbase.contracts.functions.service import Functions
from bunbase.house.build import House
from bunbase.pkg.db.database import ping
from bunbase.pkg.mail.settings import MailSettings
from bunbase.pkg.ready import OTHERS_SECONDS, Check, Readiness

SEND_MAIL: Final = frozenset({"bunauth", "platform", "tenant_auth"})  # the rooms that send mail
OWN_READY: Final = "/api/ready/own"  # internal ports answer this path with the checks of their own process only


def readiness(house: House, database_url: str, mail: MailSettings | None = None) -> Readiness:
    """Return the checks of this process: PostgreSQL if a room here uses it, and every room in another process.

    If functions run here, a check also reports the layers of their sandbox. If a room here sends mail, a check reports
    the SMTP server. The check of the SMTP server always passes: the server may be slow or down, and mails wait.
    """
    own: dict[str, Check] = {}
    if database_url:
        own["postgres"] = lambda: ping(database_url)
    if Functions in house.rooms and "functions" not in house.lines:
        own["functions"] = lambda: _confined(house.rooms[Functions])
    if mail is not None and house.here & SEND_MAIL:
        own["mail"] = lambda: _sends_mail(mail)
    return Readiness(own, {room: _asking(room, house) for room in house.lines})


def _asking(room: str, house: House) -> Check:
    """Return a check of a room in another process.

    The check asks once for each room here that calls `room`, in the name of the calling room.
    """
    line, callers = house.lines[room], house.callers[room]

    async def ask() -> None:
        await asyncio.gather(*(line.ask(OWN_READY, OTHERS_SECONDS, caller, room) for caller in callers))

    return ask


async def _sends_mail(mail: MailSettings) -> str:
    return f"sent by {mail.server}" if mail.configured else "not configured: set mail.host"


async def _confined(functions: Functions) -> str:
    layers = await functions.sandbox_layers()
    return (
        f"confined by {', '.join(layers)}"
        if layers
        else "not confined: functions run only with functions.sandbox = off"
    )
