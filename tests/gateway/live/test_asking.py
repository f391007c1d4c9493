"""Slow calls of one project, or of one user, do not block the calls of others."""

from __future__ import annotations

import asyncio

from bunbase.contracts.caller import Caller, EndUser
from bunbase.gateway.live.asking import AT_ONCE, Asking
from tests.rooms import publishable_caller


def user(uid: str, project: str = "prj_a") -> Caller:
    return publishable_caller(project, EndUser(uid, None, "user", {}, "ses_1"))


async def test_slow_calls_of_some_users_keep_out_neither_other_users_nor_other_projects() -> None:
    asking, ends = Asking(1000), asyncio.Event()

    async def slow(caller: Caller) -> None:
        async with asking.turn(caller):
            await ends.wait()

    async def quick(caller: Caller) -> str:
        async with asking.turn(caller):
            return "done"

    greedy = [user("greedy"), user("greedy too"), user("greedy", "prj_b")]
    tasks = [asyncio.create_task(slow(caller)) for caller in greedy for _ in range(2 * AT_ONCE)]
    await asyncio.sleep(0)
    for caller in (user("bob"), user("bob", "prj_b"), user("bob", "prj_c")):
        assert await asyncio.wait_for(quick(caller), 5) == "done"

    ends.set()
    await asyncio.gather(*tasks)
    assert not asking.by_project


async def test_all_projects_together_have_a_bound_and_take_turns() -> None:
    most, asking, running, peak, ends = 8, Asking(8), 0, 0, asyncio.Event()
    began: list[str] = []

    async def slow(caller: Caller) -> None:
        nonlocal running, peak
        async with asking.turn(caller):
            began.append(caller.project)
            running += 1
            peak = max(peak, running)
            await ends.wait()
            running -= 1

    tasks = [asyncio.create_task(slow(user(f"u{n}", "prj_greedy"))) for n in range(40)]
    await asyncio.sleep(0)
    assert began == ["prj_greedy"] * (most // 2)  # A single project may use only half of the places.
    tasks += [asyncio.create_task(slow(user("u", f"prj_{n % 20}"))) for n in range(60)]
    await asyncio.sleep(0)
    assert "prj_0" in began
    assert running <= most

    ends.set()
    await asyncio.gather(*tasks)
    assert peak <= most
    first_of_others = [began.index(f"prj_{n}") for n in range(20)]
    assert max(first_of_others) < 60  # Nobody waits for all calls of another project.
    assert not asking.by_project
    assert asking.all.idle
