"""Live queries share the event loop: if a write affects many groups, other work runs between them.

The clock of the slices counts calls of functions, so that these tests do not depend on the machine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.live import slices
from bunbase.bundoc.live.service import LiveService
from bunbase.bundoc.query.budgets import BOUND, UNBOUND
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.live import LiveQuery
from bunbase.pkg.clock import SystemClock
from tests.bundoc.engines import sqlite_engine
from tests.bundoc.live.following import SERVER, Following, put, ruled
from tests.fakes import FakeKms
from tests.metered_loop import MeteredLoop

GROUPS = 250
MOST_CALLS = 8000  # A slice of 2 ms, and the rest of the turn, make at most this many calls.
SECONDS_A_CALL = 0.5e-6

Work = Callable[[BundocService, Following], Coroutine[Any, Any, None]]


async def write_many(service: BundocService, following: Following) -> None:
    """Change documents that belong to the results of all groups."""
    writes = [{"op": "put", "collection": "posts", "id": f"d{n}", "data": {"n": 1000 + n}} for n in range(10)]
    done = await service.commit(SERVER, msgspec.json.encode({"writes": writes}))
    await following.reached(done.commit.seq)


async def alter_rules(service: BundocService, following: Following) -> None:
    """Make all queries run again, with other results."""
    await put(service, "e", n=1000)
    await ruled(service, "true")
    await following.reached(await put(service, "f", n=1000))


async def ask_apart(service: BundocService, following: Following) -> None:
    """Request the results of many queries with long filters, as for a late connection."""
    await following.reached(await put(service, "c", n=1))
    where = json.dumps({"$or": [{f"f{number}": {"$gte": number}} for number in range(10)]}).encode()
    await following.live.results(SERVER, tuple([LiveQuery("posts", where, limit=n) for n in range(1, 101)]))


@pytest.mark.parametrize("work", [write_many, alter_rules, ask_apart], ids=lambda one: one.__name__)
def test_work_for_many_groups_lets_other_work_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Work) -> None:
    loop = MeteredLoop()
    monkeypatch.setattr(slices, "perf_counter", lambda: loop.all_calls * SECONDS_A_CALL)

    async def measured() -> None:
        async with sqlite_engine(tmp_path, FakeKms()) as engine:
            service, live = BundocService(engine), LiveService(engine, SystemClock(), BOUND, UNBOUND, dev=True)
            following = Following(live)
            await put(service, "a", n=1)
            await following.edge.opened.wait()
            queries = [LiveQuery("posts", b'{"n":{"$gte":%d}}' % number) for number in range(GROUPS)]
            await asyncio.gather(*[live.watch(SERVER, "gateway", n, query) for n, query in enumerate(queries)])
            await put(service, "b", n=1)

            await loop.watched(work(service, following))

            await following.edge.stop()
            await live.close()

    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(measured())
    finally:
        asyncio.set_event_loop(None)
        loop.close()

    assert loop.longest_calls < MOST_CALLS
