"""Live queries, one promise at a time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.engine import Moment
from bunbase.bundoc.live import evaluation, telling, visibility
from bunbase.bundoc.live import following as following_module
from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.evaluation import Result
from bunbase.bundoc.live.incremental import Image, apply_change
from bunbase.bundoc.live.window import Window
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine import transaction
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.live import LiveQuery, NoLiveStream
from bunbase.pkg.errors import InvalidInput, Problem
from tests.bundoc.live.following import DEADLINE_SECONDS, OWNER, SERVER, Following, ada, ids, in_seconds, put, ruled
from tests.bundoc.live.model import Held
from tests.rooms import secret_caller

MEMBER_OR_OWNER = "exists('members', doc.room + '_' + auth.uid) || doc.owner == auth.uid"


async def test_a_watch_gets_its_result_and_then_each_change_of_it(service: BundocService, following: Following) -> None:
    await put(service, "a", n=1)
    held = await following.watch(SERVER, 1, LiveQuery("posts", b'{"n":{"$gte":1}}', sort=("n",), count=True))
    assert (ids(held), held.n) == (["a"], 1)

    await put(service, "b", n=2)
    await following.reached(await put(service, "c", n=0))
    assert (ids(held), held.n) == (["a", "b"], 2)

    await service.delete(SERVER, "posts", "a", NO_PRECONDITION)
    await following.reached(await put(service, "b", n=0))
    assert (ids(held), held.n) == ([], 0)


async def test_a_watch_of_one_document_follows_it_through_deletion(
    service: BundocService, following: Following
) -> None:
    held = await following.watch(SERVER, 1, LiveQuery("posts", id="a"))
    assert ids(held) == []

    await following.reached(await put(service, "a", n=1))
    assert ids(held) == ["a"]

    await service.delete(SERVER, "posts", "a", NO_PRECONDITION)
    await following.reached(await put(service, "b", n=1))
    assert ids(held) == []


REFUSED = (
    (LiveQuery("posts", b'{"$search":"x"}'), "not_live"),
    (LiveQuery("posts", id="a", sort=("n",)), "not_live"),
    (LiveQuery("posts", limit=501), "invalid_input"),
    (LiveQuery("posts", have=tuple(f"d{n}" for n in range(1001))), "invalid_input"),
    (LiveQuery("posts", have=("x" * 65,)), "invalid_input"),
    (LiveQuery("posts", b'{"secret":1}'), "invalid_query"),
    (LiveQuery("posts", sort=("secret",)), "invalid_query"),
    (LiveQuery("nothing"), "rule_denied"),
)


@pytest.mark.parametrize(("query", "code"), REFUSED, ids=[f"{code} {n}" for n, (_, code) in enumerate(REFUSED)])
async def test_a_watch_that_cannot_be_served_is_refused_by_name(
    service: BundocService, following: Following, query: LiveQuery, code: str
) -> None:
    await ruled(service, "true", secret="true")

    with pytest.raises(Problem) as refused:
        await following.watch(ada(), 1, query)

    assert refused.value.code == code


async def test_results_and_rules_that_are_too_large_are_refused(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        writes = [{"op": "put", "collection": "posts", "id": f"d{number}_{n}", "data": {"n": n}} for n in range(400)]
        await service.commit(SERVER, msgspec.json.encode({"writes": writes}))
    await ruled(service, "doc.n + 1 > 0")

    with pytest.raises(Problem) as large:
        await following.watch(SERVER, 1, LiveQuery("posts"))
    monkeypatch.setattr(visibility, "SCAN_STEPS", 50)
    with pytest.raises(Problem) as slow:
        await following.watch(ada(), 2, LiveQuery("posts", limit=100))

    assert (large.value.code, slow.value.code) == ("live_query_too_large", "rules_too_slow")


async def test_a_result_that_grows_too_large_ends(service: BundocService, following: Following) -> None:
    body = "x" * (900 << 10)
    for id in "abcd":
        await put(service, id, text=body)
    await following.watch(SERVER, 1, LiveQuery("posts"))

    await put(service, "e", text=body)

    await following.until(lambda: 1 in following.edge.ended)
    assert following.edge.ended[1]["code"] == "live_query_too_large"


async def test_changes_that_are_too_large_to_be_held_are_read_again(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "MAX_FOLLOWED_BYTES", 1000)
    held = await following.watch(SERVER, 1, LiveQuery("posts", b'{"n":{"$gt":1}}'))

    for number in range(4):
        await put(service, f"d{number}", n=number, text="x" * 2000)
    await put(service, "small", n=9)

    await following.reached(5)
    assert sorted(ids(held)) == ["d2", "d3", "small"]


async def test_a_rule_that_begins_to_hide_a_field_of_the_filter_ends_the_watch(
    service: BundocService, following: Following
) -> None:
    await ruled(service, "true")
    await following.watch(ada(), 1, LiveQuery("posts", b'{"secret":1}'))
    other = await following.watch(ada(), 2, LiveQuery("posts"))

    await ruled(service, "true", secret="true")

    await following.until(lambda: 1 in following.edge.ended and len(other.said) == 2)
    assert following.edge.ended[1]["code"] == "invalid_query"


async def test_a_stranger_hears_nothing_about_documents_that_stay_hidden(
    service: BundocService, following: Following
) -> None:
    await ruled(service, OWNER)
    await put(service, "a", owner="bob", text="secret-1")
    held = await following.watch(ada(), 1, LiveQuery("posts", count=True))
    held.said.clear()

    await put(service, "a", owner="bob", text="secret-2")
    await service.delete(SERVER, "posts", "a", NO_PRECONDITION)
    await following.reached(await put(service, "b", owner="bob", text="secret-3"))

    assert held.said == []


async def test_the_update_that_hides_a_document_tells_nothing_of_its_new_content(
    service: BundocService, following: Following
) -> None:
    await ruled(service, OWNER)
    await put(service, "a", owner="ada", text="old")
    held = await following.watch(ada(), 1, LiveQuery("posts"))
    held.said.clear()

    await following.reached(await put(service, "a", owner="bob", text="new"))

    assert held.said == [b'"gone":["a"]']


async def test_a_change_outside_of_the_selected_fields_is_not_told(
    service: BundocService, following: Following
) -> None:
    await put(service, "a", n=1, text="x")
    held = await following.watch(SERVER, 1, LiveQuery("posts", select=("n",)))
    held.said.clear()

    await following.reached(await put(service, "a", n=1, text="y"))

    assert held.said == []


@pytest.mark.parametrize("rule", ["exists('members', doc.room + '_' + auth.uid)", MEMBER_OR_OWNER])
async def test_a_change_of_the_document_that_a_rule_has_looked_up_once_changes_the_result(
    service: BundocService, following: Following, rule: str
) -> None:
    """The look-up is done before the search, because the filter fixes its key."""
    await ruled(service, rule)
    await put(service, "a", room="red", owner="bob")
    await put(service, "b", room="blue", owner="bob")
    red = await following.watch(ada(), 1, LiveQuery("posts", b'{"room":"red"}', count=True))
    assert (ids(red), red.n) == ([], 0)

    await following.reached(await put(service, "red_ada", "members"))
    assert (ids(red), red.n) == (["a"], 1)

    await following.reached(await put(service, "c", room="red", owner="bob"))
    assert (ids(red), red.n) == (["a", "c"], 2)

    await service.delete(SERVER, "members", "red_ada", NO_PRECONDITION)
    await following.reached(await put(service, "d", room="blue", owner="bob"))
    assert (ids(red), red.n) == ([], 0)


async def test_a_membership_that_expires_ends_the_result_without_a_write(
    service: BundocService, following: Following
) -> None:
    await service.put_collection(SERVER, "members", CollectionSpec(expires="until"))
    await ruled(service, "exists('members', doc.room + '_' + auth.uid)")
    await put(service, "a", room="red")
    await put(service, "red_ada", "members", until=in_seconds(0.6))
    held = await following.watch(ada(), 1, LiveQuery("posts", b'{"room":"red"}'))
    assert ids(held) == ["a"]

    await following.until(lambda: ids(held) == [])


async def test_an_expired_document_goes_without_a_write(service: BundocService, following: Following) -> None:
    await service.put_collection(SERVER, "posts", CollectionSpec(expires="until"))
    await put(service, "a", until="2100-01-01T00:00:00Z")
    held = await following.watch(SERVER, 1, LiveQuery("posts", count=True))

    await put(service, "b", until=in_seconds(0.4))
    await following.until(lambda: held.n == 2)
    await following.until(lambda: held.n == 1)

    assert ids(held) == ["a"]


async def test_a_document_that_expires_during_the_query_goes(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.put_collection(SERVER, "posts", CollectionSpec(expires="until"))
    found, slept = evaluation._found, [False]

    def slowly(*arguments: Any) -> Window:
        window = found(*arguments)
        if not slept[0]:
            slept[0] = True
            time.sleep(0.5)  # This sleeps in a thread.
        return window

    monkeypatch.setattr(evaluation, "_found", slowly)
    await put(service, "a", until=in_seconds(0.3))

    held = await following.watch(SERVER, 1, LiveQuery("posts", count=True))

    assert slept[0]
    await following.until(lambda: held.n == 0 and not held.docs)


async def test_a_document_that_rules_look_up_counts_until_it_expires(
    service: BundocService, following: Following
) -> None:
    await service.put_collection(SERVER, "passes", CollectionSpec(expires="until"))
    await ruled(service, "exists('passes', auth.uid)")
    await put(service, "a", n=1)
    held = await following.watch(ada(), 1, LiveQuery("posts"))
    assert ids(held) == []

    await put(service, "ada", "passes", until=in_seconds(0.4))
    await following.until(lambda: ids(held) == ["a"])

    await following.until(lambda: ids(held) == [])


async def test_callers_with_the_same_view_share_a_group_and_others_do_not(
    service: BundocService, following: Following
) -> None:
    await ruled(service, f"({OWNER}) || auth.role == 'admin'")
    query = LiveQuery("posts")

    watches = [
        await following.watch(caller, number, query)
        for number, caller in enumerate((ada(), ada(), ada("bob"), ada("root", "admin"), ada("eve", "admin"), SERVER))
    ]

    groups = [held.group for held in watches]
    assert groups[0] == groups[1]
    assert groups[3] == groups[4]
    assert len({groups[0], groups[2], groups[3], groups[5]}) == 4


async def test_the_same_query_of_two_projects_is_never_one_group(service: BundocService, following: Following) -> None:
    first = await following.watch(SERVER, 1, LiveQuery("posts"))
    second = await following.watch(secret_caller("prj_b"), 2, LiveQuery("posts"))

    await following.reached(await put(service, "a", n=1))

    assert (first.group != second.group, ids(first), ids(second)) == (True, ["a"], [])


async def test_a_write_asks_only_the_groups_that_it_may_concern(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ruled(service, OWNER)
    for number in range(60):
        await following.watch(ada(f"u{number}"), number, LiveQuery("posts"))
    asked: list[str] = []

    def counting(query: ParsedLive, result: Result, before: Image, after: Image) -> bool:
        asked.append(query.collection)
        return apply_change(query, result, before, after)

    monkeypatch.setattr(following_module, "apply_change", counting)

    await put(service, "a", owner="u7")
    await following.reached(await put(service, "a", owner="u9"))

    assert len(asked) == 3  # The first look-up is for u7, and the others are for u7 and u9.
    assert ids(following.edge.held[9]) == ["a"]


async def test_a_resume_sends_what_has_changed_and_no_more(service: BundocService, following: Following) -> None:
    for number in range(40):
        last = await put(service, f"d{number:02}", text="x" * 100)
    held = await following.watch(SERVER, 1, LiveQuery("posts"))
    await following.reached(last)
    at, v, have = following.edge.at, held.v, tuple(ids(held))
    await following.live.unwatch("gateway", (1,))
    del following.edge.held[1]
    await service.delete(SERVER, "posts", "d00", NO_PRECONDITION)
    await put(service, "d01", text="new")
    await put(service, "e", text="new")

    resumed = following.edge.held[2] = Held(held.query, SERVER, held.docs)
    await following.live.watch(SERVER, "gateway", 2, LiveQuery("posts", at=at, v=v, have=have))
    await following.until(lambda: resumed.started)

    assert ids(resumed) == [*(f"d{number:02}" for number in range(1, 40)), "e"]
    assert len(resumed.said[0]) < 500
    assert resumed.said[0].startswith(b'"resumed":true,"gone":["d00"],"put":[[0,')


@pytest.mark.parametrize("collection", ["posts", "others"])
@pytest.mark.parametrize("writes", [10, 11])
async def test_whether_a_resume_is_whole_does_not_tell_which_hidden_documents_were_written(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch, writes: int, collection: str
) -> None:
    monkeypatch.setattr(telling, "MAX_LOGGED", 10)
    await ruled(service, "doc.o == auth.uid")
    held = await following.watch(ada(), 1, LiveQuery("posts"))
    await following.reached(await put(service, "a", o="ada"))
    at, v, have = following.edge.at, held.v, tuple(ids(held))
    await following.live.unwatch("gateway", (1,))
    for number in range(writes):
        await put(service, f"h{number}", collection, o="eve")

    resumed = following.edge.held[2] = Held(held.query, ada(), held.docs)
    await following.live.watch(ada(), "gateway", 2, LiveQuery("posts", at=at, v=v, have=have))
    await following.until(lambda: resumed.started)

    assert resumed.said[0].startswith(b'"resumed":true' if writes == 10 else b'"docs"')


@pytest.mark.parametrize("change", [{"at": "abcdef.1"}, {"at": "x"}, {"v": "other"}, {"at": "{epoch}.999"}])
async def test_a_cursor_of_another_history_gets_the_whole_result(
    service: BundocService, following: Following, change: dict[str, str]
) -> None:
    await put(service, "a", n=1)
    held = await following.watch(SERVER, 1, LiveQuery("posts"))
    await following.reached(1)
    at, epoch = following.edge.at, following.edge.at.partition(".")[0]
    resume = {"at": at, "v": held.v, **{name: value.format(epoch=epoch) for name, value in change.items()}}

    again = await following.watch(SERVER, 2, LiveQuery("posts", have=("a",), at=resume["at"], v=resume["v"]))

    assert again.said[0].startswith(b'"docs":[{"_id":"a"')


async def test_a_deleted_project_ends_its_watches(service: BundocService, following: Following) -> None:
    await following.watch(SERVER, 1, LiveQuery("posts"))

    await following.live.drop_project("prj_a")

    await following.until(lambda: 1 in following.edge.ended)
    assert following.edge.ended[1]["code"] == "watched_project_deleted"


async def test_nothing_is_kept_when_nobody_watches_any_more(
    engine: SqliteEngine, service: BundocService, following: Following
) -> None:
    await following.watch(SERVER, 1, LiveQuery("posts"))
    assert "prj_a" in engine.news.followers

    await following.live.unwatch("gateway", (1, 2))

    assert (engine.news.followers, following.live.hubs) == ({}, {})


async def test_a_watch_needs_an_open_stream_and_a_free_number(following: Following) -> None:
    await following.watch(SERVER, 1, LiveQuery("posts"))

    with pytest.raises(NoLiveStream):
        await following.live.watch(SERVER, "another", 1, LiveQuery("posts"))
    with pytest.raises(InvalidInput):
        await following.live.watch(SERVER, "gateway", 1, LiveQuery("posts"))


async def test_a_moment_has_the_rules_of_its_snapshot(engine: SqliteEngine, service: BundocService) -> None:
    await ruled(service, "true")
    loop = asyncio.get_running_loop()

    def work(moment: Moment) -> tuple[Any, Any]:
        asyncio.run_coroutine_threadsafe(ruled(service, "false"), loop).result(DEADLINE_SECONDS)
        terms = moment.terms("posts")
        return terms and terms.definition.rules, moment.terms("later")

    rules, later = await engine.moment("prj_a", work)

    assert (rules.list, later) == ("true", None)
