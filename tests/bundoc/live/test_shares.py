"""One user cannot use up what the live queries of a project share: groups, memory, and the time of first queries."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.changes import DocumentChange
from bunbase.bundoc.live import beginnings, registry
from bunbase.bundoc.live import following as following_module
from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.following import Follower
from bunbase.bundoc.live.group import Group
from bunbase.bundoc.live.incremental import Image
from bunbase.bundoc.live.rounds import Outcome, first_outcome
from bunbase.bundoc.live.window import ROW_BYTES
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.live import LiveQuery, TooManyLiveQueries
from bunbase.contracts.bundoc.problems import BundocBusy
from bunbase.contracts.caller import Caller
from tests.bundoc.live.following import SERVER, Following, ada, ids, put, ruled
from tests.rooms import publishable_caller

ALL = "doc.n >= 0"


def above(number: int) -> LiveQuery:
    return LiveQuery("posts", where=msgspec.json.encode({"n": {"$gt": -number}}))


def visitor(ip: str) -> Caller:
    return msgspec.structs.replace(publishable_caller("prj_a"), ip=ip)


async def taken(following: Following, caller: Caller, start: int = 1) -> int:
    """Watch different queries until a query is refused. Return the number of allowed queries."""
    number = start
    while True:
        try:
            await following.watch(caller, number, above(number))
        except TooManyLiveQueries:
            return number - start
        number += 1


@pytest.mark.parametrize(
    ("greedy", "other"),
    [
        (ada("greedy"), ada("bob")),
        (visitor("203.0.113.7"), visitor("203.0.113.8")),
        (visitor("2001:db8::1"), ada("bob")),
    ],
)
async def test_a_greedy_user_leaves_groups_to_the_next_one(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch, greedy: Caller, other: Caller
) -> None:
    monkeypatch.setattr(registry, "MAX_UNFILED", 12)
    await ruled(service, ALL)
    await put(service, "a", n=1)

    assert await taken(following, greedy) == 6
    assert await taken(following, other, 100) == 3
    assert await taken(following, ada("third"), 200) == 2


async def test_a_user_who_was_the_first_to_watch_common_queries_shares_them_with_the_others(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_UNFILED", 12)
    await ruled(service, ALL)
    await put(service, "a", n=1)
    assert await taken(following, ada("first")) == 6

    for number in range(1, 7):  # These are the same queries as before.
        await following.watch(ada("other"), 100 + number, above(number))

    assert await taken(following, ada("first"), 7) == 2
    await following.live.unwatch(following.edge.name, tuple(range(101, 107)))
    assert await taken(following, ada("third"), 200) == 2


async def test_a_query_that_demands_a_value_and_a_single_document_are_not_refused_for_the_others(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_UNFILED", 4)
    await ruled(service, ALL)
    await put(service, "a", n=1)
    await taken(following, ada("greedy"))

    equal = await following.watch(ada("greedy"), 100, LiveQuery("posts", where=b'{"n":1}'))
    single = await following.watch(ada("greedy"), 101, LiveQuery("posts", id="a"))

    assert (ids(equal), ids(single)) == (["a"], ["a"])


async def test_the_memory_of_results_is_shared_and_counted_before_it_is_held(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ruled(service, ALL)
    for number in range(10):
        await put(service, f"d{number}", n=number, text="x" * 1000)
    monkeypatch.setattr(registry, "MAX_TOTAL_BYTES", 90 * (1000 + ROW_BYTES))

    calls = [following.live.watch(ada("greedy"), "gateway", number, above(number)) for number in range(1, 40)]
    await following.edge.opened.wait()
    at_once = [one for one in await asyncio.gather(*calls, return_exceptions=True) if one is None]

    assert len(at_once) == 4
    assert await taken(following, ada("bob"), 100) == 2
    groups = following.live.hubs["prj_a"].groups
    assert groups.total.used <= registry.MAX_TOTAL_BYTES
    await following.live.unwatch("gateway", tuple(range(1, 200)))
    assert "prj_a" not in following.live.hubs
    assert (groups.total.used, groups.count.used, dict(groups.unfiled)) == (0, 0, {})


async def test_the_memory_of_filters_is_shared_although_their_results_are_empty(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ruled(service, ALL)
    monkeypatch.setattr(registry, "MAX_TOTAL_BYTES", 2 << 20)

    def long(number: int) -> LiveQuery:
        return LiveQuery("posts", where=json.dumps({"text": f"{number:05}" * 10_000}).encode())

    for number in range(1, 4):
        await following.watch(ada("greedy"), number, long(number))
    calls = [following.live.watch(ada("greedy"), "gateway", number, long(number)) for number in range(4, 20)]
    refused = [one for one in await asyncio.gather(*calls, return_exceptions=True) if one is not None]

    assert {type(one) for one in refused} == {TooManyLiveQueries}

    await following.watch(ada("bob"), 100, LiveQuery("posts", where=b'{"n":1}'))
    groups = following.live.hubs["prj_a"].groups
    assert groups.total.used <= registry.MAX_TOTAL_BYTES
    await following.live.unwatch("gateway", tuple(range(1, 200)))
    assert groups.total.used == 0


async def test_a_group_counts_for_another_when_the_first_one_leaves(
    service: BundocService, following: Following
) -> None:
    await ruled(service, ALL)
    await put(service, "a", n=1)
    await following.watch(ada("ada"), 1, above(1))
    await following.watch(ada("bob"), 2, above(1))
    shares = following.live.hubs["prj_a"].groups.count

    assert dict(shares.by_user) == {"user ada": 1}
    await following.live.unwatch("gateway", (1,))
    assert dict(shares.by_user) == {"user bob": 1}


@pytest.fixture
def slow_queries_of_greedy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let each first query of this user take 0.1 s. Return the users whose queries ran, in their order."""
    ran: list[str] = []

    def slowly(moment: Any, asked: ParsedLive, caller: Caller, *others: Any) -> tuple[str, Outcome]:
        assert caller.user is not None
        ran.append(caller.user.uid)
        if caller.user.uid == "greedy":
            time.sleep(0.1)
        return first_outcome(moment, asked, caller, *others)

    monkeypatch.setattr(beginnings, "first_outcome", slowly)
    return ran


async def test_slow_first_queries_of_one_user_let_those_of_others_run_first(
    service: BundocService, following: Following, slow_queries_of_greedy: list[str]
) -> None:
    await ruled(service, ALL)
    await following.edge.opened.wait()
    watch: Callable[..., Any] = following.live.watch
    greedy = [asyncio.create_task(watch(ada("greedy"), "gateway", n, above(n))) for n in range(1, 40)]
    await following.until(lambda: len(slow_queries_of_greedy) >= 2)

    await watch(ada("bob"), "gateway", 100, above(100))

    assert slow_queries_of_greedy.index("bob") < 8
    await asyncio.gather(*greedy)


async def test_a_query_that_waits_for_too_long_is_refused_with_a_word(
    service: BundocService, following: Following, slow_queries_of_greedy: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginnings, "WAIT_SECONDS", 0.15)
    await ruled(service, ALL)
    await following.edge.opened.wait()

    calls = [following.live.watch(ada("greedy"), "gateway", n, above(n)) for n in range(1, 40)]
    ended = await asyncio.gather(*calls, return_exceptions=True)

    assert {type(one) for one in ended} == {type(None), BundocBusy}
    assert not following.live.hubs["prj_a"].beginnings.of_user


async def test_a_result_that_others_watch_is_followed_although_its_first_user_has_spent_all(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = Follower.apply

    async def after_others(self: Follower, change: DocumentChange) -> None:
        self.spent["user greedy"] = 1.0
        await apply(self, change)

    monkeypatch.setattr(Follower, "apply", after_others)
    await ruled(service, ALL)
    await put(service, "a", n=1)
    await following.watch(ada("greedy"), 1, above(1))
    bob = await following.watch(ada("bob"), 2, above(1))
    followed: list[str] = []
    follow = Follower._follow

    def noting(self: Follower, group: Group, before: Image, after: Image) -> None:
        followed.append(group.user)
        follow(self, group, before, after)

    monkeypatch.setattr(Follower, "_follow", noting)

    await following.reached(await put(service, "b", n=2))

    assert followed == ["user greedy"]
    assert ids(bob) == ["a", "b"]


async def test_a_user_whose_results_take_too_long_to_follow_gets_queries_instead(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following_module, "FOLLOW_SECONDS", 0.0)
    await ruled(service, ALL)
    await put(service, "a", n=1)
    held = [await following.watch(ada("greedy"), number, above(number)) for number in range(1, 5)]
    followed: list[str] = []
    follow = Follower._follow

    def noting(self: Follower, group: Group, before: Image, after: Image) -> None:
        followed.append(group.user)
        follow(self, group, before, after)

    monkeypatch.setattr(Follower, "_follow", noting)

    writes = [{"op": "put", "collection": "posts", "id": f"d{number}", "data": {"n": number}} for number in range(30)]
    await service.commit(SERVER, msgspec.json.encode({"writes": writes}))

    await following.until(lambda: all(len(ids(one)) == 31 for one in held))
    assert len(followed) < 10
