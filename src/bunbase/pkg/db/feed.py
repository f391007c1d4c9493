"""A feed of short-lived facts that every process must know within a second, such as revocations.

A room that uses it has the table

    CREATE TABLE revocations (
        kind text NOT NULL,
        id text NOT NULL,
        until double precision NOT NULL,  -- Unix seconds; forgotten afterwards
        PRIMARY KEY (kind, id)
    )
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

import msgspec

from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database
from bunbase.pkg.errors import Unreachable

T = TypeVar("T", bound=msgspec.Struct)

HEARTBEAT_SECONDS = 1.0
READY, ALIVE = "ready", "alive"  # kinds that the feed itself tells

ADD = """
INSERT INTO revocations (kind, id, until) VALUES ($1, $2, $3)
ON CONFLICT (kind, id) DO UPDATE SET until = greatest(revocations.until, excluded.until)"""
TELL = "SELECT pg_notify($1, $2)"
STANDING = "SELECT kind, id, until FROM revocations WHERE until > $1 ORDER BY until"
FORGET = "DELETE FROM revocations WHERE until <= $1"


class Feed(Generic[T]):
    """Facts of type `item` (fields kind, id, until), kept in the room's table and told by NOTIFY."""

    def __init__(self, db: Database, item: type[T], clock: Clock) -> None:
        self.db = db
        self.item = item
        self.clock = clock
        self.channel = f"{db.schema}_revocations"

    async def publish(self, kind: str, id: str, until: float) -> None:
        """Write a fact down and tell it; inside a transaction both happen when it commits."""
        fact = self._fact(kind, id, until)
        async with self.db.transaction():
            await self.db.execute(ADD, kind, id, until)
            await self.db.execute(TELL, self.channel, msgspec.json.encode(fact).decode())

    async def follow(self) -> AsyncIterator[T]:
        """Yield every fact that stands, then a fact of kind `ready`, then every new fact.

        After each second without news, yield a fact of kind `alive`.

        Raises: Unreachable, DatabaseBusy when PostgreSQL is out of reach: follow again.
        """
        ready, alive = self._fact(READY), self._fact(ALIVE)
        async with self.db.notifications(self.channel) as news:
            for fact in await self.db.all(self.item, STANDING, self.clock.now().timestamp()):
                yield fact
            yield ready
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        told = await news.get()
                except TimeoutError:
                    await news.check()
                    yield alive
                    continue
                if told is None:
                    raise Unreachable("The connection to PostgreSQL was lost.")
                yield msgspec.json.decode(told, type=self.item)

    async def forget(self) -> int:
        """Delete the facts whose time has passed; return how many there were."""
        return await self.db.execute(FORGET, self.clock.now().timestamp())

    def _fact(self, kind: str, id: str = "", until: float = 0.0) -> T:
        return msgspec.convert({"kind": kind, "id": id, "until": until}, self.item)
