"""The contract of jobs, runs and schedules holds in this process and over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.functions.triggers import (
    DataTrigger,
    JobNotDead,
    JobNotFound,
    JobStatus,
    NewJob,
    RunOutcome,
    Schedule,
)
from bunbase.functions.module import MODULE
from bunbase.pkg.errors import InvalidInput
from tests.functions.calls import MEMBER, PROJECT, SERVER, deploy
from tests.functions.neighbours import neighbours
from tests.functions.triggers.runs import enqueue, jobs_of, outcomes, runs_of
from tests.rooms import opened, site


@pytest_asyncio.fixture(params=["local", "remote"])
async def functions(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> AsyncIterator[Functions]:
    async with opened(MODULE, neighbours(), site(tmp_path, database_url), request.param) as service:
        yield service


async def test_a_job_is_enqueued_run_and_deleted(functions: Functions) -> None:
    await deploy(functions, "f", "async (req) => { if ((await req.json()).fail) throw new Error('no') }")
    payload: dict[str, Any] = {"text": "ä", "list": [1, None, {"deep": True}]}

    waiting = await enqueue(functions, "f", payload, delay_seconds=3600, key="k")
    again = await functions.enqueue(SERVER, NewJob("f", key="k"))
    await enqueue(functions, "f", {"fail": False})

    assert (again.id, waiting.state) == (waiting.id, JobStatus.WAITING)
    assert (await functions.job(MEMBER, waiting.id)).payload == payload
    assert outcomes(await runs_of(functions, "f", 1)) == [RunOutcome.OK]
    with pytest.raises(JobNotDead):
        await functions.replay_job(MEMBER, waiting.id)
    await functions.delete_job(MEMBER, waiting.id)
    with pytest.raises(JobNotFound):
        await functions.job(MEMBER, waiting.id)
    with pytest.raises(FunctionNotFound):
        await enqueue(functions, "nobody")


async def test_a_deployed_version_contains_its_schedule(functions: Functions) -> None:
    version = await deploy(functions, "f", "() => 1", schedule={"cron": "0 9 * * *", "time_zone": "Europe/Berlin"})

    [state] = (await functions.schedules(MEMBER, 20, None)).items

    assert version.config.schedule == Schedule("0 9 * * *", "Europe/Berlin")
    assert (state.function, state.cron, state.overlap) == ("f", "0 9 * * *", False)
    with pytest.raises(InvalidInput, match="five fields"):
        await deploy(functions, "f", "() => 1", schedule="daily")
    assert hash(DataTrigger("posts", where={"a": 1})) == hash(DataTrigger("posts", where={"a": 1}))


async def test_a_dropped_project_has_no_jobs_and_schedules(functions: Functions) -> None:
    await deploy(functions, "f", "() => 1", schedule="0 9 * * *")
    await enqueue(functions, "f", delay_seconds=3600)

    await functions.drop_project(PROJECT)

    assert await jobs_of(functions) == []
    assert (await functions.schedules(MEMBER, 20, None)).items == ()
