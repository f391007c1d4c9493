"""The ledger adds a batch of usage to PostgreSQL exactly once, even if errors occur around COMMIT."""

from __future__ import annotations

import asyncio
import os
import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from bunbase.pkg.clock import ManualClock, SystemClock
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.ledger import Ledger
from bunbase.pkg.db.migrations import apply_migrations, migrations_in
from bunbase.pkg.errors import Problem
from bunbase.pkg.usage.batches import Amount, Batch, hour_of
from bunbase.pkg.usage.dimensions import Dimension
from bunbase.pkg.usage.writer import Writer
from tests.pkg.usage.failing_stores import NOON, Adversary, Fate
from tests.seeds import examples, seeds

KILLS: Final = int(os.environ.get("BUNBASE_USAGE_KILLS", "2"))
CALLS: Final = Dimension.FN_CALLS
HOUR: Final = hour_of(SystemClock().now())


def batch(seq: int = 1, amount: int = 5, projects: str = "ab", writer: str = "wrt_1") -> Batch[Any]:
    return Batch(writer, seq, tuple(Amount(project, CALLS, HOUR, amount) for project in projects))


async def total(db: Database) -> dict[str, int]:
    ledger = Ledger(db)
    found: Counter[str] = Counter()
    for project in "abcdefgh":
        for one in await ledger.of_project(project, [CALLS], NOON - timedelta(days=4000), 100):
            found[project] += one.amount
    return dict(found)


async def test_a_batch_that_is_sent_again_adds_nothing(db: Database) -> None:
    ledger, now = Ledger(db), SystemClock().now()

    first = await ledger.add(batch(), now)
    again = await Ledger(db).add(batch(), now)
    other = await ledger.add(batch(writer="wrt_2"), now)

    assert (first.new, again.new, other.new) == (True, False, True)
    assert abs(again.at - now) < timedelta(minutes=1)
    assert await total(db) == {"a": 10, "b": 10}


async def test_the_same_batch_on_many_connections_at_once_is_added_once(db: Database) -> None:
    now = SystemClock().now()

    receipts = await asyncio.gather(*(Ledger(db).add(batch(), now) for _ in range(8)))

    assert sorted(receipt.new for receipt in receipts) == [False] * 7 + [True]
    assert await total(db) == {"a": 5, "b": 5}


async def test_a_batch_of_a_rolled_back_transaction_can_be_added_again(db: Database) -> None:
    ledger, now = Ledger(db), SystemClock().now()

    async def taken_back() -> None:
        async with db.transaction():
            assert (await ledger.add(batch(), now)).new
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await taken_back()

    assert (await ledger.add(batch(), now)).new
    assert await total(db) == {"a": 5, "b": 5}


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(1))
async def test_usage_is_exact_after_random_cancellations_and_lost_answers(db: Database, seed: int) -> None:
    """Two writers share PostgreSQL.

    The test cancels a flush after some turns of the event loop, or drops its answer.
    """
    dice = random.Random(seed)
    ledgers = [Adversary(Ledger(db).add) for _ in range(2)]
    writers = [Writer(ledger, SystemClock()) for ledger in ledgers]
    truth: Counter[str] = Counter()

    for _ in range(examples(120)):
        for writer in writers:
            project, amount = dice.choice("abcdefgh"), dice.randint(1, 9)
            writer.usage.add(project, CALLS, amount)
            truth[project] += amount
        for ledger in ledgers:
            ledger.fates = [dice.choice([Fate.WELL, Fate.ANSWER_LOST, Fate.TIMEOUT, Fate.BUG_BEHIND])]
        await asyncio.gather(*(cancelled_after(dice.randint(0, 40), writer) for writer in writers))
        await ledgers[0].deliver_late(dice.randint(0, 9))

    for ledger, writer in zip(ledgers, writers, strict=True):
        ledger.fates = []
        await writer.flush()
        while ledger.late:
            await ledger.deliver_late(0)
        assert writer.unsent == {}
    assert await total(db) == dict(truth)


async def cancelled_after(turns: int, writer: Writer[Any]) -> None:
    flushing = asyncio.create_task(writer.flush())
    for _ in range(turns):
        await asyncio.sleep(0)
    flushing.cancel()
    with suppress(asyncio.CancelledError, Problem, RuntimeError):
        await flushing


async def test_usage_of_a_writer_with_a_wrong_clock_counts_in_the_hour_of_its_arrival(db: Database) -> None:
    ledger = Ledger(db, ManualClock(NOON))
    wrong = NOON - timedelta(hours=3)
    amounts = (Amount("a", CALLS, hour_of(wrong), 1), Amount("a", CALLS, hour_of(wrong) - timedelta(hours=1), 2))

    await ledger.add(Batch("wrt_1", 1, amounts), wrong)
    await ledger.add(Batch("wrt_2", 1, amounts), NOON - timedelta(minutes=9))

    kept = await ledger.of_project("a", [CALLS], NOON - timedelta(days=1), 10)
    assert {one.hour: one.amount for one in kept} == {
        NOON: 3,
        NOON - timedelta(hours=3): 1,
        NOON - timedelta(hours=4): 2,
    }


async def test_the_numbers_of_batches_are_kept_for_forty_days(db: Database) -> None:
    ledger, now = Ledger(db), SystemClock().now()
    await ledger.add(batch(), now)

    assert await Ledger(db, ManualClock(now + timedelta(days=39))).prune() == 0
    assert not (await ledger.add(batch(), now)).new
    assert await Ledger(db, ManualClock(now + timedelta(days=41))).prune() == 1


async def test_hours_of_usage_are_deleted_after_their_retention(db: Database) -> None:
    """The clock of PostgreSQL decides, not the clock of a process."""
    now = SystemClock().now()
    await Ledger(db).add(batch(projects="a"), now)

    assert await Ledger(db).delete_older(timedelta(days=1)) == 0
    assert await Ledger(db, ManualClock(now + timedelta(days=2))).delete_older(timedelta(days=1)) == 1


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_the_migration_keeps_the_usage_counted_before(empty_database_url: str) -> None:
    """The migration turns one row per hour into one row per hour and dimension, with whole numbers."""
    everything = migrations_in("bunbase.functions.migrations")
    await apply_migrations(empty_database_url, "functions", everything[:8])
    async with opened(empty_database_url) as connection:
        await connection.execute(
            "INSERT INTO functions.usage_hours (project, hour, invocations, gb_seconds, cpu_ms) VALUES "
            "('a', $1, 7, 1.5, 12.3456), ('b', $1, 1, 0, 0)",
            NOON,
        )

        await apply_migrations(empty_database_url, "functions", everything)

        rows = await connection.fetch(
            "SELECT project, dimension, hour, amount FROM functions.usage_hours ORDER BY 1, 2"
        )
    assert [tuple(row) for row in rows] == [
        ("a", Dimension.FN_CALLS, NOON, 7),
        ("a", Dimension.FN_MB_MS, NOON, 1_536_000),
        ("a", Dimension.FN_CPU_US, NOON, 12_346),
        ("b", Dimension.FN_CALLS, NOON, 1),
    ]


async def test_kill_9_loses_only_unacknowledged_usage_and_adds_none(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    """BUNBASE_USAGE_KILLS sets the number of kills (`make soak`)."""
    shared, least = tmp_path / "counted", 0
    shared.write_bytes(struct.pack("<q", 0))
    for _ in range(KILLS):
        before, began = await counted(db), counted_by(shared)
        acknowledged = await asyncio.to_thread(killed_while_counting, database_url, shared)
        kept = await counted(db)

        least = before + max(0, acknowledged - began)
        assert least <= kept <= before + counted_by(shared) - began
    assert least > 0


def killed_while_counting(url: str, shared: Path) -> int:
    """Kill a process that counts usage. Return the amount that the store had acknowledged before."""
    command = [sys.executable, "-m", "tests.pkg.usage.counting", url, str(shared)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as process:
        assert process.stdout is not None
        for _ in range(random.randint(1, 30)):
            said = process.stdout.readline()
        process.kill()
        return int((process.stdout.read() or said).split()[-1])


def counted_by(shared: Path) -> int:
    (number,) = struct.unpack("<q", shared.read_bytes())
    return int(number)


async def counted(db: Database) -> int:
    """Wait until no transaction of a killed process is running. Return the stored sum."""
    while await db.value(OTHERS):
        await asyncio.sleep(0.01)
    return int(await db.value("SELECT coalesce(sum(amount), 0) FROM usage_hours"))


OTHERS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"""
