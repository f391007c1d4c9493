"""Functions whose writes cause their own next run. Such a chain of runs is ended at a limit."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.collections import Rules as RulesOf
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.functions.logs import LogLevel
from bunbase.contracts.functions.triggers import JobStatus, TriggerKind
from bunbase.functions.module import MODULE
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.triggers.queue import MAX_DEPTH
from bunbase.pkg.modules import Rooms, Site
from tests.functions.calls import MEMBER, SERVER, bundle, call, deploy, log_of, until
from tests.functions.triggers.runs import SAY, dead_letters, enqueue, jobs_of, runs_of, said
from tests.rooms import member_caller, opened, secret_caller

ON: list[dict[str, Any]] = [{"collection": "posts", "ops": ["create", "update"]}]
COUNT = "ctx.data.patch('posts', 'a', { $inc: { n: 1 } })"


@pytest.fixture
def bundoc(rooms: Rooms) -> Bundoc:
    return rooms[Bundoc]


async def write(bundoc: Bundoc, id: str, collection: str = "posts", **fields: Any) -> None:
    await bundoc.put(SERVER, collection, id, msgspec.json.encode(fields), NO_PRECONDITION)


async def counted(bundoc: Bundoc) -> int:
    return int(msgspec.json.decode((await bundoc.get(SERVER, "posts", "a")).body)["n"])


async def circles(functions: FunctionsService) -> list[str]:
    return [line.text for line in await log_of(functions, "f") if line.level is LogLevel.WARN]


@pytest.mark.parametrize(
    "body",
    [
        f"async (req, ctx) => {{ await {COUNT} }}",
        f"(req, ctx) => {{ ctx.waitUntil(Bun.sleep(1).then(() => {COUNT})) }}",
        "(req, ctx) => ctx.data.commit([{ op: 'patch', collection: 'posts', id: 'a', data: { $inc: { n: 1 } } }])",
    ],
    ids=["awaited", "behind the answer", "commit"],
)
async def test_a_function_that_changes_its_own_document_runs_only_nine_times(
    functions: FunctionsService, bundoc: Bundoc, body: str
) -> None:
    await deploy(functions, "f", body, on=ON)

    await write(bundoc, "a", n=0)

    [dead] = await dead_letters(functions, 1)
    assert (dead.kind, dead.error, dead.attempt) == (TriggerKind.CHANGE, "chain_too_long", 0)
    assert (await functions.job(MEMBER, dead.id)).payload["rev"] == MAX_DEPTH + 2
    await until(lambda: not functions.runner.tasks)
    assert await counted(bundoc) == MAX_DEPTH + 1 == len(await runs_of(functions, "f", MAX_DEPTH + 1))
    [warning] = await circles(functions)
    assert "posts/a" in warning
    assert "docs/functions.md#circles" in warning


async def test_two_functions_that_trigger_each_other_form_one_chain(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", "(req, ctx) => ctx.data.put('others', 'b', {})", on=ON)
    await deploy(functions, "g", f"(req, ctx) => {COUNT}", on=[{"collection": "others"}])

    await write(bundoc, "a", n=0)

    [dead] = await dead_letters(functions, 1)
    assert (dead.function, dead.error) == ("g", "chain_too_long")
    await until(lambda: not functions.runner.tasks)
    assert await counted(bundoc) == MAX_DEPTH // 2


async def test_writes_with_the_rights_of_a_user_count_in_the_chain(functions: FunctionsService, bundoc: Bundoc) -> None:
    spec = CollectionSpec(rules=RulesOf(get="true", update="true"))
    await bundoc.put_collection(SERVER, "posts", spec)
    await deploy(functions, "f", f"(req, ctx) => {COUNT.replace('ctx.data', 'ctx.as(null).data')}", on=ON)

    await write(bundoc, "a", n=0)

    await dead_letters(functions, 1)
    assert await counted(bundoc) == MAX_DEPTH + 1


async def test_a_job_in_between_does_not_break_the_chain(functions: FunctionsService, bundoc: Bundoc) -> None:
    await deploy(functions, "f", "(req, ctx) => ctx.enqueue('g')", on=ON)
    await deploy(functions, "g", f"(req, ctx) => {COUNT}")

    await write(bundoc, "a", n=0)

    await until_warned(functions)
    assert await counted(bundoc) == MAX_DEPTH // 2


async def until_warned(functions: FunctionsService) -> None:
    async with asyncio.timeout(15):
        while not await circles(functions):
            await asyncio.sleep(0.02)


async def test_a_job_that_is_due_in_a_minute_begins_a_new_chain(functions: FunctionsService, bundoc: Bundoc) -> None:
    await deploy(functions, "f", "(req, ctx) => ctx.enqueue('g', null, { delay_seconds: 60 })", on=ON)
    await deploy(functions, "g", SAY)

    await bundoc.put(msgspec.structs.replace(SERVER, depth=MAX_DEPTH), "posts", "a", b"{}", NO_PRECONDITION)

    await runs_of(functions, "f", 1)
    assert await functions.stores.jobs.db.value("SELECT depth FROM jobs WHERE function = 'g'") == 0


async def test_a_request_begins_a_new_chain(functions: FunctionsService, bundoc: Bundoc) -> None:
    await deploy(functions, "f", "(req, ctx) => ctx.data.create('posts', {})")
    await call(functions, "f")
    await enqueue(functions, "f")
    await runs_of(functions, "f", 1)

    changes = await bundoc.changes(SERVER, 0, 10, 0)

    assert [one.depth for one in changes.items] == [0, 1]


async def test_the_length_of_a_chain_is_kept_while_no_server_runs(rooms: Rooms, here: Site, bundoc: Bundoc) -> None:
    async with opened(MODULE, rooms, here) as functions:
        await deploy(functions, "f", SAY, on=ON)

    for depth in (MAX_DEPTH + 1, MAX_DEPTH):
        await bundoc.put(msgspec.structs.replace(SERVER, depth=depth), "posts", f"d{depth}", b"{}", NO_PRECONDITION)

    async with opened(MODULE, rooms, here) as functions:
        [line] = await said(functions, "f", 1)
        [dead] = await dead_letters(functions, 1)
        assert line["body"]["id"] == f"d{MAX_DEPTH}"
        assert (await functions.job(MEMBER, dead.id)).payload["id"] == f"d{MAX_DEPTH + 1}"


async def test_a_replayed_change_begins_a_new_chain(functions: FunctionsService, bundoc: Bundoc) -> None:
    await deploy(functions, "f", "async (req, ctx) => { console.log((await ctx.enqueue('g')).attempt) }", on=ON)
    await deploy(functions, "g", SAY)
    await bundoc.put(msgspec.structs.replace(SERVER, depth=MAX_DEPTH + 1), "posts", "a", b"{}", NO_PRECONDITION)
    [dead] = await dead_letters(functions, 1)

    await functions.replay_job(MEMBER, dead.id)

    assert await said(functions, "f", 1) == [0]
    await runs_of(functions, "g", 1)


async def test_a_change_that_exceeds_the_chain_limit_does_not_delay_others(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", SAY, on=ON)

    await bundoc.put(msgspec.structs.replace(SERVER, depth=MAX_DEPTH + 1), "posts", "a", b"{}", NO_PRECONDITION)
    await write(bundoc, "a", n=1)

    [line] = await said(functions, "f", 1)
    assert line["body"]["rev"] == 2


async def test_changes_beyond_the_queue_limit_wait_and_all_run(rooms: Rooms, here: Site, bundoc: Bundoc) -> None:
    settings = FunctionsSettings(max_jobs_per_project=10, max_triggered_runs_per_project=16)
    async with opened(MODULE, rooms, here, settings=settings) as functions:
        writes = "Array.from({ length: 110 }, (_, n) => ({ op: 'create', collection: 'others', data: { n } }))"
        await deploy(functions, "f", f"(req, ctx) => ctx.data.commit({writes})", on=ON)
        await deploy(functions, "g", "() => {}", on=[{"collection": "others"}])

        await write(bundoc, "a", n=0)

        assert len(await runs_of(functions, "g", 110)) == 110
        [told] = [line.text for line in await log_of(functions, "g")]
        assert "10 jobs of the project are waiting" in told


async def test_an_endless_chain_leaves_only_a_limited_number_of_dead_letters(
    rooms: Rooms, here: Site, bundoc: Bundoc
) -> None:
    deep = msgspec.structs.replace(SERVER, depth=MAX_DEPTH + 1)
    writes = [{"op": "create", "collection": "posts", "data": {}} for _ in range(300)]
    async with opened(MODULE, rooms, here, settings=FunctionsSettings(max_jobs_per_project=7)) as functions:
        await deploy(functions, "f", SAY, on=ON)

        await bundoc.commit(deep, msgspec.json.encode({"writes": writes}))
        await write(bundoc, "last", n=0)

        assert [line["body"]["id"] for line in await said(functions, "f", 1)] == ["last"]
        assert len(await jobs_of(functions, JobStatus.DEAD)) == 7


async def test_projects_with_equal_names_of_functions_have_separate_chains(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    other = member_caller("prj_two")
    for caller in (MEMBER, other):
        await functions.deploy(caller, "f", bundle(f"(req, ctx) => {COUNT}", on=ON))
    await bundoc.put(secret_caller("prj_two"), "posts", "a", b'{"n":100}', NO_PRECONDITION)

    await write(bundoc, "a", n=0)

    await dead_letters(functions, 1)
    async with asyncio.timeout(15):
        while len((await functions.jobs(other, JobStatus.DEAD, None, 20, None)).items) < 1:
            await asyncio.sleep(0.02)
    assert await counted(bundoc) == MAX_DEPTH + 1
    assert b"109" in (await bundoc.get(secret_caller("prj_two"), "posts", "a")).body
