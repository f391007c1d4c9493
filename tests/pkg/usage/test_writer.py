"""Usage is counted exactly once despite failures of the store.

These tests use a ledger in memory. The random search in test_ledger.py uses PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.pkg import metrics
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Problem, Unreachable
from bunbase.pkg.usage import writer as writer_module
from bunbase.pkg.usage.batches import Batch, Receipt, hour_of
from bunbase.pkg.usage.dimensions import Dimension
from bunbase.pkg.usage.writer import Writer
from tests.pkg.usage.failing_stores import NOON, Adversary, Fate, MemoryLedger
from tests.seeds import examples

CALLS = Dimension.FN_CALLS

writers = st.integers(0, 1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), writers, st.sampled_from("abc"), st.integers(1, 9)),
        st.tuples(st.just("flush"), writers, st.lists(st.sampled_from(Fate), max_size=4)),
        st.tuples(st.just("kill"), writers),
        st.tuples(st.just("late"), writers, st.integers(0, 9)),
        st.tuples(st.just("wait"), st.integers(1, 120)),
    ),
    max_size=60,
)


class World:
    """Two writers, each with an adversary before the ledger.

    `truth` holds all counted amounts. `may_be_lost` holds the amounts that a killed writer had not sent.
    """

    def __init__(self) -> None:
        self.clock = ManualClock(NOON)
        self.ledger = MemoryLedger()
        self.adversaries = [Adversary(self.ledger.add) for _ in range(2)]
        self.writers: list[Writer[Any]] = [Writer(adversary, self.clock) for adversary in self.adversaries]
        self.truth: Counter[Any] = Counter()
        self.may_be_lost: Counter[Any] = Counter()

    def add(self, which: int, project: str, amount: int) -> None:
        self.writers[which].usage.turn_to(self.clock.now())
        self.writers[which].usage.add(project, CALLS, amount)
        self.truth[project, CALLS, hour_of(self.clock.now())] += amount

    async def flush(self, which: int, fates: list[Fate]) -> None:
        self.adversaries[which].fates = list(fates)
        with suppress(Problem, RuntimeError, asyncio.CancelledError):
            await self.writers[which].flush()
        self.adversaries[which].fates = []

    def kill(self, which: int) -> None:
        dead = self.writers[which]
        unsent = [one for batch in dead.unsent.values() for one in batch.amounts]
        for one in (*unsent, *dead.usage.take()):
            self.may_be_lost[one.project, one.dimension, one.hour] += one.amount
        self.writers[which] = Writer(self.adversaries[which], self.clock)


@given(steps)
@settings(max_examples=examples(200), deadline=None)
def test_usage_is_exact_except_for_amounts_that_a_killed_writer_had_not_sent(steps: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # Another test covers the batches that the writer drops.
        patch.setattr(writer_module, "MAX_REFUSALS", 1_000_000)
        asyncio.run(_lived(steps))


async def _lived(steps: list[Any]) -> None:
    world = World()
    for step in steps:
        match step:
            case ("add", which, project, amount):
                world.add(which, project, amount)
            case ("flush", which, fates):
                await world.flush(which, fates)
            case ("kill", which):
                world.kill(which)
            case ("late", which, place):
                await world.adversaries[which].deliver_late(place)
            case ("wait", minutes):
                world.clock.advance(60 * minutes)
        assert all(amount <= world.truth[key] for key, amount in world.ledger.total.items())

    for which in range(2):
        await world.flush(which, [])
        while world.adversaries[which].late:
            await world.adversaries[which].deliver_late(-1)

    for key, amount in world.truth.items():
        assert amount - world.may_be_lost[key] <= world.ledger.total[key] <= amount


async def test_a_batch_with_a_lost_answer_or_a_cancelled_task_counts_once() -> None:
    """A writer that counts a batch again after any exception counts it twice if only the answer was lost."""
    for fate in (Fate.ANSWER_LOST, Fate.CANCELLED_BEHIND, Fate.BUG_BEHIND, Fate.TIMEOUT):
        world = World()
        world.add(0, "a", 7)

        await world.flush(0, [fate])
        world.add(0, "a", 1)
        await world.flush(0, [])
        await world.adversaries[0].deliver_late(0)

        assert world.ledger.total == {("a", CALLS, NOON): 8}
        assert world.writers[0].unsent == {}


async def test_while_the_store_is_unreachable_few_batches_are_kept_and_none_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()

    for _ in range(50):
        world.add(0, "a", 1)
        await world.flush(0, [Fate.AWAY])

    assert len(world.writers[0].unsent) == writer_module.MAX_UNSENT
    await world.writers[0].close()
    assert world.ledger.total == {("a", CALLS, NOON): 50}


async def test_many_amounts_are_sent_in_several_batches_with_the_rows_of_the_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer_module, "MAX_AMOUNTS", 3)
    ledger, rows = MemoryLedger(), [["x", "y", "z", "last"], []]
    writer: Writer[str] = Writer(ledger.add, ManualClock(NOON), lambda: rows.pop(0))
    for number in range(8):
        writer.usage.add(f"p{number}", CALLS, 1)

    await writer.flush()
    await writer.flush()

    assert len(ledger.seen) == 3
    assert [ledger.total[row] for row in ("x", "y", "z", "last")] == [1, 1, 1, 1]
    assert sum(amount for key, amount in ledger.total.items() if isinstance(key, tuple)) == 8


async def test_a_batch_that_the_store_always_refuses_does_not_delay_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    world, before = World(), metrics.usage_dropped_batches._value.get()
    world.add(0, "bad", 1)
    poison = await _poisoned(world)

    for number in range(writer_module.MAX_REFUSALS + 5):
        world.add(0, "good", 1)
        with suppress(RuntimeError):
            await world.writers[0].flush()
        assert world.ledger.total["good", CALLS, NOON] == number + 1

    assert poison not in world.writers[0].unsent
    assert metrics.usage_dropped_batches._value.get() == before + 1


async def test_closing_succeeds_despite_a_batch_that_the_store_always_refuses() -> None:
    """If closing failed, the stop would fail, and the room would lose the log lines that it writes after its usage."""
    world = World()
    world.add(0, "bad", 1)
    await _poisoned(world)
    world.add(0, "good", 1)

    await world.writers[0].close()

    assert world.ledger.total == {("good", CALLS, NOON): 1}


async def _poisoned(world: World) -> int:
    writer = world.writers[0]
    add = writer.deliver

    async def deliver(batch: Batch[Any], sent: datetime) -> Receipt:
        if any(one.project == "bad" for one in batch.amounts):
            raise RuntimeError("a number out of range")
        return await add(batch, sent)

    writer.deliver = deliver
    with pytest.raises(RuntimeError):
        await writer.flush()
    [seq] = writer.unsent
    return seq


async def test_simultaneous_flushes_send_each_batch_once() -> None:
    world = World()
    world.add(0, "a", 1)

    await asyncio.gather(*(world.writers[0].flush() for _ in range(5)))

    assert len(world.ledger.seen) == 1


async def test_usage_counts_in_the_hour_of_the_stores_clock() -> None:
    """A writer learns from each answer the difference between its clock and that of the store."""
    clock, ledger = ManualClock(NOON - timedelta(minutes=5)), MemoryLedger()

    async def add(batch: Batch[Any], sent: datetime) -> Receipt:
        await ledger.add(batch, sent)
        return Receipt(clock.now() + timedelta(minutes=7), True)

    writer: Writer[Any] = Writer(add, clock)
    for _ in range(2):
        writer.usage.turn_to(writer.now())
        writer.usage.add("a", CALLS, 1)
        await writer.flush()

    assert writer.offset == timedelta(minutes=7)
    assert ledger.total == {("a", CALLS, NOON - timedelta(hours=1)): 1, ("a", CALLS, NOON): 1}


async def test_closing_sends_the_last_amounts_and_ignores_an_unreachable_store() -> None:
    world = World()
    world.add(0, "a", 1)
    world.add(1, "b", 1)
    world.adversaries[1].fates = [Fate.AWAY]

    for writer in world.writers:
        await writer.close()

    assert world.ledger.total == {("a", CALLS, NOON): 1}
    world.adversaries[1].fates = [Fate.AWAY]
    with pytest.raises(Unreachable):
        await world.writers[1].flush()
