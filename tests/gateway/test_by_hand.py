from __future__ import annotations

import asyncio

import pytest

from bunbase.gateway.by_hand import Suspended, begin


async def _ready(value: int) -> int:
    return value


async def test_a_coroutine_that_never_waits_returns_its_result_at_once() -> None:
    assert begin(_ready(3)) == 3


async def test_a_coroutine_that_waits_continues_in_a_task() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def twice() -> int:
        first = await future
        await asyncio.sleep(0)
        async with asyncio.timeout(10):  # asyncio.timeout needs a current task.
            return first + await _ready(1)

    with pytest.raises(Suspended) as suspended:
        begin(twice())
    asyncio.get_running_loop().call_soon(future.set_result, 4)

    assert await asyncio.create_task(suspended.value.rest) == 5


async def test_an_error_reaches_the_caller_before_and_after_the_first_wait() -> None:
    async def fails(first: bool) -> None:
        if not first:
            await asyncio.sleep(0)
        raise KeyError("here")

    with pytest.raises(KeyError):
        begin(fails(first=True))
    with pytest.raises(Suspended) as suspended:
        begin(fails(first=False))
    with pytest.raises(KeyError):
        await asyncio.create_task(suspended.value.rest)


async def test_cancelling_the_task_runs_the_finally_of_the_coroutine() -> None:
    cleaned = []

    async def stuck() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cleaned.append(True)

    with pytest.raises(Suspended) as suspended:
        begin(stuck())
    task = asyncio.create_task(suspended.value.rest)
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]
