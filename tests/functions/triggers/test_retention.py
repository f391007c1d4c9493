from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Site
from tests.functions.calls import MEMBER, PROJECT, deploy
from tests.functions.triggers.runs import dead_letters, enqueue, jobs_of, runs_of
from tests.rooms import site

DAY_SECONDS = 86_400


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(run_retention_days=2, max_runs_per_project=100, max_jobs_per_project=5)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 5, 4, tzinfo=UTC))


@pytest.fixture
def here(tmp_path: Path, database_url: str, clock: ManualClock) -> Site:
    return site(tmp_path, database_url, clock)


async def test_old_runs_and_dead_letters_are_deleted_and_waiting_jobs_are_not(
    functions: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "f", "() => new Response('no', { status: 500 })")
    await enqueue(functions, "f", attempts=1)
    [first] = await dead_letters(functions, 1)
    waiting = await enqueue(functions, "f", delay_seconds=9 * DAY_SECONDS)
    clock.advance(1.5 * DAY_SECONDS)
    await enqueue(functions, "f", attempts=1)
    _, second = await dead_letters(functions, 2)

    clock.advance(DAY_SECONDS)
    await functions.run_retention.delete_old()

    assert [job.id for job in await jobs_of(functions)] == [waiting.id, second.id]
    assert [run.job for run in await runs_of(functions, "f", 1)] == [second.id]
    assert first.id not in (waiting.id, second.id)


async def test_the_runs_and_dead_letters_of_a_project_are_limited(functions: FunctionsService) -> None:
    await deploy(functions, "f", "() => new Response('no', { status: 500 })")
    for count in range(1, 105):
        await enqueue(functions, "f", attempts=1)
        if count % 4 == 0:  # At most five jobs of the project may wait.
            await dead_letters(functions, count)
    newest = [job.id for job in (await jobs_of(functions))[-5:]]

    await functions.run_retention.delete_old()

    assert [job.id for job in await jobs_of(functions)] == newest
    assert len((await functions.runs(MEMBER, "f", None, None, 500, None)).items) == 100


async def test_thousands_of_dead_letters_are_reduced_to_the_limit(functions: FunctionsService) -> None:
    await deploy(functions, "f", "() => {}")
    await functions.stores.jobs.db.execute(
        """
        INSERT INTO jobs (id, project, function, kind, state, payload, depth, created_at, due_at, look_at, attempts)
        SELECT 'job_' || n, $1, 'f', 'change', 'dead', 'null', 9, $2, $2, $2, 5 FROM generate_series(1, 12000) AS n""",
        PROJECT, functions.runner.clock.now(),
    )  # fmt: skip

    await functions.run_retention.delete_old()

    assert [job.id for job in await jobs_of(functions)] == [f"job_{n}" for n in range(11_996, 12_001)]
