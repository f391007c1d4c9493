"""Leases of jobs when servers die or share the work: two services on one PostgreSQL, and a killed process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.contracts.functions.triggers import JobStatus, RunOutcome
from bunbase.functions.module import MODULE
from bunbase.functions.service import FunctionsService
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.modules import Rooms, Site
from tests.fakes import FakeKms
from tests.functions.calls import MEMBER, PROJECT, deploy, until
from tests.functions.hosting import SECRET
from tests.functions.neighbours import neighbours
from tests.functions.triggers.runs import SAY, dead_letters, enqueue, jobs_of, outcomes, runs_of, said
from tests.rooms import opened, site

ROOT = Path(__file__).parents[3]
WAITS = "() => new Promise(() => {})"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 5, 4, 12, tzinfo=UTC))


@pytest.fixture
def here(tmp_path: Path, database_url: str, clock: ManualClock) -> Site:
    return site(tmp_path, database_url, clock)


@pytest.fixture
def followed_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the automatic following of changes, because the test decides when the server follows them."""
    monkeypatch.setattr("bunbase.functions.jobs.FOLLOW_SECONDS", 3600)


@pytest_asyncio.fixture
async def other(rooms: Rooms, here: Site, functions: FunctionsService) -> AsyncIterator[FunctionsService]:
    async with opened(MODULE, rooms, here, settings=functions.runner.settings) as service:
        yield service


async def test_a_job_of_a_dead_server_is_run_again_when_its_lease_ends(
    functions: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "f", "() => globalThis.x ? 1 : new Promise(() => { globalThis.x = 1; console.log(1) })")
    job = await enqueue(functions, "f")
    await said(functions, "f", 1)
    await functions.stores.jobs.db.execute("UPDATE jobs SET runner = 'run_dead'")
    for task in functions.runner.tasks.values():
        task.cancel()
    await until(lambda: not functions.runner.tasks)
    [held] = await jobs_of(functions)

    clock.advance(31)

    runs = await runs_of(functions, "f", 2)
    assert (held.state, outcomes(runs)) == (JobStatus.RUNNING, [RunOutcome.LOST, RunOutcome.OK])
    assert [(run.job, run.attempt, run.code) for run in runs] == [(job.id, 1, "server_died"), (job.id, 1, None)]


@pytest.mark.parametrize("committed", [True, False], ids=["only the answer was lost", "nothing was written"])
async def test_a_job_that_succeeded_is_not_run_again_if_its_run_could_not_be_recorded_at_first(
    functions: FunctionsService, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    """Before, a job whose run could not be recorded was run twice."""
    await deploy(functions, "f", SAY)
    runs, failures = functions.stores.runs, [True]
    transaction = runs.transaction

    @asynccontextmanager
    async def lost() -> AsyncIterator[None]:
        fails = bool(failures) and failures.pop()
        if fails and not committed:
            raise Unreachable("PostgreSQL is away.")
        async with transaction():
            yield
        if fails:
            raise Unreachable("The answer was lost.")

    monkeypatch.setattr(runs, "transaction", lost)
    job = await enqueue(functions, "f")
    await until(lambda: not failures and not functions.runner.tasks)
    clock.advance(31)
    await functions.runner.begin_due()

    assert [(run.job, run.outcome) for run in await runs_of(functions, "f", 1)] == [(job.id, RunOutcome.OK)]
    assert (await jobs_of(functions), functions.runner.tasks) == ([], {})


async def test_a_job_that_repeatedly_loses_its_server_becomes_a_dead_letter(
    functions: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "f", WAITS)
    await enqueue(functions, "f", delay_seconds=5)
    await functions.stores.jobs.db.execute(
        "UPDATE jobs SET state = 'running', runner = 'run_dead', lost = 2, started_at = due_at"
    )

    clock.advance(60)

    [dead] = await dead_letters(functions, 1)
    assert (dead.error, outcomes(await runs_of(functions, "f", 1))) == ("server_died", [RunOutcome.LOST])


async def test_a_long_job_stays_with_the_server_that_runs_it(
    functions: FunctionsService, other: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "f", WAITS)
    await enqueue(functions, "f")
    await until(lambda: bool(functions.runner.tasks or other.runner.tasks))
    holder = functions if functions.runner.tasks else other

    for _ in range(4):
        clock.advance(10)
        await holder.runner.extend()
        await functions.runner.begin_due()
        await other.runner.begin_due()

    assert len(functions.runner.tasks) + len(other.runner.tasks) == 1
    assert (await functions.runs(MEMBER, "f", None, None, 20, None)).items == ()


async def test_a_server_that_stops_releases_its_jobs(rooms: Rooms, here: Site) -> None:
    async with opened(MODULE, rooms, here) as stopping:
        await deploy(stopping, "f", WAITS)
        await enqueue(stopping, "f")
        await until(lambda: bool(stopping.runner.tasks))

    async with opened(MODULE, rooms, here) as functions:
        await until(lambda: bool(functions.runner.tasks))  # The job starts before the old lease ends.
        [job] = await jobs_of(functions)
        assert (job.state, job.attempt) == (JobStatus.RUNNING, 1)
        assert (await functions.runs(MEMBER, "f", None, None, 20, None)).items == ()


async def test_a_result_after_the_end_of_the_lease_changes_nothing(
    functions: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "f", SAY)
    await enqueue(functions, "f", delay_seconds=60)
    then = clock.now() + timedelta(hours=1)
    claimed = await functions.stores.jobs.claim("run_slow", then, then, [], [])
    assert claimed is not None
    again = await functions.stores.jobs.claim("run_quick", then, then, [], [])
    assert again is not None

    late = await functions.stores.jobs.done(claimed, "run_slow", clock.now())
    own = await functions.stores.jobs.done(again, "run_quick", clock.now())

    assert (late, own) == (False, True)


@pytest.mark.usefixtures("followed_by_hand")
async def test_a_project_followed_by_a_dead_server_is_followed_by_another(
    functions: FunctionsService, rooms: Rooms, clock: ManualClock
) -> None:
    subscriptions, now = functions.stores.subscriptions, clock.now()
    await deploy(functions, "f", SAY, on=[{"collection": "posts"}])
    await subscriptions.let_go(functions.runner.holder)
    dead = await subscriptions.hold("run_dead", now, now + timedelta(seconds=15), 10)
    await functions.feeds.keep()
    followed_before = list(functions.feeds.followed)

    clock.advance(16)
    await functions.feeds.keep()

    assert (dead, followed_before, list(functions.feeds.followed)) == ([PROJECT], [], [PROJECT])


@pytest.mark.usefixtures("followed_by_hand")
async def test_a_project_without_triggers_is_no_longer_followed(
    functions: FunctionsService, clock: ManualClock
) -> None:
    subscriptions = functions.stores.subscriptions
    await deploy(functions, "f", SAY, on=[{"collection": "posts"}])
    await functions.feeds.keep()
    followed_before = list(functions.feeds.followed)
    await functions.drop_project(PROJECT)

    for _ in range(3):
        clock.advance(10)
        await functions.feeds.keep()
    await functions.feeds.forget()

    assert (followed_before, functions.feeds.followed) == ([PROJECT], {})
    assert await subscriptions.db.value("SELECT count(*) FROM feeds") == 0


async def test_the_job_of_a_killed_server_is_run_by_another(database_url: str, tmp_path: Path) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.functions.triggers.hosting", database_url, str(tmp_path),
        cwd=ROOT, env={**os.environ, "PYTHONPATH": f"src{os.pathsep}."}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        while b"running" not in await asyncio.wait_for(server.stdout.readline(), 30):
            pass
    finally:
        server.send_signal(signal.SIGKILL)
        await server.wait()

    clock = ManualClock(datetime.now(UTC))
    async with opened(MODULE, neighbours(FakeKms(SECRET)), site(tmp_path, database_url, clock)) as functions:
        [job] = await jobs_of(functions)
        await deploy(functions, "f", SAY)
        clock.advance(31)

        runs = await runs_of(functions, "f", 2)

    assert job.state is JobStatus.RUNNING
    assert [(run.job, run.outcome) for run in runs] == [(job.id, RunOutcome.LOST), (job.id, RunOutcome.OK)]
