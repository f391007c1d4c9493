"""Notifications of PostgreSQL (LISTEN and NOTIFY).

Notifications arrive on a separate connection, which is not in the pool.
"""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg

from bunbase.pkg.db.connecting import as_problems

MAX_UNREAD: Final = 10_000  # If a reader has more unread notifications, its connection is closed.
CHECK_SECONDS: Final = 5.0


class Notifications:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.unread: asyncio.Queue[str | None] = asyncio.Queue()

    async def listen(self, channel: str) -> None:
        self.connection.add_termination_listener(lambda _: self.unread.put_nowait(None))
        with as_problems():
            await self.connection.add_listener(channel, lambda *heard: self._heard(heard[3]))

    async def get(self) -> str | None:
        """Return the next payload, or None if the connection was lost."""
        return await self.unread.get()

    async def check(self) -> None:
        """Check that the connection still works. Raises: Unreachable, DatabaseBusy.

        By itself, a connection that only listens would never notice that a firewall has dropped it.
        """
        with as_problems():
            await self.connection.fetchval("SELECT 1", timeout=CHECK_SECONDS)

    def _heard(self, payload: str) -> None:
        if self.unread.qsize() >= MAX_UNREAD:
            self.connection.terminate()
        else:
            self.unread.put_nowait(payload)
