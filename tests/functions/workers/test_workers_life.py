"""Prewarmed workers, replacement of old workers, and closing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.contracts.functions.problems import FunctionCrashed, FunctionsUnavailable
from bunbase.functions.module import MODULE
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers.prewarmed import USUAL_MB
from bunbase.pkg.modules import Rooms, Site
from tests.functions.calls import MEMBER, call, deploy, invoke, log_of, request, until
from tests.rooms import opened

PID = "() => process.pid"
SLOW = "async (req) => { await Bun.sleep(300); return process.pid }"


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(prewarmed=1)


async def ready(functions: FunctionsService) -> int:
    """Wait until a worker is prewarmed and return its pid."""
    await until(lambda: len(functions.starter.prewarmed.waiting) == 1)
    return functions.starter.prewarmed.waiting[0].pid


async def waiting_of(functions: FunctionsService, memory_mb: int) -> int:
    """Wait until exactly one worker of this memory size is prewarmed and return its pid."""
    shelf = functions.starter.prewarmed

    def pids() -> list[int]:
        return [worker.pid for worker in shelf.waiting if shelf.memory_mb[worker] == memory_mb]

    await until(lambda: len(pids()) == 1)
    return pids()[0]


async def test_a_first_call_gets_the_prewarmed_worker_and_another_takes_its_place(functions: FunctionsService) -> None:
    await deploy(functions, "f", PID)
    waiting = await ready(functions)

    answer = await call(functions, "f")

    assert (answer.json, answer.head.cold) == (waiting, True)
    assert await ready(functions) != waiting


async def test_a_function_with_an_unusual_memory_size_gets_a_fresh_worker(functions: FunctionsService) -> None:
    await deploy(functions, "f", PID, memory_mb=512)
    waiting = await ready(functions)

    answer = await call(functions, "f")

    assert answer.json != waiting
    assert await ready(functions) == waiting


@pytest.mark.parametrize("memory_mb", [64, 1024])
async def test_a_memory_size_in_use_gets_a_prewarmed_worker_too(rooms: Rooms, here: Site, memory_mb: int) -> None:
    async with opened(MODULE, rooms, here) as functions:
        await deploy(functions, "f", PID, memory_mb=memory_mb)
        other = await waiting_of(functions, memory_mb)
        usual = await waiting_of(functions, USUAL_MB)

        assert len(functions.starter.prewarmed.waiting) == 2
        assert (await call(functions, "f")).json == other
        assert await waiting_of(functions, memory_mb) != other
        assert await waiting_of(functions, USUAL_MB) == usual
    async with opened(MODULE, rooms, here) as functions:
        assert await waiting_of(functions, memory_mb)


async def test_a_dead_prewarmed_worker_is_replaced(functions: FunctionsService) -> None:
    pid = await ready(functions)

    functions.starter.prewarmed.waiting[0].kill("a test ends it")

    assert await ready(functions) != pid


async def test_a_prewarmed_worker_that_dies_when_it_is_needed_fails_no_call(functions: FunctionsService) -> None:
    await deploy(functions, "f", PID)
    pid = await ready(functions)
    [worker] = functions.starter.prewarmed.waiting

    worker.kill("a test ends it")
    functions.starter.prewarmed.waiting.insert(0, worker)  # The worker has died, but the pool does not know yet.
    functions.starter.prewarmed.memory_mb[worker] = USUAL_MB
    answer = await call(functions, "f")

    assert answer.json != pid


async def test_without_bun_no_worker_is_prewarmed_and_calls_say_why(functions: FunctionsService) -> None:
    await deploy(functions, "f", PID)
    await ready(functions)

    def no_bun() -> Path:
        raise FunctionsUnavailable("Bun is not installed here: run `npm install bun`.")

    functions.starter.find_bun = no_bun

    with pytest.raises(FunctionsUnavailable, match="npm install bun"):
        await call(functions, "f")


@pytest.mark.parametrize(("mode", "expected"), [("dev", 2), ("production", 8)])
async def test_production_prewarms_more_workers_than_development(
    rooms: Rooms, here: Site, mode: str, expected: int
) -> None:
    async with opened(MODULE, rooms, replace(here, mode=mode)) as functions:
        assert functions.starter.prewarmed.size == expected


@pytest.mark.parametrize("limit", [{"max_worker_calls": 3}, {"max_worker_seconds": 0.05}])
async def test_a_worker_at_its_limit_of_calls_or_age_is_replaced_without_failing_a_call(
    functions: FunctionsService, limit: dict[str, float]
) -> None:
    functions.pool.settings = msgspec.structs.replace(functions.pool.settings, **limit)
    await deploy(functions, "f", PID)
    pids: set[int] = set()

    async def call_until_replaced() -> None:
        while len(pids) < 3:
            pids.add((await call(functions, "f")).json)
            await asyncio.sleep(0)

    async with asyncio.timeout(15):
        await asyncio.gather(*(call_until_replaced() for _ in range(4)))


async def test_an_idle_worker_close_to_its_memory_limit_is_replaced(functions: FunctionsService) -> None:
    hoard = "(globalThis.kept ??= new Uint8Array(110 << 20).fill(1), () => process.pid)"
    await deploy(functions, "f", hoard, memory_mb=128)

    await call(functions, "f")

    await until(lambda: not functions.starter.alive)
    assert (await call(functions, "f")).head.cold


async def test_closing_waits_for_running_calls_and_answers_them(
    rooms: Rooms, here: Site, settings: FunctionsSettings
) -> None:
    async with opened(MODULE, rooms, here, settings=settings) as functions:
        await deploy(functions, "f", SLOW)
        await call(functions, "f")
        under_way = asyncio.create_task(call(functions, "f"))
        await until(lambda: any(worker.calls for worker in functions.starter.alive))

    assert (await under_way).head.status == 200


async def test_closing_waits_for_work_after_an_answer(rooms: Rooms, here: Site, settings: FunctionsSettings) -> None:
    later = "(req, ctx) => ctx.waitUntil(Bun.sleep(200).then(() => console.log('done')))"
    async with opened(MODULE, rooms, here, settings=settings) as functions:
        await deploy(functions, "f", later)
        await call(functions, "f")

    async with opened(MODULE, rooms, here, settings=settings) as functions:
        lines = await log_of(functions, "f")

    assert [line.text for line in lines] == ["done"]


async def test_closing_waits_at_most_the_drain_time(rooms: Rooms, here: Site) -> None:
    settings = FunctionsSettings(drain_seconds=0.1, prewarmed=0)
    async with opened(MODULE, rooms, here, settings=settings) as functions:
        await deploy(functions, "f", "() => new Promise(() => {})", timeout_ms=60_000)
        endless = asyncio.create_task(anext(invoke(functions, "f", request())))
        await until(lambda: any(worker.calls for worker in functions.starter.alive))

    assert endless.done() or (await asyncio.wait([endless], timeout=5))[0]
    assert endless.exception() is not None


async def test_a_version_that_is_restored_while_it_drains_keeps_its_new_workers(functions: FunctionsService) -> None:
    until_told = (
        "async (req, ctx) => { if (req.url.endsWith('/slow')) await new Promise((r) => ctx.signal.onabort = r) }"
    )
    await deploy(functions, "f", until_told)
    slow = asyncio.create_task(call(functions, "f", request("/slow")))
    await until(lambda: any(worker.calls for worker in functions.starter.alive))
    await deploy(functions, "f", PID)

    await functions.rollback(MEMBER, "f", 1)
    colds = [(await call(functions, "f")).head.cold for _ in range(3)]

    assert colds == [True, False, False]
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


async def test_a_worker_that_is_killed_while_it_loads_fails_neither_a_deployment_nor_a_call(
    functions: FunctionsService,
) -> None:
    slow_to_load = "(() => { const end = Date.now() + 300; while (Date.now() < end); return () => 1 })()"

    async def killed_while_loading(work: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.create_task(work)
        await until(lambda: any(not worker.loaded_at for worker in functions.starter.alive))
        for worker in functions.starter.alive:
            os.kill(worker.pid, signal.SIGKILL)
        return await task

    await killed_while_loading(deploy(functions, "f", slow_to_load))
    assert (await killed_while_loading(call(functions, "f"))).json == 1


async def test_a_worker_that_is_killed_before_its_runtime_is_ready_fails_no_call(functions: FunctionsService) -> None:
    await deploy(functions, "f", PID, memory_mb=128)  # No prewarmed worker fits.
    task = asyncio.create_task(call(functions, "f"))
    await until(lambda: bool(functions.starter.alive))
    [worker] = functions.starter.alive

    os.kill(worker.pid, signal.SIGKILL)

    assert (await task).json != worker.pid


async def test_a_call_whose_workers_all_die_while_loading_fails_with_that_reason(functions: FunctionsService) -> None:
    await deploy(functions, "f", "(() => { if (process.env.DIE) process.exit(1); return () => 1 })()")
    await functions.set_variable(MEMBER, "DIE", "1")

    with pytest.raises(FunctionCrashed, match="could not be loaded"):
        await call(functions, "f")


async def test_a_zygote_that_is_killed_while_it_starts_workers_fails_no_call(functions: FunctionsService) -> None:
    names = ("f", "g", "h")
    for name in names:
        await deploy(functions, name, PID, memory_mb=128)  # No prewarmed worker fits.
    zygote = functions.starter.zygote
    assert zygote.process is not None
    os.kill(zygote.process.pid, signal.SIGSTOP)
    calls = [asyncio.create_task(call(functions, name)) for name in names]
    await until(lambda: len(zygote.waiting) == len(names))

    zygote.process.kill()

    assert [answer.head.status for answer in await asyncio.gather(*calls)] == [200] * len(names)
