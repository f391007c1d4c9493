"""What other processes have changed, told by PostgreSQL the moment it commits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from bunbase.pkg.db.database import Database
from bunbase.pkg.errors import Unreachable


class News:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def follow(self, channel: str, listening: Callable[[], None]) -> AsyncIterator[str]:
        """Give each payload; `listening` is called once nothing can be missed any more.

        Raises: Unreachable when the connection is lost.
        """
        async with self.db.notifications(channel) as heard:
            listening()
            while (payload := await heard.get()) is not None:
                yield payload
        raise Unreachable("The connection to PostgreSQL was lost.")
