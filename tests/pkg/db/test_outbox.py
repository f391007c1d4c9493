from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bunbase.pkg.db.database import Database
from bunbase.pkg.db.outbox import RELAY_LIMIT, Outbox
from tests.pkg.db.sample_schema import opened_database

TABLE = """
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    payload jsonb NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now()
)"""
MAKE_DUE = "UPDATE outbox SET due_at = now() - interval '1 second'"


class Ears:
    """A receiver that records events in `heard` and fails for the topics in `deaf_to`."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.deaf_to: set[str] = set()

    async def __call__(self, topic: str, payload: Any) -> None:
        if topic in self.deaf_to:
            raise ConnectionError("nobody home")
        self.heard.append((topic, payload))


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with opened_database(database_url, TABLE) as opened:
        yield opened


async def test_each_event_is_delivered_once_and_in_order(db: Database) -> None:
    outbox, ears = Outbox(db), Ears()
    await outbox.post("created", {"id": 1})
    await outbox.post("deleted", {"id": 1})

    assert await outbox.relay(ears) == 2
    assert await outbox.relay(ears) == 0

    assert ears.heard == [("created", {"id": 1}), ("deleted", {"id": 1})]


async def test_a_project_with_many_events_does_not_delay_the_events_of_others(db: Database) -> None:
    outbox, ears = Outbox(db), Ears()
    for number in range(RELAY_LIMIT + 5):
        await outbox.post("signed_up", {"project": "prj_b", "user": number})
    for project in ("prj_a", "prj_c"):
        for number in range(2):
            await outbox.post("signed_up", {"project": project, "user": number})
    ears.deaf_to.add("broken")
    await outbox.post("broken", {"project": "prj_c"})

    await outbox.relay(ears)

    heard = [(event["project"][-1], event["user"]) for _, event in ears.heard]
    assert heard[:7] == [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("b", 1), ("c", 1), ("b", 2)]
    assert await outbox.relay(ears) == 10
    assert [one["user"] for _, one in ears.heard if one["project"] == "prj_b"] == list(range(RELAY_LIMIT + 5))


async def test_an_event_of_a_failed_transaction_is_never_delivered(db: Database) -> None:
    outbox, ears = Outbox(db), Ears()

    async def fail() -> None:
        async with db.transaction():
            await outbox.post("created", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await outbox.relay(ears) == 0


async def test_a_failed_event_is_delivered_again_after_growing_waits(db: Database) -> None:
    outbox, ears = Outbox(db), Ears()
    ears.deaf_to.add("created")
    await outbox.post("created", 1)
    waits = []

    for _ in range(10):
        assert await outbox.relay(ears) == 0
        waits.append(round(await db.value("SELECT extract(epoch FROM due_at - now())::float FROM outbox")))
        await db.execute(MAKE_DUE)
    ears.deaf_to.clear()

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert await outbox.relay(ears) == 1
    assert ears.heard == [("created", 1)]


async def test_an_event_that_waits_does_not_delay_later_events(db: Database) -> None:
    outbox, ears = Outbox(db), Ears()
    ears.deaf_to.add("created")
    await outbox.post("created", 1)
    await outbox.post("deleted", 1)

    assert await outbox.relay(ears) == 1
    assert ears.heard == [("deleted", 1)]


async def test_an_event_delivered_just_before_a_crash_is_delivered_again(db: Database) -> None:
    outbox, ears = Outbox(db), Ears()
    await outbox.post("created", 1)

    async def delivered_and_then_killed(topic: str, payload: Any) -> None:
        await ears(topic, payload)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await outbox.relay(delivered_and_then_killed)
    await outbox.relay(ears)

    assert ears.heard == [("created", 1), ("created", 1)]


async def test_two_relays_never_deliver_the_same_event_at_once(db: Database, database_url: str) -> None:
    outbox, ears = Outbox(db), Ears()
    await outbox.post("created", 1)
    await outbox.post("created", 2)
    async with opened_database(database_url, TABLE) as other_db:
        other = Outbox(other_db)

        async def meanwhile(topic: str, payload: Any) -> None:
            await ears(topic, payload)
            if payload == 1:
                assert await other.relay(ears) == 1

        await outbox.relay(meanwhile)

    assert ears.heard == [("created", 1), ("created", 2)]
