"""Receives notifications (LISTEN/NOTIFY): PostgreSQL announces the changes of other processes when they commit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from bunbase.pkg.db.database import Database
from bunbase.pkg.errors import Unreachable


class Notifications:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def follow(self, channel: str, on_listening: Callable[[], None]) -> AsyncIterator[str]:
        """Yield each payload. `on_listening` is called when LISTEN is active: every later notification is received.

        Raises: Unreachable when the connection is lost.
        """
        async with self.db.notifications(channel) as heard:
            on_listening()
            while (payload := await heard.get()) is not None:
                yield payload
        raise Unreachable("The connection to PostgreSQL was lost.")
