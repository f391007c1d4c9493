"""Changes made by other processes, announced by PostgreSQL as soon as they are committed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from bunbase.pkg.db.database import Database
from bunbase.pkg.errors import Unreachable


class Notifications:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def follow(self, channel: str, on_listening: Callable[[], None]) -> AsyncIterator[str]:
        """Yield each payload. `on_listening` is called as soon as no further notification can be missed.

        Raises: Unreachable when the connection is lost.
        """
        async with self.db.notifications(channel) as heard:
            on_listening()
            while (payload := await heard.get()) is not None:
                yield payload
        raise Unreachable("The connection to PostgreSQL was lost.")
