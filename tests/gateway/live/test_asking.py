"""Slow calls of one project, or of one of its users, keep nobody else out."""

from __future__ import annotations

import asyncio

from bunbase.contracts.caller import Caller, EndUser
from bunbase.gateway.live.asking import AT_ONCE, Asking
from tests.rooms import publishable_caller


def user(uid: str, project: str = "prj_a") -> Caller:
    return publishable_caller(project, EndUser(uid, None, "user", {}, "ses_1"))


async def test_slow_calls_of_some_users_keep_out_neither_other_users_nor_other_projects() -> None:
    asking, ends = Asking(), asyncio.Event()

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
