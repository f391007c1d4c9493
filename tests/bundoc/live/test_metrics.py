"""The metrics of live queries: the reasons why queries ran again, and the times of commits."""

from __future__ import annotations

import time

import pytest
from prometheus_client import REGISTRY

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.live import Barrier, LiveQuery
from tests.bundoc.live.following import SERVER, Following, ada, in_seconds, put, ruled

LOOKUP = "exists('members', auth.uid)"


def queries(why: str) -> float:
    return REGISTRY.get_sample_value("bunbase_bundoc_live_queries_total", {"why": why}) or 0.0


async def test_a_barrier_tells_the_time_of_its_oldest_commit(service: BundocService, following: Following) -> None:
    await following.watch(SERVER, 1, LiveQuery("posts"))
    began = time.time()

    await following.reached(await put(service, "a", n=1))

    assert began - 1 <= following.barriers[-1].committed_at <= time.time() + 1


async def test_two_barriers_that_become_one_keep_the_time_of_the_older_commit(
    service: BundocService, following: Following
) -> None:
    await following.watch(SERVER, 1, LiveQuery("posts"))
    edge = following.live.edges["gateway"]
    edge.events.clear()

    for seq, at in ((5, 0.0), (6, 100.0), (7, 200.0)):
        edge.put(Barrier("prj_a", "e", seq, at))

    assert edge.events == [Barrier("prj_a", "e", 7, 100.0)]


async def test_a_query_that_runs_again_is_counted_by_its_reason(service: BundocService, following: Following) -> None:
    await ruled(service, LOOKUP)
    await put(service, "ada", "members")
    await put(service, "a", n=1)
    held = await following.watch(ada(), 1, LiveQuery("posts"))
    await following.watch(SERVER, 2, LiveQuery("posts"))
    before = {why: queries(why) for why in ("lookup", "rules", "time")}

    await following.reached(await put(service, "ada", "members", n=1))
    assert queries("lookup") > before["lookup"]

    said = len(held.said)
    await ruled(service, "true")
    await following.until(lambda: len(held.said) > said)
    assert queries("rules") > before["rules"]

    await service.put_collection(SERVER, "posts", CollectionSpec(expires="until"))
    await following.reached(await put(service, "b", until=in_seconds(1)))
    await following.until(lambda: queries("time") > before["time"])


@pytest.mark.parametrize("size", [1, 3])
async def test_a_window_that_lacks_rows_is_counted_as_a_refill(
    service: BundocService, following: Following, size: int
) -> None:
    for number in range(60):
        await put(service, f"d{number:02}", n=number)
    await following.watch(SERVER, 1, LiveQuery("posts", sort=("n",), limit=size))
    before = queries("refill")

    for number in range(40):
        await following.reached(await put(service, f"d{number:02}", n=1000 + number))

    assert queries("refill") > before
