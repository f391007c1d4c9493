"""The outbox: what other rooms must hear is written in the transaction that made it true, and told until they heard.

A room that uses it has the table

    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        topic text NOT NULL,
        payload jsonb NOT NULL,
        attempts int NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL DEFAULT now()
    )
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from bunbase.pkg.db.database import Database
from bunbase.pkg.logger import logger

log = logger("outbox")

MAX_WAIT_SECONDS = 300
RELAY_LIMIT = 100

POST = "INSERT INTO outbox (topic, payload) VALUES ($1, $2)"
DUE = """
SELECT id, topic, payload, attempts FROM outbox WHERE due_at <= now()
ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"""
DONE = "DELETE FROM outbox WHERE id = $1"
LATER = "UPDATE outbox SET attempts = attempts + 1, due_at = now() + make_interval(secs => $2) WHERE id = $1"

Deliver = Callable[[str, Any], Awaitable[None]]


class Event(msgspec.Struct, frozen=True):
    id: int
    topic: str
    payload: Any
    attempts: int


class Outbox:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def post(self, topic: str, payload: Any) -> None:
        """Write an event down; call it inside the transaction that it tells of."""
        await self.db.execute(POST, topic, payload)

    async def relay(self, deliver: Deliver) -> int:
        """Deliver what is due, at least once each; give how many were delivered.

        An event whose delivery raises is tried again after 1, 2, 4, … seconds, at most every five minutes.
        """
        delivered = 0
        for _ in range(RELAY_LIMIT):
            async with self.db.transaction():
                event = await self.db.one(Event, DUE)
                if event is None:
                    return delivered
                delivered += await self._deliver(deliver, event)
        return delivered

    async def _deliver(self, deliver: Deliver, event: Event) -> bool:
        try:
            await deliver(event.topic, event.payload)
        except Exception as error:
            wait = min(2**event.attempts, MAX_WAIT_SECONDS)
            log.warning("an event waits", topic=event.topic, event_id=event.id, wait_seconds=wait, error=repr(error))
            await self.db.execute(LATER, event.id, wait)
            return False
        await self.db.execute(DONE, event.id)
        return True
