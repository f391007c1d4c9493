"""Processor time: the limit of a call, the call that is charged, and workers that burn time outside of calls."""

from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.functions.problems import FunctionCpuExceeded, FunctionCrashed
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from tests.functions.calls import MEMBER, call, deploy, invoke, log_of, request, until

BURN = "const burn = (ms) => { const end = performance.now() + ms; while (performance.now() < end); };"
BY_PATH = f"""async (req, ctx) => {{
    {BURN}
    const path = new URL(req.url).pathname;
    if (path === "/loop") for (;;);
    if (path === "/yielding") while (!ctx.signal.aborted) {{ burn(20); await Bun.sleep(0); }}
    if (path === "/promises") for (;;) await 1;
    if (path === "/behind") ctx.waitUntil((async () => {{ for (;;) {{ burn(20); await Bun.sleep(1); }} }})());
    if (path === "/threads") for (;;) await crypto.subtle.digest("SHA-512", new Uint8Array(32 << 20));
    if (path === "/sleep") await Bun.sleep(1500);
    if (path === "/timer") setInterval(() => burn(50), 51);
    if (path === "/some") for (let n = 0; n < 3e8; n++) globalThis.sum = (globalThis.sum | 0) + n | 0;
    return path;
}}"""
ALLOWED = "The call exceeded its limit of 300 ms of processor time."


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(max_workers_per_function=1, prewarmed=1)


async def errors(functions: FunctionsService) -> list[str]:
    return [line.text for line in await log_of(functions, "f") if line.level == "error"]


@pytest.mark.parametrize("path", ["/loop", "/yielding", "/promises", "/threads"])
async def test_a_call_ends_when_its_processor_time_is_used_up(functions: FunctionsService, path: str) -> None:
    await deploy(functions, "f", BY_PATH, cpu_ms=300)

    with pytest.raises(FunctionCpuExceeded, match="300 ms"):
        await call(functions, "f", request(path))

    assert (await errors(functions))[0] == ALLOWED
    assert (await call(functions, "f", request("/next"))).json == "/next"


async def test_waiting_costs_no_processor_time(functions: FunctionsService) -> None:
    await deploy(functions, "f", BY_PATH, cpu_ms=100)

    assert (await call(functions, "f", request("/sleep"))).json == "/sleep"
    assert [(await call(functions, "f")).json for _ in range(20)] == ["/"] * 20  # Each call may use 100 ms.


async def test_work_after_the_answer_is_charged_to_the_call(functions: FunctionsService) -> None:
    await deploy(functions, "f", BY_PATH, cpu_ms=300)

    assert (await call(functions, "f", request("/behind"))).json == "/behind"
    [worker] = functions.starter.alive

    await until(lambda: bool(worker.dead))
    assert await errors(functions) == [ALLOWED]


async def test_an_answer_is_broken_off_when_its_processor_time_is_used_up(functions: FunctionsService) -> None:
    body = f"""() => new Response(new ReadableStream({{
        start(c) {{ c.enqueue("x") }}, async pull() {{ {BURN} for (;;) {{ burn(20); await Bun.sleep(1) }} }} }}))"""
    await deploy(functions, "f", body, cpu_ms=300)
    parts = invoke(functions, "f")
    await anext(parts)

    with pytest.raises(FunctionCpuExceeded):
        async for _ in parts:
            pass


async def test_of_two_calls_in_a_worker_only_the_one_that_burns_longer_is_ended(
    functions: FunctionsService,
) -> None:
    await deploy(functions, "f", BY_PATH, cpu_ms=600)
    burner = asyncio.create_task(call(functions, "f", request("/yielding")))
    await until(lambda: any(one.cpu_ms > 200 for worker in functions.starter.alive for one in worker.calls.values()))

    neighbour = await call(functions, "f", request("/sleep"))

    with pytest.raises(FunctionCpuExceeded):
        await burner
    assert neighbour.json == "/sleep"


async def test_a_call_that_does_not_react_to_its_abort_ends_its_whole_worker(functions: FunctionsService) -> None:
    await deploy(functions, "f", BY_PATH, cpu_ms=600)
    loop = asyncio.create_task(call(functions, "f", request("/loop")))
    await until(lambda: any(one.cpu_ms > 200 for worker in functions.starter.alive for one in worker.calls.values()))
    neighbour = asyncio.create_task(call(functions, "f", request("/sleep")))

    with pytest.raises(FunctionCpuExceeded):
        await loop
    with pytest.raises(FunctionCrashed):
        await neighbour

    assert sorted(await errors(functions)) == [
        "The call exceeded its limit of 600 ms of processor time.",
        "The worker died: it no longer reacts.",
    ]


async def test_a_worker_that_burns_between_calls_is_replaced_and_its_time_is_counted(
    functions: FunctionsService,
) -> None:
    await deploy(functions, "f", BY_PATH)
    await call(functions, "f", request("/timer"))
    [worker] = functions.starter.alive

    await until(lambda: bool(worker.dead))

    [line] = await log_of(functions, "f")
    assert (line.level, line.invocation) == ("warn", "")
    assert line.text.startswith("The worker used 1000 ms of processor time while no call was running")
    assert (await functions.stats(MEMBER, "f", 1)).cpu_ms > 1000
    assert (await call(functions, "f")).head.cold


async def test_processor_time_is_counted_in_the_statistics_and_in_the_usage(functions: FunctionsService) -> None:
    await deploy(functions, "f", BY_PATH)
    await call(functions, "f")
    before = (await functions.stats(MEMBER, "f", 1)).cpu_ms

    await call(functions, "f", request("/some"))

    stats, usage = await functions.stats(MEMBER, "f", 1), await functions.usage(MEMBER, 1)
    assert before + 20 < stats.cpu_ms  # 300 million rounds take more than 20 ms on any processor.
    assert usage.cpu_ms == pytest.approx(stats.cpu_ms)
    assert usage.cpu_ms == pytest.approx(sum(hour.cpu_ms for hour in usage.hours))


async def test_processor_time_spent_loading_is_not_charged_to_the_first_call(functions: FunctionsService) -> None:
    await deploy(functions, "f", f"(() => {{ {BURN} burn(600); return () => 1 }})()", cpu_ms=100)

    assert (await call(functions, "f")).json == 1
