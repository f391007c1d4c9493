"""Receives notifications (LISTEN/NOTIFY). PostgreSQL announces the changes of other processes when they commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from bunbase.pkg.db.connecting import DatabaseBusy
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.notifications import Notifications as Heard
from bunbase.pkg.errors import Unreachable

# After this time without a notification, the process checks that the connection still works.
CHECK_SECONDS: Final = 1.0


class Notifications:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def follow(self, channel: str, on_listening: Callable[[], None]) -> AsyncIterator[str]:
        """Yield each payload.

        `on_listening`: called when LISTEN is active, from which point every notification is received.

        A listener never sends anything by itself. Without the checks, a connection that a firewall has dropped would
        look like a channel without notifications, and this process would keep outdated versions of functions.
        Raises: Unreachable when the connection is lost.
        """
        async with self.db.notifications(channel) as heard:
            on_listening()
            while True:
                try:
                    async with asyncio.timeout(CHECK_SECONDS):
                        payload = await heard.get()
                except TimeoutError:
                    await _check(heard)
                    continue
                if payload is None:
                    raise Unreachable("The connection to PostgreSQL was lost.")
                yield payload


async def _check(heard: Heard) -> None:
    try:
        await heard.check()
    except DatabaseBusy as silent:
        raise Unreachable("The connection to PostgreSQL is silent.") from silent
