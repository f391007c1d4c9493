"""Projects whose live queries hold much: beyond a limit, groups keep ids alone and read bodies again when needed."""

from __future__ import annotations

import asyncio

import pytest

from bunbase.bundoc.live import registry
from bunbase.bundoc.live.hub import Hub
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.live import LiveQuery
from bunbase.pkg.errors import Problem
from tests.bundoc.live.following import SERVER, Following, ids, put

BODY = "x" * 1000


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_HELD_BYTES", 4000)


def hub_of(following: Following) -> Hub:
    return following.live.hubs["prj_a"]


def bodies(following: Following) -> int:
    """Return how many bytes of documents the groups hold."""
    groups = hub_of(following).groups.by_name.values()
    rows = {id(row): row for group in groups for row in (*group.told, *group.result.window.rows)}
    return sum(len(row.body) for row in rows.values())


@pytest.mark.usefixtures("little_room")
async def test_more_queries_than_fit_are_served_and_follow_writes(service: BundocService, following: Following) -> None:
    for number in range(3):
        await put(service, f"d{number}", n=number, text=BODY)

    queries = [LiveQuery("posts", b'{"n":{"$gte":%d}}' % least) for least in (0, 0, -1, -2, -3)]
    watches = [await following.watch(SERVER, number, query) for number, query in enumerate(queries)]
    assert all(ids(held) == ["d0", "d1", "d2"] for held in watches)
    assert bodies(following) < 5000

    for held in watches:
        held.said.clear()
    await following.reached(await put(service, "d1", n=7, text=BODY))
    last = await put(service, "d3", n=8, text=BODY)
    await following.reached(last)
    wanted = [(await service.get(SERVER, "posts", f"d{number}")).body for number in range(4)]
    assert all([body for _, body in held.docs] == wanted for held in watches)
    assert all(sum(map(len, held.said)) < 3000 for held in watches), "more was sent than has changed"
    assert bodies(following) < 6000


@pytest.mark.usefixtures("little_room")
async def test_those_who_join_or_resume_get_bodies_that_are_read_again(
    service: BundocService, following: Following
) -> None:
    for number in range(6):
        last = await put(service, f"d{number}", text=BODY)
    first = await following.watch(SERVER, 1, LiveQuery("posts"))
    await following.reached(last)
    assert bodies(following) == 0

    joined = await asyncio.gather(*[following.watch(SERVER, number, LiveQuery("posts")) for number in range(2, 12)])
    assert all(held.docs == first.docs and held.group == first.group for held in joined)

    resume = LiveQuery("posts", at=following.edge.at, v=first.v, have=tuple(ids(first)[1:]))
    resumed = await following.watch(SERVER, 20, LiveQuery("others"))
    following.edge.held[21] = resumed
    resumed.docs, resumed.started = first.docs[1:], False
    await following.live.watch(SERVER, "gateway", 21, resume)
    await following.until(lambda: resumed.started)
    assert resumed.docs == first.docs
    assert resumed.said[-1].startswith(b'"resumed":true,"gone":[],"put":[[0,')
    await following.until(lambda: bodies(following) == 0)


async def test_a_project_cannot_hold_more_rows_than_its_limit(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_ROWS", 3)
    for number in range(3):
        await put(service, f"d{number}")
    await following.watch(SERVER, 1, LiveQuery("posts"))

    with pytest.raises(Problem) as refused:
        await following.watch(SERVER, 2, LiveQuery("posts", limit=1))

    assert refused.value.code == "too_many_live_queries"
