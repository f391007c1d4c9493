"""Places for calls: what one project may hold, and that no other project waits for it."""

from __future__ import annotations

import asyncio

from bunbase.gateway.live.slots import Slots


async def hold(slots: Slots, project: str, begun: list[str], end: asyncio.Event) -> None:
    async with slots.of(project):
        begun.append(project)
        await end.wait()


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_project_never_waits_for_the_calls_of_other_projects() -> None:
    slots, never = Slots(4, 2), asyncio.Event()
    begun: list[str] = []
    calls = [asyncio.create_task(hold(slots, f"p{n % 3}", begun, never)) for n in range(30)]
    await turns()
    assert sorted(begun) == ["p0", "p0", "p1", "p2"]

    calls.append(asyncio.create_task(hold(slots, "small", begun, never)))
    await turns()

    assert begun[-1] == "small"
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert (slots.count, dict(slots.running), dict(slots.waiting)) == (0, {}, {})


async def test_projects_that_wait_take_turns() -> None:
    slots, end = Slots(2, 2), asyncio.Event()
    begun: list[str] = []
    calls = [asyncio.create_task(hold(slots, project, begun, end)) for project in "aaaaabb"]
    await turns()
    assert begun == ["a", "a", "b"]

    end.set()
    await asyncio.gather(*calls)

    assert begun.index("b", 3) < len(begun) - 2
    assert sorted(begun) == list("aaaaabb")
    assert slots.count == 0
