"""Schedules with a manual clock. Each test calls `tick`, which a server calls twice a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.contracts.functions.triggers import JobStatus, RunOutcome, TriggerKind
from bunbase.functions.module import MODULE
from bunbase.functions.service import FunctionsService
from bunbase.functions.store.jobs import JobRow
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import new_id
from bunbase.pkg.modules import Rooms, Site
from tests.functions.calls import MEMBER, PROJECT, call, deploy, request, until
from tests.functions.triggers.runs import SAY, jobs_of, outcomes, runs_of, said
from tests.rooms import opened, site

NOON = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)
WAITS = """async (req) => {
    if (req.url.endsWith("/go")) return globalThis.go();
    await new Promise(done => { globalThis.go = done; console.log(1) });
}"""


@pytest.fixture(autouse=True)
def ticks_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the automatic ticks, so that a schedule runs only when the test calls `tick`."""
    monkeypatch.setattr("bunbase.functions.jobs.TICK_SECONDS", 3600)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def here(tmp_path: Path, database_url: str, clock: ManualClock) -> Site:
    return site(tmp_path, database_url, clock)


@pytest_asyncio.fixture
async def other(rooms: Rooms, here: Site, functions: FunctionsService) -> AsyncIterator[FunctionsService]:
    """Another server process on the same PostgreSQL."""
    async with opened(MODULE, rooms, here, settings=functions.runner.settings) as service:
        yield service


async def due_at(functions: FunctionsService) -> datetime | None:
    await functions.scheduler.tick()
    [state] = (await functions.schedules(MEMBER, 20, None)).items
    return state.next_at


async def test_a_schedule_runs_its_function_when_it_is_due(functions: FunctionsService, clock: ManualClock) -> None:
    await deploy(functions, "f", SAY, schedule="*/5 * * * *")
    assert await due_at(functions) == datetime(2026, 5, 4, 12, 5, tzinfo=UTC)
    assert await jobs_of(functions) == []

    clock.advance(300)
    await functions.scheduler.tick()

    [line] = await said(functions, "f", 1)
    assert line["body"] == {"scheduled_at": "2026-05-04T12:05:00.000Z"}
    assert line["trigger"]["kind"] == "cron"
    [run] = await runs_of(functions, "f", 1)
    assert (run.kind, run.outcome) == (TriggerKind.CRON, RunOutcome.OK)
    assert await due_at(functions) == datetime(2026, 5, 4, 12, 10, tzinfo=UTC)


async def test_many_missed_due_times_cause_one_run(functions: FunctionsService, clock: ManualClock) -> None:
    await deploy(functions, "f", SAY, schedule={"cron": "*/5 * * * *", "overlap": True})
    await due_at(functions)

    clock.advance(3600 * 24)
    for _ in range(3):
        await functions.scheduler.tick()

    await runs_of(functions, "f", 1)
    await until(lambda: not functions.runner.tasks)
    assert len(await runs_of(functions, "f", 1)) == 1


async def test_only_one_of_several_servers_runs_a_due_schedule(
    functions: FunctionsService, other: FunctionsService, clock: ManualClock
) -> None:
    for number in range(5):
        await deploy(functions, f"f{number}", SAY, schedule="0 * * * *")
    await functions.scheduler.tick()

    clock.advance(3600)
    await asyncio.gather(*(one.scheduler.tick() for one in (functions, other) * 4))

    for number in range(5):
        assert len(await runs_of(functions, f"f{number}", 1)) == 1
    await until(lambda: not functions.runner.tasks and not other.runner.tasks)
    assert await jobs_of(functions) == []


async def test_a_due_time_during_a_run_is_skipped(functions: FunctionsService, clock: ManualClock) -> None:
    await deploy(functions, "f", WAITS, schedule="* * * * *")
    await due_at(functions)
    clock.advance(60)
    await functions.scheduler.tick()
    await said(functions, "f", 1)

    clock.advance(60)
    await functions.scheduler.tick()

    [skipped] = await runs_of(functions, "f", 1)
    assert (skipped.outcome, skipped.code) == (RunOutcome.SKIPPED, "still_running")
    await call(functions, "f", request("/go"))
    assert outcomes(await runs_of(functions, "f", 2)) == [RunOutcome.SKIPPED, RunOutcome.OK]


async def test_a_due_time_is_skipped_while_the_run_before_it_has_not_begun(
    functions: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "f", SAY, schedule="* * * * *")
    await due_at(functions)
    put_off = JobRow(new_id("job"), "f", TriggerKind.CRON, b"{}", None, 0, clock.now() + timedelta(hours=1), 1)
    await functions.stores.jobs.add(PROJECT, put_off, clock.now())

    clock.advance(60)
    await functions.scheduler.tick()

    [skipped] = await runs_of(functions, "f", 1)
    assert (skipped.outcome, skipped.code) == (RunOutcome.SKIPPED, "still_waiting")


async def test_a_run_overlaps_if_the_schedule_allows_it(functions: FunctionsService, clock: ManualClock) -> None:
    await deploy(functions, "f", WAITS, schedule={"cron": "* * * * *", "overlap": True})
    await due_at(functions)
    for _ in range(2):
        clock.advance(60)
        await functions.scheduler.tick()

    await until(lambda: len(functions.runner.tasks) == 2)

    assert [job.state for job in await jobs_of(functions)] == [JobStatus.RUNNING] * 2


async def test_a_failed_scheduled_run_is_not_retried_before_the_next_due_time(
    functions: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "f", "() => { throw new Error('no') }", schedule="* * * * *")
    await due_at(functions)
    clock.advance(60)
    await functions.scheduler.tick()

    assert outcomes(await runs_of(functions, "f", 1)) == [RunOutcome.ERROR]

    await until(lambda: not functions.runner.tasks)
    assert await jobs_of(functions) == []


async def test_deploying_again_skips_no_run_and_deploying_without_a_schedule_ends_it(
    functions: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "f", SAY, schedule="0 * * * *")
    due = await due_at(functions)
    clock.advance(3600)  # The run is due, but no server has started it yet.

    await deploy(functions, "f", SAY, schedule="0 * * * *", timeout_ms=1000)

    [state] = (await functions.schedules(MEMBER, 20, None)).items
    assert state.next_at == due
    await deploy(functions, "f", SAY)
    assert (await functions.schedules(MEMBER, 20, None)).items == ()
    await functions.rollback(MEMBER, "f", 1)
    assert [one.cron for one in (await functions.schedules(MEMBER, 20, None)).items] == ["0 * * * *"]


async def test_a_clock_that_was_briefly_far_ahead_stops_no_schedule(
    functions: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "f", SAY, schedule="*/5 * * * *")
    await due_at(functions)
    clock.advance(24 * 3600)
    ahead = await due_at(functions)

    clock.advance(-24 * 3600)

    assert ahead == datetime(2026, 5, 5, 12, 5, tzinfo=UTC)
    assert await due_at(functions) == datetime(2026, 5, 4, 12, 5, tzinfo=UTC)


async def test_a_clock_that_is_corrected_by_a_second_runs_nothing_twice(
    functions: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "f", SAY, schedule="*/5 * * * *")
    await due_at(functions)
    clock.advance(270.5)
    next_at = await due_at(functions)

    clock.advance(-1)

    assert await due_at(functions) == next_at == datetime(2026, 5, 4, 12, 10, tzinfo=UTC)


async def test_an_invalid_schedule_is_not_deployed(functions: FunctionsService) -> None:
    with pytest.raises(InvalidInput, match="bad minute"):
        await deploy(functions, "f", SAY, schedule="61 * * * *")

    assert (await functions.functions(MEMBER, 20, None)).items == ()


async def test_an_unreadable_schedule_does_not_stop_other_schedules(
    functions: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "bad", SAY, schedule="0 * * * *")
    await deploy(functions, "good", SAY, schedule="0 * * * *")
    await functions.scheduler.tick()
    await functions.stores.schedules.db.execute(
        """UPDATE schedules SET spec = '{"cron": "never"}' WHERE function = 'bad'"""
    )

    for _ in range(25):
        clock.advance(3600)
        await functions.scheduler.tick()
    await functions.scheduler.tick()

    # Some of the 25 runs may be skipped, because a due time during a run is skipped.
    assert RunOutcome.OK in outcomes(await runs_of(functions, "good", 25))
    await until(lambda: not functions.runner.tasks)
    assert not [job for job in await jobs_of(functions) if job.function == "bad"]
    assert (await functions.runs(MEMBER, "bad", None, None, 20, None)).items == ()
