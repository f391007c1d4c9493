"""A feed delivers short-lived facts, such as revocations, to every process within a second.

The life of one fact:

    1. `publish` inserts a row and calls pg_notify in one transaction. So a notification is sent if and only if the fact
       is stored.
    2. Every follower has one connection that listens. PostgreSQL delivers the notification when the transaction
       commits.
    3. A new follower first listens, and then reads the stored facts. So it may get a fact twice, but it never misses a
       fact that is published between these two steps.
    4. After each second without a fact, the follower runs a query on the listening connection, and then yields a fact
       of kind `alive`. A connection that only listens sends nothing. So without the query, the follower would not
       notice that a firewall has dropped the connection.
    5. A reader that gets nothing for three seconds stops trusting the feed. Until the feed works again, the reader asks
       the room with every request (`gateway/revoked.py`).

A look-up with every request was rejected, because it would double the cost of the request. See
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
from collections.abc import AsyncIterator, Collection
from typing import Generic, TypeVar

import msgspec

from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database
from bunbase.pkg.errors import Unreachable

T = TypeVar("T", bound=msgspec.Struct)

HEARTBEAT_SECONDS = 1.0
READY, ALIVE = "ready", "alive"  # Only `follow` creates facts of these kinds. Facts of these kinds are never stored.

ADD = """
INSERT INTO revocations (kind, id, until) VALUES ($1, $2, $3)
ON CONFLICT (kind, id) DO UPDATE SET until = greatest(revocations.until, excluded.until)"""
TELL = "SELECT pg_notify($1, $2)"
ADD_ALL = """
INSERT INTO revocations (kind, id, until) SELECT $1, id, $3 FROM unnest($2::text[]) AS id
ON CONFLICT (kind, id) DO UPDATE SET until = greatest(revocations.until, excluded.until)"""
TELL_ALL = "SELECT count(pg_notify($1, fact)) FROM unnest($2::text[]) AS fact"
STANDING = "SELECT kind, id, until FROM revocations WHERE until > $1 ORDER BY until"
FORGET = "DELETE FROM revocations WHERE until <= $1"


class Feed(Generic[T]):
    """Publishes and follows facts. `item`: the type of a fact, a Struct with the fields kind, id and until.

    If the Struct also has a field `at`, it contains the time of publication, in Unix seconds.
    """

    def __init__(self, db: Database, item: type[T], clock: Clock) -> None:
        self.db = db
        self.item = item
        self.clock = clock
        self.channel = f"{db.schema}_revocations"

    async def publish(self, kind: str, id: str, until: float) -> None:
        """Store a fact and notify all followers. Inside a transaction, both happen when the transaction commits."""
        fact = self._new(kind, id, until)
        async with self.db.transaction():
            await self.db.execute(ADD, kind, id, until)
            await self.db.execute(TELL, self.channel, fact)

    async def publish_all(self, kind: str, ids: Collection[str], until: float) -> None:
        """Publish facts of one kind about several ids, with two statements for any number of facts."""
        facts = [self._new(kind, id, until) for id in ids]
        async with self.db.transaction():
            await self.db.execute(ADD_ALL, kind, list(ids), until)
            await self.db.value(TELL_ALL, self.channel, facts)

    async def follow(self) -> AsyncIterator[T]:
        """Yield every stored fact that has not expired, then a fact of kind `ready`, then every new fact.

        After each second without news, yield a fact of kind `alive`.
        Raises: Unreachable, DatabaseBusy. The caller must then call `follow` again.
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
        """Delete the expired facts, and return their number."""
        return await self.db.execute(FORGET, self.clock.now().timestamp())

    def _new(self, kind: str, id: str, until: float) -> str:
        fact = self._fact(kind, id, until, self.clock.now().timestamp())
        return msgspec.json.encode(fact).decode()

    def _fact(self, kind: str, id: str = "", until: float = 0.0, at: float = 0.0) -> T:
        return msgspec.convert({"kind": kind, "id": id, "until": until, "at": at}, self.item)
