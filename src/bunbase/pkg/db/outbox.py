"""The outbox stores events for other rooms, and delivers each event at least once.

Concern: a room deletes a project and must inform the other rooms. If it calls them after its transaction, a crash in
between loses the calls. If it calls them before its transaction, the transaction may fail, and the project still
exists.

The life of one event:

    1. `post` inserts the event in the same transaction that changes what the event is about.
    2. A job calls `relay` every few seconds, and also right after `post`.
    3. `relay` locks one event (with SKIP LOCKED, so that several processes share the work) and delivers the event.
    4. If the delivery succeeds, the same transaction deletes the event. If the process crashes in between, the event is
       delivered a second time, so receivers must be idempotent.
    5. If the delivery fails, the event waits for 1, 2, 4, … seconds, at most five minutes. Later events do not wait for
       it.

Projects take turns: each project gets one delivery before any project gets a second one. So a project with a thousand
events does not delay the event of another project. The project of an event is the member `project` of its payload.

A room that uses an outbox has this table:

    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        topic text NOT NULL,
        payload jsonb NOT NULL,
        attempts int NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL DEFAULT now()
    );

and, if projects may have many events:

    CREATE INDEX outbox_turns ON outbox ((coalesce(payload ->> 'project', '') COLLATE "C"), id);
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from bunbase.pkg.db.database import Database
from bunbase.pkg.logger import logger
from bunbase.pkg.project_turns import Turn

log = logger("outbox")

MAX_WAIT_SECONDS = 300
RELAY_LIMIT = 100

POST = "INSERT INTO outbox (topic, payload) VALUES ($1, $2)"
DUE = """
SELECT id, topic, payload, attempts, coalesce(payload ->> 'project', '') AS project FROM outbox
WHERE due_at <= now() AND coalesce(payload ->> 'project', '') COLLATE "C" >= $1
ORDER BY coalesce(payload ->> 'project', '') COLLATE "C", id LIMIT 1 FOR UPDATE SKIP LOCKED"""
DONE = "DELETE FROM outbox WHERE id = $1"
LATER = "UPDATE outbox SET attempts = attempts + 1, due_at = now() + make_interval(secs => $2) WHERE id = $1"

Deliver = Callable[[str, Any], Awaitable[None]]


class Event(msgspec.Struct, frozen=True):
    id: int
    topic: str
    payload: Any
    attempts: int
    project: str


class Outbox:
    def __init__(self, db: Database) -> None:
        self.db = db
        self._turn = Turn()

    async def post(self, topic: str, payload: Any) -> None:
        """Add an event. Call this inside the transaction that changes what the event is about."""
        await self.db.execute(POST, topic, payload)

    async def relay(self, deliver: Deliver) -> int:
        """Deliver at most RELAY_LIMIT of the events that are due. Return the number of delivered events."""
        delivered = 0
        for _ in range(RELAY_LIMIT):
            async with self.db.transaction():
                event = await self._next()
                if event is None:
                    return delivered
                delivered += await self._deliver(deliver, event)
        return delivered

    async def _next(self) -> Event | None:
        """Lock and return the first event of the next project with a due event."""

        async def find(smallest: str) -> Event | None:
            return await self.db.one(Event, DUE, smallest)

        return await self._turn.next(find, lambda event: event.project)

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
