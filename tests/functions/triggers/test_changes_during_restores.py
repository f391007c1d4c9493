"""Triggers while backups are restored, data keys change, and functions and collections are created and deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.contracts.functions.triggers import JobNotFound, RunOutcome
from bunbase.functions.service import FunctionsService
from bunbase.pkg.modules import Rooms
from tests.bundoc.backups.backed_up import backed_up, restored
from tests.functions.calls import MEMBER, PROJECT, SERVER, bundle, deploy, log_of, until
from tests.functions.triggers.runs import SAY, dead_letters, enqueue, jobs_of, outcomes, runs_of, said
from tests.rooms import member_caller, secret_caller

ON: list[dict[str, Any]] = [{"collection": "posts"}]
PREVIEW, PREVIEW_SERVER = member_caller("prj_preview"), secret_caller("prj_preview")


@pytest.fixture
def bundoc(rooms: Rooms) -> Bundoc:
    return rooms[Bundoc]


async def write(bundoc: Bundoc, id: str, caller: Caller = SERVER, **fields: Any) -> None:
    await bundoc.put(caller, "posts", id, msgspec.json.encode(fields), NO_PRECONDITION)


async def ids_said(functions: FunctionsService, count: int) -> list[str]:
    return [one["body"]["id"] for one in await said(functions, "f", count)]


async def test_a_restore_is_recorded_as_a_resync_and_later_changes_run_the_trigger(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", SAY, on=ON)
    await write(bundoc, "before")
    backup = await backed_up(bundoc, MEMBER)
    await write(bundoc, "undone")
    await ids_said(functions, 2)

    await restored(bundoc, backup, MEMBER, MEMBER)
    _, _, resync = await runs_of(functions, "f", 3)
    await write(bundoc, "after")

    assert resync.outcome is RunOutcome.RESYNC
    assert sorted(await ids_said(functions, 3)) == ["after", "before", "undone"]


async def test_a_cloned_project_runs_neither_changes_nor_jobs_of_the_original(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", SAY, on=ON)
    await functions.deploy(PREVIEW, "f", bundle(SAY, on=ON))
    for number in range(5):
        await write(bundoc, f"d{number}")
    await ids_said(functions, 5)
    backup = await backed_up(bundoc, MEMBER)

    job = await restored(bundoc, backup, PREVIEW, MEMBER)
    assert job.problem is None
    async with asyncio.timeout(15):
        while not (runs := (await functions.runs(PREVIEW, "f", None, None, 20, None)).items):
            await asyncio.sleep(0.02)
    await write(bundoc, "new", PREVIEW_SERVER)
    async with asyncio.timeout(15):
        while len(runs := (await functions.runs(PREVIEW, "f", None, None, 20, None)).items) < 2:
            await asyncio.sleep(0.02)

    assert outcomes(list(runs)) == [RunOutcome.OK, RunOutcome.RESYNC]
    assert len(await ids_said(functions, 5)) == 5


async def test_no_change_is_lost_or_doubled_while_the_data_key_changes(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", "async (req) => { console.log(JSON.stringify((await req.json()).id)) }", on=ON)

    for number in range(60):
        await write(bundoc, f"d{number}")
        if number in (10, 40):
            await bundoc.rotate_data_key(MEMBER)

    assert sorted(await said(functions, "f", 60)) == sorted(f"d{number}" for number in range(60))
    assert len(await runs_of(functions, "f", 60)) == 60


async def test_a_subscription_ahead_of_the_log_continues_from_the_newest_change(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", SAY, on=ON)
    await deploy(functions, "g", "() => {}", on=ON)
    await write(bundoc, "a")
    await runs_of(functions, "g", 1)
    await ids_said(functions, 1)
    await functions.stores.subscriptions.db.execute("UPDATE subscriptions SET cursor = 1000 WHERE function = 'f'")

    await write(bundoc, "b")
    await runs_of(functions, "g", 2)
    await write(bundoc, "c")

    await runs_of(functions, "g", 3)
    found = await runs_of(functions, "f", 2)
    assert found[1].outcome is RunOutcome.RESYNC
    await write(bundoc, "d")
    assert (await ids_said(functions, 2))[-1] in ("c", "d")


async def test_a_version_without_the_trigger_still_runs_jobs_added_before(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", SAY)
    await deploy(functions, "f", "() => { throw new Error('no') }", on=ON)
    await write(bundoc, "owed")
    [dead] = await dead_letters(functions, 1)

    await functions.rollback(MEMBER, "f", 1)
    await write(bundoc, "unasked")
    await functions.replay_job(MEMBER, dead.id)

    assert await ids_said(functions, 1) == ["owed"]
    await functions.rollback(MEMBER, "f", 2)
    await write(bundoc, "asked")
    [asked] = await dead_letters(functions, 1)
    assert (await functions.job(MEMBER, asked.id)).payload["id"] == "asked"


async def test_a_function_that_was_deleted_and_created_again_has_no_old_jobs(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", "() => { throw new Error('no') }", on=ON)
    await write(bundoc, "before")
    [dead] = await dead_letters(functions, 1)
    waiting = await enqueue(functions, "f", delay_seconds=60, key="once")

    await functions.delete_function(MEMBER, "f")
    await write(bundoc, "between")
    await deploy(functions, "f", SAY, on=ON)
    await write(bundoc, "after")

    assert await ids_said(functions, 1) == ["after"]
    for gone in (dead, waiting):
        with pytest.raises(JobNotFound):
            await functions.replay_job(MEMBER, gone.id)
    assert (await enqueue(functions, "f", delay_seconds=60, key="once")).id != waiting.id


async def test_a_deleted_project_runs_no_functions(functions: FunctionsService, bundoc: Bundoc) -> None:
    await deploy(functions, "f", SAY, on=ON)
    await write(bundoc, "a")
    await ids_said(functions, 1)
    await enqueue(functions, "f", delay_seconds=60)

    await functions.drop_project(PROJECT)
    await bundoc.drop_project(PROJECT)

    assert await jobs_of(functions) == []
    await functions.feeds.keep()
    assert functions.feeds.followed == {}
    await until(lambda: not functions.runner.tasks)
    with pytest.raises(FunctionNotFound):
        await log_of(functions, "f")
