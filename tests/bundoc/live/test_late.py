"""Live queries that take too much time for a round: only they are late, and their results arrive separately."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from bunbase.bundoc.live import evaluation, hub, late, rounds
from bunbase.bundoc.live import following as following_module
from bunbase.bundoc.live.payers import MOST_PAYERS, users_of
from bunbase.bundoc.live.rounds import Job, Late, RoundTime, cheap_users_first
from bunbase.bundoc.live.service import LiveService
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.live import Behind, LiveQuery
from bunbase.contracts.caller import Caller
from tests.bundoc.live.following import Following, ada, ids, put, ruled
from tests.bundoc.live.model import Held, whole

GATED = "get('gates', 'g').open == true && doc.n >= 0"  # Each change runs this query again.


def above(number: int) -> LiveQuery:
    return LiveQuery("posts", where=msgspec.json.encode({"n": {"$gt": -number}}))


@pytest.fixture
def dear_users(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Make each query of these users appear to take a second."""
    dear: set[str] = set()
    queried = evaluation.queried

    def seeming(moment: Any, asked: Any, view: Any) -> evaluation.Result:
        user = view.access.caller.user
        return msgspec.structs.replace(queried(moment, asked, view), seconds=1.0 if user.uid in dear else 0.0)

    for module in (evaluation, rounds):
        monkeypatch.setattr(module, "queried", seeming)
    return dear


async def gated(service: BundocService) -> None:
    await ruled(service, GATED)
    await put(service, "g", "gates", open=True)
    await put(service, "a", n=1)


async def both(following: Following) -> tuple[Held, Held]:
    """Return watch 1 of the user greedy, and watch 10 of the user bob."""
    return await following.watch(ada("greedy"), 1, above(1)), await following.watch(ada("bob"), 10, above(10))


async def test_a_dear_query_falls_behind_alone_and_the_others_get_their_barrier(
    service: BundocService, following: Following, dear_users: set[str]
) -> None:
    dear_users.add("greedy")
    await gated(service)
    greedy, bob = await both(following)

    await following.reached(await put(service, "b", n=2))

    assert following.edge.behind == [Behind((1,), dear=True)]
    assert (greedy.behind, bob.behind) == (True, False)
    assert ids(bob) == ["a", "b"]
    assert following.edge.ended == {}
    assert [group.user for group in following.live.hubs["prj_a"].groups.by_name.values()] == ["user bob"]


async def test_a_user_with_many_queries_makes_none_late_that_others_watch(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user greedy watched bob's query first, and uses all of greedy's time for other queries."""

    class Spent(RoundTime):
        def __init__(self, user_seconds: float) -> None:
            super().__init__(user_seconds)
            self.spent["user greedy"] = user_seconds

    monkeypatch.setattr(following_module, "FOLLOW_SECONDS", -1.0)  # With this limit, each change runs the query again.
    await ruled(service, "auth != null && doc.n >= 0")
    await put(service, "a", n=1)
    await following.watch(ada("greedy"), 1, above(1))
    bob = await following.watch(ada("bob"), 10, above(1))
    await following.reached(await put(service, "a", n=1))
    monkeypatch.setattr(hub, "RoundTime", Spent)

    await following.reached(await put(service, "b", n=2))

    assert following.edge.behind == []
    assert len(following.live.hubs["prj_a"].groups.by_name) == 1
    assert ids(bob) == ["a", "b"]


async def test_a_late_watch_waits_for_nothing_in_the_rounds_and_its_result_comes_apart(
    service: BundocService, following: Following, dear_users: set[str]
) -> None:
    dear_users.add("greedy")
    await gated(service)
    await both(following)
    seq = await put(service, "b", n=2)
    await following.reached(seq)

    found = await following.live.results(ada("greedy"), (above(1), LiveQuery("posts", id="b")))

    assert found.seq == seq
    assert [whole(one.body)[0][-1][0] for one in found.results] == ["b", "b"]


async def test_a_watch_that_begins_during_the_round_falls_behind_with_its_group(
    service: BundocService, following: Following, dear_users: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await gated(service)
    await following.watch(ada("greedy"), 1, above(1))
    dear_users.add("greedy")
    await put(service, "b", n=2)
    enter = asyncio.create_task(following.live.watch(ada("greedy"), "gateway", 2, above(1)))
    await put(service, "c", n=3)
    await enter
    await put(service, "d", n=4)

    await following.until(lambda: {number for one in following.edge.behind for number in one.numbers} == {1, 2})

    assert following.live.edges["gateway"].watches == {}


async def test_a_late_watch_that_is_cheap_again_follows_its_group(
    service: BundocService, following: Following, dear_users: set[str]
) -> None:
    dear_users.add("greedy")
    await gated(service)
    await both(following)
    await following.reached(await put(service, "b", n=2))
    dear_users.clear()

    again = await following.watch(ada("greedy"), 2, above(1))
    await following.reached(await put(service, "c", n=3))

    assert ids(again) == ["a", "b", "c"]
    assert len(following.edge.behind) == 1


async def test_queries_that_are_too_many_for_a_round_are_not_called_dear(
    service: BundocService, following: Following, dear_users: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await gated(service)
    await both(following)
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.0)

    await put(service, "b", n=2)
    await following.until(lambda: bool(following.edge.behind))

    assert [one.dear for one in following.edge.behind] == [False]
    assert following.edge.behind[0].numbers == (1, 10)


async def test_a_query_that_is_interrupted_in_a_round_has_more_time_apart(
    service: BundocService, following: Following, dear_users: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await gated(service)
    for number in range(200):
        await put(service, f"d{number}", n=1)
    await both(following)
    monkeypatch.setattr(rounds, "SURPRISE_SECONDS", -1.0)  # SQLite checks the deadline only after some thousand steps.

    await put(service, "b", n=2)
    await following.until(lambda: bool(following.edge.behind))
    found = await following.live.results(ada("greedy"), (above(1),))

    assert following.edge.ended == {}
    assert len(whole(found.results[0].body)[0]) == 202


async def test_each_query_has_its_own_problem(service: BundocService, live: LiveService) -> None:
    await ruled(service, "auth != null && doc.n >= 0")
    await put(service, "a", n=1)

    nobody = LiveQuery("nothing")
    found = await live.results(ada(), (above(1), LiveQuery("posts", limit=9999), nobody))

    codes = [one.problem and one.problem["code"] for one in found.results]
    assert codes == [None, "invalid_input", "rule_denied"]


async def test_results_of_one_connection_have_bounds(
    service: BundocService, live: LiveService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ruled(service, "doc.n >= 0")
    await put(service, "a", n=1, text="x" * 400)
    monkeypatch.setattr(late, "MAX_BYTES", 700)

    large = await live.results(ada(), (above(1), above(2), above(3)))
    monkeypatch.setattr(late, "CALL_SECONDS", -1.0)
    slow = await live.results(ada(), (above(1),))

    codes = [one.problem and one.problem["code"] for one in (*large.results, *slow.results)]
    assert codes == [None, *["too_many_live_queries"] * 3]


async def test_a_query_runs_again_as_long_as_documents_expire_meanwhile(
    service: BundocService, live: LiveService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ruled(service, "doc.n >= 0")
    await put(service, "a", n=1)
    ends = iter([1, 1, 1, 1, 1, None])  # Five documents expire, one during each of the first five runs.
    monkeypatch.setattr(evaluation, "_next_end", lambda *_arguments: next(ends))

    await live.results(ada(), (above(1),))

    assert list(ends) == []


async def test_late_users_take_turns(
    service: BundocService, live: LiveService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ruled(service, "doc.n >= 0")
    await put(service, "a", n=1)
    ran: list[str] = []
    first_outcome = rounds.first_outcome

    def noting(moment: Any, asked: Any, caller: Caller, *others: Any) -> Any:
        assert caller.user is not None
        ran.append(caller.user.uid)
        return first_outcome(moment, asked, caller, *others)

    monkeypatch.setattr(late, "first_outcome", noting)
    calls = [live.results(ada("greedy"), (above(number),)) for number in range(1, 20)]
    await asyncio.gather(*calls, live.results(ada("bob"), (above(1),)))

    assert ran.index("bob") <= 2
    assert live.late.turns == {}


def job(user: str, seconds: float, users: tuple[str, ...] = ()) -> Job:
    group = SimpleNamespace(user=user, result=SimpleNamespace(seconds=seconds))
    return Job(cast(Any, group), "", cast(Any, None), cast(Any, None), False, (), users or (user,))


def busy() -> Any:
    until = time.thread_time() + 0.001
    while time.thread_time() < until:
        pass


def test_the_users_who_need_most_time_come_last() -> None:
    jobs = [job("greedy", 0.1)] * 3 + [job("dear", 0.25)] + [job("bob", 0.01)]

    ordered = [one.group.user for one in cheap_users_first(jobs)]

    assert ordered == ["bob", "greedy", "greedy", "dear", "greedy"]


def test_a_query_of_several_users_counts_for_the_one_with_most_time() -> None:
    left = RoundTime(0.25)
    left.spent["greedy"] = 0.25
    shared = job("greedy", 0.1, ("greedy", "bob", "eve"))

    assert left.lack(job("greedy", 0.1)) is Late.DEAR
    assert left.lack(shared) is None
    left.outcome(shared, busy)

    assert left.spent["greedy"] == 0.25
    assert left.spent["bob"] > 0


def test_a_query_of_several_users_runs_as_early_as_that_of_the_cheapest_one() -> None:
    own = [job("greedy", 0.01) for _ in range(20)]
    shared = job("greedy", 0.02, ("greedy", "bob"))

    ordered = cheap_users_first([*own, shared])

    assert ordered.index(shared) <= 2


def test_the_first_few_users_of_a_group_are_found_among_many_watches_of_one() -> None:
    callers = [ada("greedy")] * 5000 + [ada(f"u{number}") for number in range(5000)]

    users = users_of(callers)

    assert (len(users), users[0]) == (MOST_PAYERS, "user greedy")


def test_a_round_has_time_for_each_user_and_for_all() -> None:
    left = RoundTime(0.25)

    def spend(user: str, seconds: float) -> object:
        one = job(user, seconds)
        if (why := left.lack(one)) is None:
            left.spent[user] += seconds
            left.left -= seconds
        return why

    assert [spend("greedy", 0.2), spend("greedy", 0.2), spend("dear", 0.3)] == [None, Late.DEAR, Late.DEAR]
    assert [spend(f"u{number}", 0.25) for number in range(5)] == [None] * 4 + [Late.CROWDED]


def test_the_time_of_a_query_counts_for_its_user() -> None:
    left, one = RoundTime(0.0), job("ada", 0.0)

    left.outcome(one, busy)

    assert left.lack(one) is Late.DEAR
    assert left.left < rounds.ROUND_SECONDS
