"""First queries may begin and end at the same time, and none of them is forgotten."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from bunbase.bundoc.engine import Engine
from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.beginnings import AT_ONCE, Beginnings, Begun, FirstFound
from bunbase.bundoc.live.group import Group
from bunbase.pkg.clock import SystemClock
from bunbase.pkg.errors import Internal
from tests.bundoc.live.following import SERVER

ASKED = cast(ParsedLive, None)
FAILED = Internal("This query fails.")


class HeldEngine:
    """An engine whose snapshots end when the test lets them end."""

    def __init__(self) -> None:
        self.running: list[asyncio.Future[Any]] = []

    async def moment(self, _project: str, _work: Any) -> Any:
        self.running.append(asyncio.get_running_loop().create_future())
        return await self.running[-1]

    def end_all(self) -> None:
        ending, self.running = self.running, []
        for one in ending:
            one.set_result([FirstFound("view", FAILED, "e", 1)])


def beginnings_of(engine: HeldEngine) -> Beginnings:
    def make(*_: Any) -> Group:
        raise AssertionError("no query of this test succeeds")

    return Beginnings("prj_a", cast(Engine, engine), SystemClock(), True, lambda: 0, make)


async def test_a_query_that_begins_in_the_moment_in_which_all_others_end_runs_too() -> None:
    engine = HeldEngine()
    beginnings = beginnings_of(engine)
    late: list[asyncio.Future[Begun]] = []
    first = beginnings.begin("view 0", ASKED, SERVER)
    first.add_done_callback(lambda _: late.append(beginnings.begin("late", ASKED, SERVER)))
    for number in range(1, AT_ONCE + 1):
        await asyncio.sleep(0)
        if number < AT_ONCE:
            beginnings.begin(f"view {number}", ASKED, SERVER)
    assert len(engine.running) == AT_ONCE

    engine.end_all()
    await first
    await asyncio.sleep(0)

    assert len(engine.running) == 1, "nobody runs the query that has begun last"
    engine.end_all()
    assert (await late[0])[1] is FAILED
    await beginnings.close()
