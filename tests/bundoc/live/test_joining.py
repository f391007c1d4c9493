"""Watches that join: one query for each group, results that fit into the stream, and errors that belong to the call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from bunbase.bundoc.engine import Moment
from bunbase.bundoc.live.service import LiveService
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.live import LiveQuery
from bunbase.pkg.errors import Problem
from tests.bundoc.live.following import OWNER, SERVER, Following, ada, ids, put, ruled
from tests.bundoc.live.model import Held

T = TypeVar("T")


@pytest.fixture
def moments(engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The projects for which a snapshot was opened."""
    opened: list[str] = []
    moment = engine.moment

    async def counting(project: str, work: Callable[[Moment], T]) -> T:
        opened.append(project)
        return await moment(project, work)

    monkeypatch.setattr(engine, "moment", counting)
    return opened


async def join(following: Following, query: LiveQuery, callers: list[Any]) -> list[Held]:
    """Watch the query for all callers at once, wait for all results, and return them."""
    await following.edge.opened.wait()
    first = len(following.edge.held) + 1
    watches = [Held(query, caller, []) for caller in callers]
    following.edge.held.update(enumerate(watches, first))
    calls = [following.live.watch(caller, "gateway", number, query) for number, caller in enumerate(callers, first)]
    await asyncio.gather(*calls)
    await following.until(lambda: all(held.started for held in watches))
    return watches


async def test_all_who_join_a_query_cost_one_query_together(
    service: BundocService, following: Following, moments: list[str]
) -> None:
    await ruled(service, "auth != null")
    await put(service, "a", n=1)

    watches = await join(following, LiveQuery("posts"), [ada(f"u{number}") for number in range(50)])
    assert len(moments) == 1

    watches += await join(following, LiveQuery("posts"), [ada(f"u{number}") for number in range(50)])
    assert len(moments) == 1
    assert len({held.group for held in watches}) == 1

    await following.reached(await put(service, "b", n=2))
    assert all(ids(held) == ["a", "b"] for held in watches)


async def test_many_different_queries_that_begin_at_once_share_snapshots(
    service: BundocService, following: Following, moments: list[str]
) -> None:
    """If each watch needed a snapshot, they would not fit into the queue of scans."""
    await ruled(service, OWNER)
    await put(service, "a", owner="u149")

    watches = await join(following, LiveQuery("posts"), [ada(f"u{number}") for number in range(150)])

    assert len(moments) < 75
    assert [number for number, held in enumerate(watches) if held.docs] == [149]


async def test_all_who_join_a_query_that_fails_get_its_error_and_cost_one_query_together(
    service: BundocService, following: Following, moments: list[str]
) -> None:
    await ruled(service, "auth != null")
    for number in range(5):
        await put(service, f"d{number}", text="x" * (900 << 10))
    await following.edge.opened.wait()

    calls = [following.live.watch(ada(f"u{n}"), "gateway", n, LiveQuery("posts")) for n in range(30)]
    failed = await asyncio.gather(*calls, return_exceptions=True)

    assert {one.code for one in failed if isinstance(one, Problem)} == {"live_query_too_large"}
    assert len({id(one) for one in failed}) == 30
    assert len(moments) == 1


async def test_a_view_that_costs_little_is_made_in_the_event_loop(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ruled(service, OWNER)
    await following.watch(ada(), 1, LiveQuery("posts"))
    in_threads: list[Any] = []
    to_thread = asyncio.to_thread

    async def noting(work: Callable[..., T], *arguments: Any) -> T:
        in_threads.append(work)
        return await to_thread(work, *arguments)

    monkeypatch.setattr(asyncio, "to_thread", noting)

    await following.watch(ada(), 2, LiveQuery("posts"))
    assert not in_threads

    await ruled(service, " || ".join([f"doc.n == {number}" for number in range(180)]))
    await following.watch(ada(), 3, LiveQuery("posts"))
    assert in_threads


async def test_results_wait_until_the_stream_has_room_for_them(service: BundocService, live: LiveService) -> None:
    """A full stream would end.

    At its end, all watches of the stream would come back at once and fill the next stream.
    """
    live.stream_bytes = 300 << 10
    following = Following(live)
    await put(service, "a", text="x" * (50 << 10))

    watches = await join(following, LiveQuery("posts"), [SERVER] * 40)
    assert all(ids(held) == ["a"] for held in watches)

    await following.reached(await put(service, "b", n=1))
    assert all(ids(held) == ["a", "b"] for held in watches)
    await following.edge.stop()


async def test_a_result_that_replaces_another_does_not_wait_for_room(
    service: BundocService, live: LiveService, following: Following
) -> None:
    """If the new result waited, the edge would hold the result under the old rules at a later barrier."""
    await ruled(service, "true")
    await put(service, "a", n=1)
    held = await following.watch(ada(), 1, LiveQuery("posts"))
    live.edges["gateway"].max_bytes = 100_000
    live.edges["gateway"].bytes = 60_000  # This is more than half of the limit.

    await ruled(service, "doc.n > 1")
    await following.reached(await put(service, "b", "others"))

    assert held.docs == []


async def test_two_calls_that_put_one_watch_into_its_group_leave_it_there(
    service: BundocService, following: Following
) -> None:
    """A changed collection makes a watch search its group again, while the rules decide about its caller again."""
    await ruled(service, "auth != null")
    await put(service, "a", n=1)
    held = await following.watch(ada(), 1, LiveQuery("posts"))
    hub, member = following.live.hubs["prj_a"], following.live.edges["gateway"].watches[1]
    hub._withdraw(member)

    await asyncio.gather(hub.enter(member), hub.enter(member))
    await following.reached(await put(service, "b", n=2))

    assert ids(held) == ["a", "b"]


async def test_a_query_of_another_process_is_as_new_as_each_barrier_that_was_told(
    service: BundocService, following: Following
) -> None:
    """A client that connects to another process must not see a state older than the one it has seen.

    The client sends the last barrier of the first process: the message that it had everything up to a change.
    """
    await put(service, "a0", n=0)
    first = await following.watch(SERVER, 1, LiveQuery("posts"))
    other = Following(following.live, "another gateway")
    for number in range(1, 21):
        await put(service, f"a{number}", n=number)
        await following.until(lambda: len(ids(first)) == number + 1)  # noqa: B023  it is awaited here
        told = following.barriers[-1]

        held = await other.watch(SERVER, number, LiveQuery("posts", at=f"{told.epoch}.{told.seq}"))

        assert ids(held) == ids(first)
        await other.reached(told.seq)
    await other.edge.stop()
