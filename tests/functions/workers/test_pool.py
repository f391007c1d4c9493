from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from bunbase.contracts.functions.problems import FunctionError, FunctionOverloaded, FunctionsUnavailable
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from tests.functions.calls import MEMBER, call, deploy, log_of, request, until

SLOW = "async () => { await Bun.sleep(400); return process.pid }"
PID = "() => process.pid"
NEEDING_A_VARIABLE = "(() => { if (!process.env.NEEDED) throw new Error('NEEDED is not set'); return () => 1 })()"


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(max_workers=2, max_workers_per_function=2, idle_seconds=300.0)


async def test_more_workers_start_while_all_are_busy(functions: FunctionsService) -> None:
    await deploy(functions, "f", SLOW, concurrency=1)

    answers = await asyncio.gather(*(call(functions, "f") for _ in range(4)))

    assert len({answer.json for answer in answers}) == 2


async def test_the_longest_idle_worker_makes_room_for_another_function(functions: FunctionsService) -> None:
    for name in ("a", "b", "c"):
        await deploy(functions, name, PID)
    pids = {name: (await call(functions, name)).json for name in ("a", "b", "a", "c")}

    assert (await call(functions, "a")).json == pids["a"]
    assert (await call(functions, "c")).json == pids["c"]
    assert (await call(functions, "b")).json != pids["b"]


async def test_a_function_without_a_worker_gets_the_first_free_place(functions: FunctionsService) -> None:
    await deploy(functions, "busy", SLOW, concurrency=1)
    await deploy(functions, "other", PID)
    busy = [asyncio.create_task(call(functions, "busy")) for _ in range(2)]
    await until(lambda: sum(len(worker.calls) for worker in functions.starter.alive) == 2)

    answer = await call(functions, "other")

    assert answer.json not in {one.json for one in await asyncio.gather(*busy)}
    assert len(functions.starter.alive) <= 2


async def test_a_worker_that_is_idle_too_long_ends(functions: FunctionsService) -> None:
    await deploy(functions, "f", PID)
    await call(functions, "f")
    [worker] = functions.starter.alive

    worker.idle_since -= 301

    await until(lambda: not functions.starter.alive)
    assert functions.pool.groups == {}
    assert REGISTRY.get_sample_value("bunbase_fn_active_workers") == 0
    assert (await call(functions, "f")).head.cold


async def test_a_bundle_that_no_longer_loads_fails_its_calls(functions: FunctionsService) -> None:
    await functions.set_variable(MEMBER, "NEEDED", "yes")
    await deploy(functions, "f", NEEDING_A_VARIABLE)

    await functions.delete_variable(MEMBER, "NEEDED")

    with pytest.raises(FunctionError):
        await call(functions, "f")
    assert "NEEDED is not set" in (await log_of(functions, "f"))[-1].text


async def test_a_call_that_waits_too_long_is_refused_as_overloaded(functions: FunctionsService) -> None:
    await deploy(functions, "f", SLOW, concurrency=1)
    await call(functions, "f")
    functions.pool.settings = FunctionsSettings(max_workers=1, wait_seconds=0.05)
    first = asyncio.create_task(call(functions, "f"))
    await until(lambda: any(worker.calls for worker in functions.starter.alive))

    with pytest.raises(FunctionOverloaded):
        await call(functions, "f")

    await first


async def test_without_bun_calls_and_deployments_are_refused_with_advice(functions: FunctionsService) -> None:
    await deploy(functions, "f", PID)

    def no_bun() -> Path:
        raise FunctionsUnavailable("Bun is not installed here: run `npm install bun`.")

    functions.starter.find_bun = no_bun

    with pytest.raises(FunctionsUnavailable, match="npm install bun"):
        await call(functions, "f")
    with pytest.raises(FunctionsUnavailable, match="npm install bun"):
        await deploy(functions, "f", PID)
    assert (await functions.function(MEMBER, "f")).version == 1


async def test_the_outcomes_of_calls_are_counted(functions: FunctionsService) -> None:
    await deploy(functions, "f", "(req) => { if (req.url.endsWith('/no')) throw 1; return 1 }")

    def count(outcome: str) -> float:
        return REGISTRY.get_sample_value("bunbase_fn_invocations_total", {"outcome": outcome}) or 0.0

    ok, error = count("ok"), count("error")

    await call(functions, "f")
    with pytest.raises(FunctionError):
        await call(functions, "f", request("/no"))

    assert (count("ok"), count("error")) == (ok + 1, error + 1)
