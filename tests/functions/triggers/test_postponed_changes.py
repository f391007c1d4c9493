"""Jobs that cannot begin are put off. Putting a job off uses up no attempt, but the total time is limited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.functions.problems import FunctionOverloaded
from bunbase.contracts.functions.triggers import Job, JobStatus, RunOutcome
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Rooms, Site
from tests.functions.calls import DEADLINE_SECONDS, SERVER, call, deploy, until
from tests.functions.neighbours import Absent
from tests.functions.triggers.runs import dead_letters, enqueue, jobs_of, outcomes, runs_of
from tests.rooms import site

BUSY_UNLESS_TRIGGERED = """(req, ctx) => req.headers.has("x-bunbase-trigger")
    ? new Response("", { status: 500 })
    : new Promise((done) => ctx.signal.addEventListener("abort", done))"""
A_MINUTE = 60.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 5, 4, 12, tzinfo=UTC))


@pytest.fixture
def here(tmp_path: Path, database_url: str, clock: ManualClock) -> Site:
    return site(tmp_path, database_url, clock)


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(
        max_put_off_seconds=A_MINUTE, wait_seconds=0.05, max_workers_per_function=1, retry_seconds=600.0
    )


async def until_taken(functions: FunctionsService) -> None:
    """Call `f`, which never answers. Repeat the call while no worker takes it in time."""
    while True:
        with suppress(FunctionOverloaded):
            await call(functions, "f")


@asynccontextmanager
async def overloaded(functions: FunctionsService) -> AsyncIterator[None]:
    """Keep the only worker of `f` busy."""
    busy = asyncio.create_task(until_taken(functions))
    await until(lambda: any(worker.calls for worker in functions.starter.alive))
    try:
        yield
    finally:
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)


async def put_off(functions: FunctionsService, code: str) -> Job:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        for job in await jobs_of(functions, JobStatus.WAITING):
            if job.error == code:
                return job
        assert time.monotonic() < deadline, "it was not put off in time"
        await asyncio.sleep(0.02)


async def test_a_job_of_a_function_that_stays_overloaded_becomes_a_dead_letter(
    functions: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "f", BUSY_UNLESS_TRIGGERED, concurrency=1)
    async with overloaded(functions):
        job = await enqueue(functions, "f")
        first = await put_off(functions, "function_overloaded")

        clock.advance(A_MINUTE + 1)

        [dead] = await dead_letters(functions, 1)
        [run] = await runs_of(functions, "f", 1)
    assert (first.id, first.attempt) == (job.id, 0)
    assert (dead.id, dead.error) == (job.id, "function_overloaded")
    assert (run.outcome, run.code, run.version, run.invocation) == (RunOutcome.ERROR, "function_overloaded", 0, "")


async def test_a_job_that_is_put_off_uses_up_no_attempt(functions: FunctionsService, clock: ManualClock) -> None:
    await deploy(functions, "f", BUSY_UNLESS_TRIGGERED, concurrency=1)
    async with overloaded(functions):
        await enqueue(functions, "f")
        await put_off(functions, "function_overloaded")
        for _ in range(5):
            clock.advance(A_MINUTE / 10)
            await functions.runner.begin_due()
            await until(lambda: not functions.runner.tasks)

    clock.advance(6)

    [run] = await runs_of(functions, "f", 1)
    assert (run.attempt, run.code) == (1, "http_500")
    await until(lambda: not functions.runner.tasks)
    # The job has begun, so the limit on postponing applies again from the start.
    assert await functions.stores.jobs.db.value("SELECT put_off_since FROM jobs") is None


async def test_changes_after_a_dead_letter_do_not_wait_for_the_full_time_again(
    functions: FunctionsService, rooms: Rooms, clock: ManualClock
) -> None:
    await deploy(functions, "f", BUSY_UNLESS_TRIGGERED, concurrency=1, on=[{"collection": "posts"}])
    async with overloaded(functions):
        for n in range(3):
            await rooms[Bundoc].put(SERVER, "posts", "a", msgspec.json.encode({"n": n}), NO_PRECONDITION)
        await put_off(functions, "function_overloaded")

        clock.advance(A_MINUTE + 1)

        dead = await dead_letters(functions, 3)
    assert [job.error for job in dead] == ["function_overloaded"] * 3


async def test_a_change_whose_document_stays_unreachable_becomes_a_dead_letter(
    functions: FunctionsService, rooms: Rooms, clock: ManualClock
) -> None:
    await deploy(functions, "f", "() => 1", on=[{"collection": "posts"}])
    functions.runner.attempts.bundoc = Absent()
    await rooms[Bundoc].put(SERVER, "posts", "a", b"{}", NO_PRECONDITION)
    await put_off(functions, "unreachable")

    clock.advance(A_MINUTE + 1)

    [dead] = await dead_letters(functions, 1)
    assert dead.error == "unreachable"


async def test_a_scheduled_run_that_cannot_begin_is_dropped_before_the_next_run(
    functions: FunctionsService, clock: ManualClock
) -> None:
    await deploy(functions, "f", BUSY_UNLESS_TRIGGERED, concurrency=1, schedule="0 * * * *")
    await functions.scheduler.tick()
    async with overloaded(functions):
        clock.advance(3600)
        await functions.scheduler.tick()
        await put_off(functions, "function_overloaded")

        clock.advance(A_MINUTE + 1)

        assert outcomes(await runs_of(functions, "f", 1)) == [RunOutcome.ERROR]
        await until(lambda: not functions.runner.tasks)
    assert await jobs_of(functions) == []
