"""Fair shares of workers between projects, with real workers on a machine that allows only four."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bunbase.contracts.functions.problems import FunctionOverloaded
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from tests.functions.calls import Answer, bundle, call, request, until
from tests.rooms import member_caller, secret_caller

BUSY, CALM = "prj_busy", "prj_calm"
FOR_A_WHILE = "async () => { await Bun.sleep(60); return process.pid }"
PID = "() => process.pid"


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(
        max_workers=4, max_workers_per_project=4, max_workers_per_function=4, prewarmed=0, max_waiting_per_project=32
    )


async def deploy(functions: FunctionsService, project: str, name: str, body: str, concurrency: int = 1) -> None:
    await functions.deploy(member_caller(project), name, bundle(body, concurrency=concurrency))


async def ask(functions: FunctionsService, project: str, name: str, body: bytes = b"") -> Answer:
    method = "POST" if body else "GET"
    return await call(functions, name, request(method=method, body=body), secret_caller(project))


def workers_of(functions: FunctionsService) -> Counter[str]:
    return Counter(worker.deployment.project for worker in functions.starter.alive if not worker.retiring)


async def keep_busy(functions: FunctionsService, project: str, name: str, callers: int) -> list[asyncio.Task[None]]:
    """Start callers that call the function repeatedly until they are cancelled."""

    async def again() -> None:
        while True:
            await ask(functions, project, name)

    return [asyncio.create_task(again()) for _ in range(callers)]


async def end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(ended, asyncio.CancelledError), ended


async def test_a_busy_project_gives_a_worker_to_a_project_that_has_none(functions: FunctionsService) -> None:
    await deploy(functions, BUSY, "f", FOR_A_WHILE)
    await deploy(functions, CALM, "g", PID)
    load = await keep_busy(functions, BUSY, "f", 12)
    await until(lambda: workers_of(functions)[BUSY] == 4)

    answer = await ask(functions, CALM, "g")

    assert answer.head.status == 200
    await end(load)


async def test_two_busy_projects_get_equal_numbers_of_workers(functions: FunctionsService) -> None:
    await deploy(functions, BUSY, "f", FOR_A_WHILE)
    await deploy(functions, CALM, "g", FOR_A_WHILE)
    load = await keep_busy(functions, BUSY, "f", 12)
    await until(lambda: workers_of(functions)[BUSY] == 4)

    load += await keep_busy(functions, CALM, "g", 12)

    await until(lambda: workers_of(functions) == {BUSY: 2, CALM: 2})
    await end(load)


async def test_a_busy_function_gives_a_worker_to_another_function_of_its_project(functions: FunctionsService) -> None:
    await deploy(functions, BUSY, "f", FOR_A_WHILE)
    await deploy(functions, BUSY, "g", PID)
    load = await keep_busy(functions, BUSY, "f", 12)
    await until(lambda: workers_of(functions)[BUSY] == 4)

    assert (await ask(functions, BUSY, "g")).head.status == 200
    await end(load)


async def test_every_busy_project_is_served_even_with_fewer_workers_than_projects(functions: FunctionsService) -> None:
    projects = [f"prj_{number}" for number in range(5)]
    for project in projects:
        await deploy(functions, project, "f", FOR_A_WHILE)

    load = [task for project in projects for task in await keep_busy(functions, project, "f", 2)]
    answers = await asyncio.gather(*(ask(functions, project, "f") for project in projects))

    assert [answer.head.status for answer in answers] == [200] * 5
    assert sum(workers_of(functions).values()) <= 4
    await end(load)


async def test_the_workers_of_a_project_are_limited(functions: FunctionsService) -> None:
    functions.pool.settings = FunctionsSettings(max_workers=4, max_workers_per_project=2)
    await deploy(functions, BUSY, "f", FOR_A_WHILE)

    load = await keep_busy(functions, BUSY, "f", 8)
    await until(lambda: workers_of(functions)[BUSY] == 2)
    answers = await asyncio.gather(*(ask(functions, BUSY, "f") for _ in range(8)))

    assert len({answer.json for answer in answers}) == 2
    assert workers_of(functions)[BUSY] == 2
    await end(load)


async def test_a_project_at_its_limit_replaces_one_of_its_own_workers(functions: FunctionsService) -> None:
    functions.pool.settings = FunctionsSettings(max_workers=4, max_workers_per_project=1)
    await deploy(functions, CALM, "g", PID)
    await deploy(functions, BUSY, "f", PID)
    await deploy(functions, BUSY, "other", PID)
    neighbour = (await ask(functions, CALM, "g")).json
    await ask(functions, BUSY, "f")

    await ask(functions, BUSY, "other")

    assert workers_of(functions) == {CALM: 1, BUSY: 1}
    assert (await ask(functions, CALM, "g")).json == neighbour


async def test_the_queued_calls_of_a_project_are_limited(functions: FunctionsService) -> None:
    for name in ("f", "g"):
        await deploy(functions, BUSY, name, FOR_A_WHILE)
    await deploy(functions, CALM, "h", PID)

    asked = [asyncio.create_task(ask(functions, BUSY, name)) for name in ("f", "g") for _ in range(40)]
    await until(lambda: any(one.done() for one in asked))
    assert functions.pool.waiting.by_project[BUSY] <= 32
    calm = await ask(functions, CALM, "h")
    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert {type(one) for one in answers} == {Answer, FunctionOverloaded}
    assert calm.head.status == 200
    assert (functions.pool.waiting.calls, functions.pool.waiting.bytes) == (0, 0)
    assert functions.pool.waiting.by_project == {}


async def test_the_total_size_of_queued_bodies_is_limited(functions: FunctionsService) -> None:
    functions.pool.waiting.settings = FunctionsSettings(max_waiting_bytes=1 << 20)
    await deploy(functions, BUSY, "f", FOR_A_WHILE)

    large = [asyncio.create_task(ask(functions, BUSY, "f", b"x" * (700 << 10))) for _ in range(2)]
    answers = await asyncio.gather(*large, return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["Answer", "FunctionOverloaded"]
    assert functions.pool.waiting.bytes == 0
