"""A project that Platform has deleted, and can still restore, runs nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.contracts.functions.triggers import RunOutcome
from bunbase.functions.service import FunctionsService
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Site
from tests.functions.calls import PROJECT, call, deploy, returning
from tests.functions.triggers.runs import SAY, enqueue, jobs_of, outcomes, runs_of, said
from tests.rooms import secret_caller, site

NOON = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)
VISITOR = Caller(CallerKind.ANONYMOUS, project=PROJECT)


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


async def test_the_functions_of_a_paused_project_are_not_found_until_it_is_resumed(functions: FunctionsService) -> None:
    await deploy(functions, "open", returning("hello"), access="public")
    assert (await call(functions, "open", caller=VISITOR)).body == b"hello"

    await functions.pause_project(PROJECT, True)
    await functions.pause_project(PROJECT, True)

    for caller in (VISITOR, secret_caller(PROJECT)):
        with pytest.raises(FunctionNotFound):
            await call(functions, "open", caller=caller)
    await functions.pause_project(PROJECT, False)
    assert (await call(functions, "open", caller=VISITOR)).body == b"hello"


async def test_the_jobs_and_schedules_of_a_paused_project_wait_and_then_run(
    functions: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "job", SAY)
    await deploy(functions, "cron", SAY, schedule="* * * * *")
    await functions.scheduler.tick()
    await functions.pause_project(PROJECT, True)
    await enqueue(functions, "job", 1)

    clock.advance(60)
    await functions.scheduler.tick()
    await functions.runner.begin_due()
    claimed = await functions.stores.jobs.claim("run_x", clock.now(), clock.now(), [], [])
    scheduled = await functions.stores.jobs.claim_scheduled("run_x", clock.now(), clock.now(), [], [])

    assert (claimed, scheduled) == (None, None)
    assert len(await jobs_of(functions)) == 1
    await functions.pause_project(PROJECT, False)
    await functions.scheduler.tick()
    functions.runner.due.set()
    assert len(await said(functions, "job", 1)) == 1
    assert outcomes(await runs_of(functions, "cron", 1)) == [RunOutcome.OK]


async def test_a_destroyed_project_is_no_longer_paused(functions: FunctionsService, database_url: str) -> None:
    await functions.pause_project(PROJECT, True)

    await functions.drop_project(PROJECT)

    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM functions.paused_projects") == 0
    finally:
        await connection.close()
