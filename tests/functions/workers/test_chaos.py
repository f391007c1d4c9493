"""Calls under load while workers and the zygote are killed and versions change."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from contextlib import suppress

import pytest

from bunbase.contracts.functions.problems import FunctionCrashed
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from tests.functions.calls import MEMBER, call, deploy, until

CALLERS = 8
DEPLOYMENTS = 12
KILLS = 10
VERSION = "async (req, ctx) => { await Bun.sleep(Math.random() * 4); return ctx.function.version }"


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(prewarmed=2)


class Load:
    """Calls one function repeatedly. `outcomes` counts calls by result; `seen` lists each caller's answers."""

    def __init__(self, functions: FunctionsService) -> None:
        self.functions = functions
        self.outcomes: Counter[str] = Counter()
        self.seen: list[list[int]] = [[] for _ in range(CALLERS)]
        self.stopping = False

    async def __aenter__(self) -> Load:
        self.tasks = [asyncio.create_task(self._call(seen)) for seen in self.seen]
        await until(lambda: all(self.seen))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stopping = True
        await asyncio.gather(*self.tasks)

    async def goes_on(self) -> None:
        """Wait until the number of newly answered calls is higher than the number of calls that were running."""
        enough = self.outcomes["ok"] + 2 * CALLERS
        await until(lambda: self.outcomes["ok"] > enough)

    async def _call(self, seen: list[int]) -> None:
        while not self.stopping:
            try:
                seen.append((await call(self.functions, "f")).json)
                self.outcomes["ok"] += 1
            except Exception as error:
                self.outcomes[type(error).__name__] += 1


async def test_during_deployments_no_call_fails_and_no_caller_gets_an_older_version_again(
    functions: FunctionsService,
) -> None:
    await deploy(functions, "f", VERSION)

    async with Load(functions) as load:
        for _ in range(DEPLOYMENTS):
            await deploy(functions, "f", VERSION)

    assert set(load.outcomes) == {"ok"}
    assert all(seen == sorted(seen) for seen in load.seen)
    assert (await call(functions, "f")).json == DEPLOYMENTS + 1
    await until(lambda: len(functions.pool.groups) == 1)


async def test_no_call_fails_during_rollbacks(functions: FunctionsService) -> None:
    await deploy(functions, "f", VERSION)
    await deploy(functions, "f", VERSION)

    async with Load(functions) as load:
        for number in range(DEPLOYMENTS):
            await functions.rollback(MEMBER, "f", 1 + number % 2)

    assert set(load.outcomes) == {"ok"}
    assert (await call(functions, "f")).json == 2
    assert not (await call(functions, "f")).head.cold


async def test_a_killed_worker_fails_only_the_calls_that_it_was_running(functions: FunctionsService) -> None:
    await deploy(functions, "f", VERSION)

    async with Load(functions) as load:
        for _ in range(KILLS):
            victim = random.choice([*functions.starter.alive, *functions.starter.prewarmed.waiting])
            with suppress(ProcessLookupError):
                os.kill(victim.pid, signal.SIGKILL)
            await load.goes_on()

    assert set(load.outcomes) <= {"ok", FunctionCrashed.__name__}
    assert load.outcomes[FunctionCrashed.__name__] <= KILLS * CALLERS
    assert (await call(functions, "f")).head.status == 200


async def test_a_killed_zygote_fails_only_the_calls_under_way(functions: FunctionsService) -> None:
    await deploy(functions, "f", VERSION)

    async with Load(functions) as load:
        for _ in range(3):
            zygote = functions.starter.zygote.process
            assert zygote is not None
            zygote.kill()
            await load.goes_on()

    assert set(load.outcomes) <= {"ok", FunctionCrashed.__name__}
    assert load.outcomes[FunctionCrashed.__name__] <= 3 * CALLERS
