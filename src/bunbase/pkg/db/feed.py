"""A feed of short-lived facts that every process must know within a second, such as revocations.

The life of one fact:

    1. `publish` inserts a row and calls pg_notify in one transaction. So a fact is told if and only if it is stored.
    2. Every follower holds one connection that listens. PostgreSQL delivers the notification when the transaction
       commits.
    3. A new follower listens first and reads the stored facts after that. So it may hear a fact twice, but it never
       misses one that is published in between.
    4. After each second without news, the follower asks PostgreSQL for an answer on the listening connection, and then
       yields `alive`. Without that query, a connection that a firewall dropped silently would look like a quiet feed,
       because a listener never sends anything by itself.
    5. A reader that hears nothing for three seconds stops trusting the feed and asks the room with every request
       (`gateway/revoked.py`).

Alternative: a look-up with every request, which would double its cost. See
docs/decisions/0007-revocations-are-pushed.md.

A room that uses a feed has this table:

    CREATE TABLE revocations (
        kind text NOT NULL,
        id text NOT NULL,
        until double precision NOT NULL,  -- Unix seconds; the row is deleted afterwards
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
READY, ALIVE = "ready", "alive"  # kinds that are not stored: the feed itself tells them

ADD = """
INSERT INTO revocations (kind, id, until) VALUES ($1, $2, $3)
ON CONFLICT (kind, id) DO UPDATE SET until = greatest(revocations.until, excluded.until)"""
TELL = "SELECT pg_notify($1, $2)"
STANDING = "SELECT kind, id, until FROM revocations WHERE until > $1 ORDER BY until"
FORGET = "DELETE FROM revocations WHERE until <= $1"


class Feed(Generic[T]):
    """Facts of the type `item`, a Struct with the fields kind, id and until."""

    def __init__(self, db: Database, item: type[T], clock: Clock) -> None:
        self.db = db
        self.item = item
        self.clock = clock
        self.channel = f"{db.schema}_revocations"

    async def publish(self, kind: str, id: str, until: float) -> None:
        """Store a fact and notify all followers. Inside a transaction, both happen when it commits."""
        fact = self._fact(kind, id, until)
        async with self.db.transaction():
            await self.db.execute(ADD, kind, id, until)
            await self.db.execute(TELL, self.channel, msgspec.json.encode(fact).decode())

    async def follow(self) -> AsyncIterator[T]:
        """Yield every stored fact that has not passed, then a fact of kind `ready`, then every new fact.

        After each second without news, yield a fact of kind `alive`.
        Raises: Unreachable, DatabaseBusy. The caller must then follow again from the beginning.
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
        """Delete the facts whose time has passed, and return their number."""
        return await self.db.execute(FORGET, self.clock.now().timestamp())

    def _fact(self, kind: str, id: str = "", until: float = 0.0) -> T:
        return msgspec.convert({"kind": kind, "id": id, "until": until}, self.item)
