"""Payloads and lists at their limits, and projects with equal names."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.contracts.functions.triggers import JobNotFound, JobStatus, NewJob
from bunbase.functions.service import FunctionsService
from bunbase.functions.triggers.queue import MAX_PAYLOAD_BYTES
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.errors import TooLarge
from tests.functions.calls import MEMBER, SERVER, bundle, call, deploy
from tests.functions.triggers.runs import enqueue, jobs_of, runs_of, said
from tests.rooms import member_caller, secret_caller

OTHER, OTHER_SERVER = member_caller("prj_two"), secret_caller("prj_two")
FAILING = "() => { throw new Error('no') }"
LARGEST = MAX_PAYLOAD_BYTES - len('""')


async def test_the_largest_payload_arrives_whole(functions: FunctionsService) -> None:
    await deploy(functions, "f", "async (req, ctx) => console.log((await req.json()).length)")
    await deploy(functions, "from", f"async (req, ctx) => (await ctx.enqueue('f', 'ü'.repeat({LARGEST // 2}))).state")

    await enqueue(functions, "f", "x" * LARGEST)
    answer = await call(functions, "from")
    with pytest.raises(TooLarge):
        await enqueue(functions, "f", "x" * (LARGEST + 1))

    assert answer.json == "waiting"
    assert sorted(await said(functions, "f", 2)) == [LARGEST // 2, LARGEST]


async def test_any_json_payload_arrives_as_it_was_sent(functions: FunctionsService) -> None:
    payloads: tuple[Any, ...] = (None, 0, "", [], {}, "\0", "\u2028", 2**53 + 1, -1.5e300, {"": {"__proto__": 1}})
    await deploy(functions, "f", "async (req) => console.log(await req.text())")

    for payload in payloads:
        await enqueue(functions, "f", payload)

    arrived = await said(functions, "f", len(payloads))
    assert sorted(map(msgspec.json.encode, arrived)) == sorted(map(msgspec.json.encode, payloads))


async def test_pages_skip_and_repeat_no_job_while_jobs_end(functions: FunctionsService) -> None:
    await deploy(functions, "f", "() => {}")
    made = [(await enqueue(functions, "f", delay_seconds=60)).id for _ in range(6)]

    first = await functions.jobs(MEMBER, None, None, 2, None)
    await functions.delete_job(MEMBER, made[3])
    await functions.delete_job(MEMBER, made[4])
    rest = await functions.jobs(MEMBER, None, None, 5, first.next)

    assert [job.id for job in (*first.items, *rest.items)] == [made[5], made[4], *made[2::-1]]
    for caller, state in ((OTHER, None), (MEMBER, JobStatus.WAITING)):
        with pytest.raises(InvalidCursor):
            await functions.jobs(caller, state, None, 2, first.next)


async def test_projects_with_equal_names_of_functions_and_keys_share_no_jobs(functions: FunctionsService) -> None:
    for member in (MEMBER, OTHER):
        await functions.deploy(member, "f", bundle("async (req) => console.log(await req.text())"))
    ours = await enqueue(functions, "f", 1, key="once", delay_seconds=60)
    theirs = await functions.enqueue(OTHER_SERVER, NewJob("f", 2, delay_seconds=60, key="once"))

    for read in (functions.job, functions.delete_job, functions.replay_job):
        with pytest.raises(JobNotFound):
            await read(OTHER, ours.id)
    await functions.delete_function(OTHER, "f")
    await functions.enqueue(SERVER, NewJob("f", 3))

    assert theirs.id != ours.id
    assert await said(functions, "f", 1) == [3]
    assert [job.id for job in await jobs_of(functions)][:1] == [ours.id]
    assert len(await runs_of(functions, "f", 1)) == 1
    assert msgspec.json.encode((await functions.jobs(OTHER, None, None, 20, None)).items) == b"[]"
