"""Documents, through both faces of the client, on a real server."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from bunbase_sdk import Conflict, NotFound, Problem


@pytest.fixture
def posts(client: Any) -> Any:
    collection = client.data.collection("posts")
    for post in list(collection.all()):
        collection.delete(post["_id"])
    return collection


def test_a_document_is_created_read_replaced_changed_and_deleted(posts: Any) -> None:
    created = posts.create({"_id": "rye", "title": "Rye", "tags": ["a"], "old": 1})
    replaced = posts.put("rye", {"title": "Rye bread", "likes": 0, "old": 1}, if_rev=created["_rev"])
    patched = posts.patch("rye", {"old": None})
    counted = posts.patch("rye", {"$inc": {"likes": 2}})

    assert posts.get("rye") == counted
    assert (replaced["_rev"] - created["_rev"], "old" in patched, counted["likes"]) == (1, False, 2)
    posts.delete("rye")
    assert posts.find("rye") is None
    with pytest.raises(NotFound) as missing:
        posts.get("rye")
    assert (missing.value.code, missing.value.status) == ("document_not_found", 404)
    assert missing.value.request_id


def test_a_query_pages_sorts_selects_and_counts(posts: Any) -> None:
    for number in range(7):
        posts.create({"_id": f"p{number}", "n": number, "kind": "odd" if number % 2 else "even"})

    page = posts.query({"n": {"$gte": 2}}, sort="-n", limit=2, select="n", count=True)
    assert [item["n"] for item in page.items] == [6, 5]
    assert page.count == 5
    assert "kind" not in page.items[0]
    assert [item["n"] for item in posts.query({"n": {"$gte": 2}}, sort="-n", limit=2, cursor=page.next).items] == [4, 3]
    assert [len(page.items) for page in posts.pages(limit=3)] == [3, 3, 1]
    assert [item["n"] for item in posts.all(sort=["n"], limit=2)] == [*range(7)]
    assert posts.first(sort="-n")["n"] == 6
    assert posts.first({"n": 100}) is None
    assert posts.count({"kind": "odd"}) == 3
    assert posts.count({"n": 100}) == 0
    groups = posts.aggregate({"total": {"$sum": "n"}}, group="kind")
    assert sorted((one["kind"], one["total"]) for one in groups) == [("even", 12), ("odd", 9)]
    parts = [{"$each": "kind", "as": "of"}]
    assert posts.aggregate({"n": {"$count": True}}, group=parts, sort="-of", limit=1) == [{"of": "odd", "n": 3}]


def test_integers_of_64_bits_come_back_exactly_and_larger_ones_are_refused(posts: Any) -> None:
    numbers = [2**63 - 1, -(2**63), 2**53 + 1, 0, -1]
    floats = [168.79998779296875, -0.0013457057798441524, 1e300, 0.1]

    stored = posts.create({"numbers": numbers, "floats": floats, "text": "9223372036854775808"})

    assert posts.get(stored["_id"])["numbers"] == numbers
    assert posts.get(stored["_id"])["floats"] == floats
    assert stored["text"] == "9223372036854775808"
    assert posts.first({"numbers": 2**63 - 1})["_id"] == stored["_id"]
    with pytest.raises(Problem, match="64 bits"):
        posts.create({"n": 2**63})


def test_times_are_written_in_utc_and_sort_by_time(posts: Any) -> None:
    berlin = timezone(timedelta(hours=2))
    noon = datetime(2026, 7, 1, 12, tzinfo=berlin)
    later = datetime(2026, 7, 1, 10, 30, 0, 9000, UTC)
    times = {"a": noon, "b": later, "c": later + timedelta(microseconds=1001)}

    for name, at in times.items():
        posts.create({"_id": name, "at": at, "day": date(2026, 7, 1), "pair": (1, 2)})

    assert [one["at"] for one in posts.all(sort="at")] == [
        "2026-07-01T10:00:00.000Z",
        "2026-07-01T10:30:00.009Z",
        "2026-07-01T10:30:00.010001Z",
    ]
    assert [one["_id"] for one in posts.all({"at": {"$gt": noon}}, sort="-at")] == ["c", "b"]
    assert (posts.get("a")["day"], posts.get("a")["pair"]) == ("2026-07-01", [1, 2])
    with pytest.raises(Problem, match="years 1 to 9999"):
        posts.create({"at": datetime.min.replace(tzinfo=berlin)})


@pytest.mark.parametrize("sort", [{"n": -1}, {"n"}])
def test_an_order_that_is_no_list_of_names_is_refused(posts: Any, sort: Any) -> None:
    with pytest.raises(Problem, match="sorts descending") as refused:
        posts.query(sort=sort)

    assert refused.value.code == "invalid_value"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, {"b/c": math.nan}]}, "/a/1/b~1c"),
        ({"a": math.inf}, "/a"),
        ({"a": b"bytes"}, "/a"),
        ({"a": bytearray(b"bytes")}, "/a"),
        ({"a": {1, 2}}, "/a"),
        ({"a": uuid.UUID(int=1)}, "/a"),
        ({"a": Decimal("19.99")}, "/a"),
        ({"a": datetime(2026, 1, 5)}, "/a"),
        ({"a": "\ud800"}, "/a"),
        ({1: "a"}, ""),
    ],
)
def test_a_value_that_json_would_change_is_refused_with_its_path(posts: Any, value: Any, path: str) -> None:
    with pytest.raises(Problem) as refused:
        posts.create(value)

    assert refused.value.code == "invalid_value"
    assert [error["path"] for error in refused.value.errors] == [path]


def test_a_value_that_contains_itself_is_refused(posts: Any) -> None:
    endless: dict[str, Any] = {}
    endless["a"] = endless

    with pytest.raises(Problem, match="nested too deeply"):
        posts.create(endless)


def test_a_write_with_another_revision_is_refused(posts: Any) -> None:
    posts.create({"_id": "rye", "n": 1})

    for method, arguments, conditions in (
        (posts.put, ("rye", {}), {"if_rev": 7000}),
        (posts.patch, ("rye", {"n": 2}), {"if_rev": 7000}),
        (posts.delete, ("rye",), {"if_rev": 7000}),
        (posts.put, ("rye", {}), {"if_absent": True}),
        (posts.put, ("rye", {}), {"if_rev": 0}),
        (posts.create, ({"_id": "rye"},), {}),
    ):
        with pytest.raises(Conflict):
            method(*arguments, **conditions)
    assert posts.get("rye")["n"] == 1


def test_update_begins_again_if_somebody_else_was_faster(posts: Any) -> None:
    posts.create({"_id": "rye", "n": 1})
    seen = []

    def change(post: Any) -> Any:
        seen.append(post["n"])
        if len(seen) < 3:
            posts.patch("rye", {"$inc": {"n": 10}})
        return {"n": post["n"] + 1}

    assert posts.update("rye", change)["n"] == 22
    assert seen == [1, 11, 21]
    assert posts.update("rye", lambda post: None)["n"] == 22


def test_update_gives_up_after_its_attempts(posts: Any) -> None:
    posts.create({"_id": "rye", "n": 1})

    def change(post: Any) -> Any:
        posts.patch("rye", {"$inc": {"n": 10}})
        return {"n": 0}

    with pytest.raises(Conflict) as refused:
        posts.update("rye", change, attempts=2)
    assert refused.value.code == "stale_revision"


def test_a_commit_makes_all_writes_or_none(client: Any, posts: Any) -> None:
    rye = posts.create({"_id": "rye", "n": 1})
    patch = {"op": "patch", "collection": "posts", "id": "rye", "data": {"n": 2}}

    with pytest.raises(Problem):
        client.data.commit([patch, {"op": "check", "collection": "posts", "id": "rye", "if_rev": rye["_rev"]}])
    assert posts.get("rye")["n"] == 1

    done = client.data.commit([patch, {"op": "create", "collection": "posts", "data": {"n": 3}}])
    assert [one["rev"] for one in done["results"]] == [rye["_rev"] + 1, 1]


def test_a_transaction_runs_again_until_what_it_has_read_is_unchanged(client: Any, posts: Any) -> None:
    posts.create({"_id": "ada", "balance": 10})
    posts.create({"_id": "eve", "balance": 0})
    attempts = []

    def transfer(tx: Any) -> str:
        accounts = tx.collection("posts")
        ada = accounts.get("ada")
        attempts.append(ada["balance"])
        if len(attempts) == 1:
            posts.patch("ada", {"balance": 50})
        assert accounts.find("nobody") is None
        accounts.patch("ada", {"balance": ada["balance"] - 10})
        accounts.patch("eve", {"$inc": {"balance": 10}})
        accounts.create({"_id": "entry", "amount": 10})
        return "done"

    assert client.data.transaction(transfer) == "done"
    assert attempts == [10, 50]
    assert (posts.get("ada")["balance"], posts.get("eve")["balance"], posts.get("entry")["amount"]) == (40, 10, 10)


def test_a_transaction_that_raises_writes_nothing(client: Any, posts: Any) -> None:
    def work(tx: Any) -> None:
        tx.collection("posts").put("rye", {"n": 1})
        raise LookupError("too little")

    with pytest.raises(LookupError, match="too little"):
        client.data.transaction(work)
    assert posts.find("rye") is None


def test_a_transaction_refuses_to_read_what_it_has_written(client: Any, posts: Any) -> None:
    posts.create({"_id": "rye", "n": 1})

    def work(tx: Any) -> None:
        tx.collection("posts").patch("rye", {"n": 2})
        tx.collection("posts").get("rye")

    with pytest.raises(Problem, match="before you write it"):
        client.data.transaction(work)


def test_a_key_of_yours_makes_a_write_take_effect_once(posts: Any) -> None:
    key = uuid.uuid4().hex

    first = posts.create({"n": 1}, idempotency_key=key)
    assert posts.create({"n": 1}, idempotency_key=key) == first
    assert posts.count() == 1
    with pytest.raises(Problem) as refused:
        posts.create({"n": 2}, idempotency_key=key)
    assert refused.value.code == "idempotency_mismatch"


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), "30", 10**9])
def test_a_timeout_is_a_number_of_seconds(posts: Any, timeout: Any) -> None:
    with pytest.raises(Problem, match="number of seconds"):
        posts.count(timeout=timeout)


def test_a_header_that_cannot_be_sent_is_refused(posts: Any) -> None:
    for key in ("ä", "a\nb"):
        with pytest.raises(Problem, match="visible ASCII"):
            posts.create({}, idempotency_key=key)


@pytest.mark.parametrize("id", ["", ".", "..", None])
def test_an_empty_id_is_refused_before_anything_is_sent(posts: Any, id: Any) -> None:
    with pytest.raises(Problem) as refused:
        posts.delete(id)
    assert refused.value.code == "invalid_value"


def test_a_query_in_place_of_a_filter_is_refused(posts: Any) -> None:
    """The query would search for documents whose field `where` has this value, and would find none without an error."""
    posts.create({"_id": "a", "n": 1, "where": {"n": 1}})
    wrong: dict[str, Any] = {"where": {"n": 1}}

    for call in (
        lambda: posts.count(wrong),
        lambda: posts.query(wrong),
        lambda: posts.first(wrong),
        lambda: list(posts.all(wrong)),
        lambda: list(posts.pages({"where": {}})),
        lambda: posts.aggregate({"n": {"$count": True}}, where={"where": {"$or": [{"n": 1}]}}),
    ):
        with pytest.raises(Problem) as refused:
            call()
        assert (refused.value.code, refused.value.body["errors"][0]["path"]) == ("invalid_value", "where")

    assert posts.count({"where": {"$eq": {"n": 1}}}) == 1
    assert posts.count({"where": "here"}) == 0


def test_a_query_explains_itself(posts: Any) -> None:
    for number in range(3):
        posts.create({"n": number})

    page = posts.query({"n": {"$gt": 0}}, explain=True)

    assert page.explain is not None
    assert (page.explain["index"], page.explain["examined"]) == ("_id", 3)
    assert posts.query().explain is None
