"""One project's backlog is not another's: with thousands of jobs waiting, who has one is served soon."""

from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.triggers import NewJob
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from tests.functions.calls import bundle
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


async def test_a_small_project_is_served_though_others_have_waited_longer(functions: FunctionsService) -> None:
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
