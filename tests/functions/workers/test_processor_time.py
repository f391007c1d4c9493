"""Processor time: what a call may use, whom it is charged to, and what becomes of those who burn it behind our back."""

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
async def test_a_call_that_has_used_up_its_processor_time_ends(functions: FunctionsService, path: str) -> None:
    await deploy(functions, "f", BY_PATH, cpu_ms=300)

    with pytest.raises(FunctionCpuExceeded, match="300 ms"):
        await call(functions, "f", request(path))

    assert (await errors(functions))[0] == ALLOWED
    assert (await call(functions, "f", request("/next"))).json == "/next"


async def test_waiting_costs_no_processor_time(functions: FunctionsService) -> None:
    await deploy(functions, "f", BY_PATH, cpu_ms=100)

    assert (await call(functions, "f", request("/sleep"))).json == "/sleep"
    assert [(await call(functions, "f")).json for _ in range(20)] == ["/"] * 20  # each has its own 100 ms


async def test_what_goes_on_behind_an_answer_is_charged_too(functions: FunctionsService) -> None:
    await deploy(functions, "f", BY_PATH, cpu_ms=300)

    assert (await call(functions, "f", request("/behind"))).json == "/behind"
    [worker] = functions.starter.alive

    await until(lambda: bool(worker.dead))
    assert await errors(functions) == [ALLOWED]


async def test_an_answer_under_way_is_broken_off(functions: FunctionsService) -> None:
    body = f"""() => new Response(new ReadableStream({{
        start(c) {{ c.enqueue("x") }}, async pull() {{ {BURN} for (;;) {{ burn(20); await Bun.sleep(1) }} }} }}))"""
    await deploy(functions, "f", body, cpu_ms=300)
    parts = invoke(functions, "f")
    await anext(parts)

    with pytest.raises(FunctionCpuExceeded):
        async for _ in parts:
            pass


async def test_neighbours_share_what_is_burnt_and_the_one_that_burns_for_longest_goes_first(
    functions: FunctionsService,
) -> None:
    await deploy(functions, "f", BY_PATH, cpu_ms=600)
    burner = asyncio.create_task(call(functions, "f", request("/yielding")))
    await until(lambda: any(one.cpu_ms > 200 for worker in functions.starter.alive for one in worker.calls.values()))

    neighbour = await call(functions, "f", request("/sleep"))

    with pytest.raises(FunctionCpuExceeded):
        await burner
    assert neighbour.json == "/sleep"


async def test_a_burner_that_no_longer_reacts_is_killed_and_its_neighbours_with_it(functions: FunctionsService) -> None:
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


async def test_a_worker_that_burns_between_calls_is_replaced_and_what_it_burnt_is_counted(
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


async def test_processor_time_is_counted_for_the_function_and_for_the_bill(functions: FunctionsService) -> None:
    await deploy(functions, "f", BY_PATH)
    await call(functions, "f")
    before = (await functions.stats(MEMBER, "f", 1)).cpu_ms

    await call(functions, "f", request("/some"))

    stats, usage = await functions.stats(MEMBER, "f", 1), await functions.usage(MEMBER, 1)
    assert before + 20 < stats.cpu_ms  # whatever the processor: 300 million rounds are more than that
    assert usage.cpu_ms == pytest.approx(stats.cpu_ms)
    assert usage.cpu_ms == pytest.approx(sum(hour.cpu_ms for hour in usage.hours))


async def test_a_top_level_that_burns_is_not_charged_to_the_first_call(functions: FunctionsService) -> None:
    await deploy(functions, "f", f"(() => {{ {BURN} burn(600); return () => 1 }})()", cpu_ms=100)

    assert (await call(functions, "f")).json == 1
