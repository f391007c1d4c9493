"""What other processes tell by NOTIFY, heard on a connection of its own."""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg

from bunbase.pkg.db.connecting import as_problems

MAX_UNREAD: Final = 10_000  # who is further behind begins anew
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
        """Give the next payload, or None when the connection is lost."""
        return await self.unread.get()

    async def check(self) -> None:
        """See that what is told would come through: who only listens never learns of a line that was cut without a
        word. Raises: Unreachable, DatabaseBusy.
        """
        with as_problems():
            await self.connection.fetchval("SELECT 1", timeout=CHECK_SECONDS)

    def _heard(self, payload: str) -> None:
        if self.unread.qsize() >= MAX_UNREAD:
            self.connection.terminate()
        else:
            self.unread.put_nowait(payload)
