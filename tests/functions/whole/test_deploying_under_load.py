from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.functions.problems import FunctionNotFound, InvalidBundle
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers.deployment import Deployment
from tests.functions.calls import MEMBER, PROJECT, call, deploy, returning

CALLERS = 8
DEPLOYS = 20
SLOW = "async () => { await Bun.sleep(5); return new Response('version %d') }"


@pytest.fixture
def settings() -> FunctionsSettings:
    """Keep few versions, so that versions are deleted while calls still run them."""
    return FunctionsSettings(kept_versions=2)


class Load:
    """Concurrent callers that run until `running` is false. `seen` lists the versions that answered, in order."""

    def __init__(self, functions: FunctionsService) -> None:
        self.functions = functions
        self.seen: list[int] = []
        self.running = True

    async def caller(self) -> None:
        while self.running:
            answer = await call(self.functions, "f")
            assert answer.body == b"version %d" % answer.head.version
            self.seen.append(answer.head.version)


async def test_twenty_deploys_under_load_fail_no_call(functions: FunctionsService) -> None:
    await deploy(functions, "f", SLOW % 1)
    load = Load(functions)
    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(load.caller())
        try:
            for number in range(2, DEPLOYS + 2):
                await deploy(functions, "f", SLOW % number)
                count = len(load.seen)
                async with asyncio.timeout(10):
                    while number not in load.seen[count:]:
                        await asyncio.sleep(0.005)
        finally:
            load.running = False

    assert set(load.seen) == set(range(1, DEPLOYS + 2))


async def test_deploys_without_a_pause_between_them_fail_no_call(functions: FunctionsService) -> None:
    await deploy(functions, "f", SLOW % 1)
    load = Load(functions)
    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(load.caller())
        try:
            for _ in range(DEPLOYS):
                newest = (await functions.function(MEMBER, "f")).version
                await deploy(functions, "f", SLOW % (newest + 1))
        finally:
            load.running = False

    assert (await call(functions, "f")).head.version == DEPLOYS + 1


async def test_rollbacks_and_broken_deploys_under_load_fail_no_call(functions: FunctionsService) -> None:
    await deploy(functions, "f", SLOW % 1)
    await deploy(functions, "f", SLOW % 2)
    load = Load(functions)
    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(load.caller())
        try:
            for number in (1, 2) * 5:
                await functions.rollback(MEMBER, "f", number)
                with pytest.raises(InvalidBundle):
                    await deploy(functions, "f", "not code")
        finally:
            load.running = False

    assert set(load.seen) <= {1, 2}


async def test_variables_that_change_under_load_fail_no_call(functions: FunctionsService) -> None:
    await deploy(functions, "f", SLOW % 1)
    load = Load(functions)
    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(load.caller())
        try:
            for number in range(10):
                await functions.set_variable(MEMBER, "TOKEN", str(number))
        finally:
            load.running = False


async def test_a_call_whose_version_is_deleted_before_it_has_a_worker_runs_the_next_version(
    functions: FunctionsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deploy(functions, "f", returning("one"))
    found, find = [await functions.rollout.active.find(PROJECT, "f")], functions.rollout.active.find
    for text in ("two", "three", "four"):
        await deploy(functions, "f", returning(text))

    async def outdated_once(project: str, name: str) -> Deployment:
        return found.pop() if found else await find(project, name)

    monkeypatch.setattr(functions.invocations.active, "find", outdated_once)

    assert (await call(functions, "f")).body == b"four"
    assert not found


async def test_a_call_of_a_function_that_is_deleted_before_it_has_a_worker_is_not_found(
    functions: FunctionsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deploy(functions, "f", returning("one"))
    found, find = [await functions.rollout.active.find(PROJECT, "f")], functions.rollout.active.find
    await functions.delete_function(MEMBER, "f")

    async def outdated_once(project: str, name: str) -> Deployment:
        return found.pop() if found else await find(project, name)

    monkeypatch.setattr(functions.invocations.active, "find", outdated_once)

    with pytest.raises(FunctionNotFound):
        await call(functions, "f")
