"""A backlog of one project does not delay others: a project with one job is served soon, even among thousands."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from bunbase.contracts.functions.triggers import NewJob, RunOutcome, TriggerKind
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store.claims import LOOKED_AT
from bunbase.functions.store.jobs import JobRow
from bunbase.pkg.ids import new_id
from tests.functions.calls import bundle, until
from tests.rooms import member_caller, secret_caller

BACKLOG = """
INSERT INTO jobs (id, project, function, kind, state, payload, depth, created_at, due_at, look_at, attempts)
SELECT 'job_' || $1 || n, $1, 'f', 'job', 'waiting', 'null', 0, now(), now() - interval '1 hour',
    now() - interval '1 hour', 5
FROM generate_series(1, 10000) AS n"""
BUSY = [f"prj_busy{number}" for number in range(3)]


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(max_triggered_runs=4, max_triggered_runs_per_project=2)


async def test_a_project_with_one_job_is_served_before_the_older_backlogs_of_others(
    functions: FunctionsService,
) -> None:
    for project in (*BUSY, "prj_small"):
        await functions.deploy(member_caller(project), "f", bundle("() => {}"))
    for project in BUSY:
        await functions.stores.jobs.db.execute(BACKLOG, project)

    await functions.enqueue(secret_caller("prj_small"), NewJob("f"))

    async with asyncio.timeout(15):
        while not (await functions.runs(member_caller("prj_small"), "f", None, None, 20, None)).items:
            await asyncio.sleep(0.02)
    left = await functions.stores.jobs.db.value("SELECT count(*) FROM jobs")
    assert left > 29_000


async def test_a_schedule_runs_beside_a_backlog_that_fills_every_place(functions: FunctionsService) -> None:
    member, busy = member_caller("prj_busy"), "() => new Promise(() => {})"
    await functions.deploy(member, "f", bundle(busy))
    await functions.deploy(member, "report", bundle("() => {}"))
    await due(functions, "prj_busy", 10, functions.runner.clock.now() - timedelta(hours=1))
    functions.runner.due.set()
    await until(lambda: len(functions.runner.tasks) == 2)

    entry = JobRow(new_id("job"), "report", TriggerKind.CRON, b"{}", None, 0, functions.runner.clock.now(), 1)
    await functions.stores.jobs.add("prj_busy", entry, functions.runner.clock.now())

    async with asyncio.timeout(15):
        while not (runs := (await functions.runs(member, "report", None, None, 20, None)).items):
            await asyncio.sleep(0.02)
    assert runs[0].outcome is RunOutcome.OK
    await until(lambda: len(functions.runner.tasks) == 2)  # A run is recorded shortly before its place is free.
    assert functions.runner.scheduled == {}  # No change has taken the place of the schedule.


async def test_a_project_has_one_place_for_schedules_so_that_other_projects_find_one(
    functions: FunctionsService,
) -> None:
    runner, now = functions.runner, functions.runner.clock.now()
    for project in ("prj_many", "prj_other"):
        for name in ("a", "b", "c"):
            await functions.deploy(member_caller(project), name, bundle("() => new Promise(() => {})"))
            entry = JobRow(new_id("job"), name, TriggerKind.CRON, b"{}", None, 0, now, 1)
            await functions.stores.jobs.add(project, entry, now)

    runner.due.set()

    await until(lambda: len(runner.tasks) == 6)
    assert sorted(runner.scheduled) == ["prj_many", "prj_other"]
    assert dict(runner.running) == {"prj_many": 2, "prj_other": 2}


@pytest.mark.parametrize("backlog", [3, LOOKED_AT + 1])
async def test_the_oldest_due_job_that_may_run_is_claimed_behind_any_backlog(
    functions: FunctionsService, backlog: int
) -> None:
    store, later = functions.stores.jobs, functions.runner.clock.now() + timedelta(hours=2)
    for project in ("prj_busy", "prj_late", "prj_not_yet", "prj_soon"):
        await functions.deploy(member_caller(project), "f", bundle("() => {}"))
    await due(functions, "prj_busy", backlog, later - timedelta(hours=1))
    [late] = await due(functions, "prj_late", 1, later - timedelta(minutes=1))
    await due(functions, "prj_not_yet", 1, later + timedelta(minutes=1))
    here, soon = await due(functions, "prj_soon", 2, later - timedelta(minutes=2))

    claimed = [
        await store.claim("run_x", later, later + timedelta(minutes=1), ["prj_busy"], [await seq_of(functions, here)])
        for _ in range(3)
    ]

    assert [one and one.id for one in claimed] == [soon, late, None]


async def due(functions: FunctionsService, project: str, count: int, at: datetime) -> list[str]:
    """Add due jobs without waking this server's runner."""
    entries = [JobRow(new_id("job"), "f", TriggerKind.JOB, b"null", None, 0, at, 5) for _ in range(count)]
    for entry in entries:
        await functions.stores.jobs.add(project, entry, functions.runner.clock.now())
    return [entry.id for entry in entries]


async def seq_of(functions: FunctionsService, id: str) -> int:
    seq: int = await functions.stores.jobs.db.value("SELECT seq FROM jobs WHERE id = $1", id)
    return seq
