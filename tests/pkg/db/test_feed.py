from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db import feed as feed_module
from bunbase.pkg.db import notifications as notifications_module
from bunbase.pkg.db.connecting import DatabaseBusy
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.postgres.cluster import Cluster
from tests.pkg.db.cut_lines import swallowing
from tests.pkg.db.sample_schema import opened_database
from tests.pkg.streams import hang_up

TABLE = """
CREATE TABLE revocations (
    kind text NOT NULL, id text NOT NULL, until double precision NOT NULL, PRIMARY KEY (kind, id)
)"""


class Fact(msgspec.Struct, frozen=True):
    kind: str
    id: str
    until: float


READY, ALIVE = Fact("ready", "", 0), Fact("alive", "", 0)
CLOCK = ManualClock()
NOW = CLOCK.now().timestamp()


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with opened_database(database_url, TABLE) as opened:
        yield opened


@pytest.fixture
async def feed(db: Database) -> Feed[Fact]:
    return Feed(db, Fact, CLOCK)


@pytest.fixture
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the heartbeat, so that the next item is an event."""
    monkeypatch.setattr(feed_module, "HEARTBEAT_SECONDS", 30.0)


@pytest.mark.usefixtures("_quiet")
async def test_a_follower_gets_valid_facts_then_ready_then_new_facts(feed: Feed[Fact], database_url: str) -> None:
    await feed.publish("session", "past", NOW - 1)
    await feed.publish("session", "later", NOW + 20)
    await feed.publish("session", "sooner", NOW + 10)
    async with opened_database(database_url, TABLE) as other_process:
        followed = Feed(other_process, Fact, CLOCK).follow()

        standing = [await anext(followed) for _ in range(3)]
        await feed.publish("user", "new", NOW + 5)
        news = await anext(followed)
        await hang_up(followed)

    assert standing == [Fact("session", "sooner", NOW + 10), Fact("session", "later", NOW + 20), READY]
    assert news == Fact("user", "new", NOW + 5)


@pytest.mark.usefixtures("_quiet")
async def test_a_fact_published_in_a_transaction_is_sent_at_its_commit(feed: Feed[Fact], db: Database) -> None:
    followed = feed.follow()
    assert await anext(followed) == READY

    async def fail() -> None:
        async with db.transaction():
            await feed.publish("session", "undone", NOW + 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with db.transaction():
        await feed.publish("session", "done", NOW + 1)

    assert await anext(followed) == Fact("session", "done", NOW + 1)
    await hang_up(followed)


async def test_a_feed_without_new_facts_sends_heartbeats(feed: Feed[Fact], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "HEARTBEAT_SECONDS", 0.01)

    followed = feed.follow()

    assert [await anext(followed) for _ in range(3)] == [READY, ALIVE, ALIVE]
    await hang_up(followed)


async def test_a_feed_ends_if_its_connection_drops_all_bytes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(notifications_module, "CHECK_SECONDS", 0.2)
    async with swallowing(database_url) as line, opened_database(line.url, TABLE) as db:
        followed = Feed(db, Fact, CLOCK).follow()
        assert [await anext(followed) for _ in range(2)] == [READY, ALIVE]

        line.swallows = True

        with pytest.raises(DatabaseBusy):
            await _to_its_end(followed)
        line.swallows = False


@pytest.mark.usefixtures("_quiet")
async def test_a_follower_with_too_many_unread_facts_is_disconnected(
    feed: Feed[Fact], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications_module, "MAX_UNREAD", 2)
    followed = feed.follow()
    assert await anext(followed) == READY

    async with feed.db.transaction():  # PostgreSQL then sends all notifications at once, before any is read.
        for number in range(4):
            await feed.publish("session", str(number), NOW + 1)

    with pytest.raises(Unreachable):
        await _to_its_end(followed)


async def test_a_fact_published_twice_is_valid_until_the_later_time(feed: Feed[Fact]) -> None:
    await feed.publish("session", "a", NOW + 20)
    await feed.publish("session", "a", NOW + 10)

    followed = feed.follow()

    assert await anext(followed) == Fact("session", "a", NOW + 20)
    await hang_up(followed)


@pytest.mark.usefixtures("_quiet")
async def test_many_facts_are_published_at_once(feed: Feed[Fact]) -> None:
    followed = feed.follow()
    assert await anext(followed) == READY

    await feed.publish_all("session", ["a", "b"], NOW + 5)
    await feed.publish_all("session", [], NOW + 5)
    news = [await anext(followed) for _ in range(2)]
    await hang_up(followed)

    assert news == [Fact("session", "a", NOW + 5), Fact("session", "b", NOW + 5)]


async def test_expired_facts_are_deleted(feed: Feed[Fact]) -> None:
    await feed.publish("session", "past", NOW - 1)
    await feed.publish("session", "later", NOW + 1)

    assert (await feed.forget(), await feed.forget()) == (1, 0)


@pytest.mark.usefixtures("_quiet")
async def test_a_lost_connection_ends_the_feed(own_postgres: Cluster) -> None:
    async with opened_database(own_postgres.url, TABLE) as db:
        followed = Feed(db, Fact, CLOCK).follow()
        assert await anext(followed) == READY

        own_postgres.stop()

        with pytest.raises(Unreachable):
            await anext(followed)
        with pytest.raises(Unreachable):
            await anext(Feed(db, Fact, CLOCK).follow())


async def _to_its_end(followed: AsyncIterator[Fact]) -> None:
    async with asyncio.timeout(10):
        async for _ in followed:
            pass
