from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.lifetimes import SLACK_SECONDS, Lifetimes
from tests.pkg.db.sample_schema import opened_database

TABLE = "CREATE TABLE access_lifetimes (seconds int PRIMARY KEY, until double precision NOT NULL)"
DAY, QUARTER_HOUR = 86400, 900


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with opened_database(database_url, TABLE) as opened:
        yield opened


async def test_a_longer_lifetime_counts_until_the_last_token_of_it_has_expired(db: Database) -> None:
    clock = ManualClock()
    await Lifetimes(db, clock, DAY).note()

    lowered = Lifetimes(db, clock, QUARTER_HOUR)
    await lowered.note()
    assert await lowered.longest_seconds() == DAY
    clock.advance(DAY)
    assert await lowered.longest_seconds() == DAY

    clock.advance(SLACK_SECONDS + 1)
    await lowered.note()
    assert await lowered.longest_seconds() == QUARTER_HOUR
    assert await db.value("SELECT array_agg(seconds) FROM access_lifetimes") == [QUARTER_HOUR]


async def test_a_process_counts_the_longer_lifetime_of_another_running_process(db: Database) -> None:
    clock = ManualClock()
    shorter = Lifetimes(db, clock, QUARTER_HOUR)
    await shorter.note()

    await Lifetimes(db, clock, DAY).note()

    assert await shorter.longest_seconds() == DAY
