"""Queries, indexes and collections, as every engine must implement them."""

from __future__ import annotations

import asyncio
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.query.budgets import Budgets
from bunbase.bundoc.query.order import key
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.predicate import matches, single
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Query
from bunbase.contracts.bundoc.problems import CollectionNotFound, InvalidQuery, QueryNeedsIndex, UniqueViolation
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.errors import InvalidInput
from tests.bundoc.engines import sqlite_engine
from tests.bundoc.query.generated import documents, filters, scalars
from tests.fakes import FakeKms
from tests.rooms import secret_caller
from tests.seeds import examples

CALLER = secret_caller("prj_a")
C = "posts"


async def put(service: BundocService, id: str, document: dict[str, Any], collection: str = C) -> None:
    await service.put(CALLER, collection, id, msgspec.json.encode(document), NO_PRECONDITION)


async def ask(service: BundocService, where: Any = None, collection: str = C, **more: Any) -> dict[str, Any]:
    text = None if where is None else msgspec.json.encode(where)
    page: dict[str, Any] = msgspec.json.decode((await service.query(CALLER, collection, Query(text, **more))).body)
    return page


async def walked(service: BundocService, where: Any, collection: str = C, **more: Any) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = await ask(service, where, collection, cursor=cursor, **more)
        found += [item["_id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            return found


async def index(service: BundocService, *fields: str, unique: bool = False, collection: str = C) -> None:
    await service.put_collection(CALLER, collection, CollectionSpec((IndexSpec(fields, "one", unique),)))


async def examined(service: BundocService, where: Any, **more: Any) -> tuple[str, int]:
    explained = (await ask(service, where, explain=True, **more))["explain"]
    return explained["index"], explained["examined"]


def path_of(field: str) -> str:
    return field.removeprefix("-")


orders = st.lists(st.sampled_from(["a", "-a", "b", "-b", "_id", "-_id", "a.b"]), max_size=2, unique_by=path_of)
wheres = st.one_of(
    filters,
    st.fixed_dictionaries({"a": scalars}),
    st.tuples(st.sampled_from(["$gt", "$lte"]), st.integers(-2, 2)).map(lambda pair: {"a": {pair[0]: pair[1]}, "b": 1}),
    st.fixed_dictionaries({"a": st.fixed_dictionaries({"$in": st.lists(st.integers(-2, 2), max_size=3)})}),
    st.sampled_from(["", "a", "ab", "a\x00", "é"]).map(lambda text: {"a": {"$startsWith": text}}),
    st.sampled_from(["^a", "^ab?", "^b.*", "^é$"]).map(lambda text: {"a": {"$regex": text, "$gte": "a"}}),
)


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_any_query_over_any_index_agrees_with_the_predicate(data: st.DataObject) -> None:
    stored = data.draw(st.lists(documents, max_size=12))
    where, sort = data.draw(wheres), tuple(data.draw(orders))
    fields = tuple(data.draw(st.lists(st.sampled_from(["a", "-a", "b", "-b", "a.b"]), max_size=2, unique_by=path_of)))
    partial = data.draw(st.sampled_from([None, where, {"a": {"$exists": True}}, {"a": {"$gte": -1}}, {"b": 1}]))
    limit = data.draw(st.integers(1, 5))

    spec = IndexSpec(fields, "one", where=partial) if fields else None
    found = asyncio.run(_found_in_a_new_collection(stored, where, sort, spec, limit))

    assert found == _expected(stored, where, sort)


async def _found_in_a_new_collection(
    stored: list[dict[str, Any]], where: Any, sort: tuple[str, ...], spec: IndexSpec | None, limit: int
) -> list[str]:
    with tempfile.TemporaryDirectory() as directory:
        async with sqlite_engine(Path(directory) / "bundoc", FakeKms()) as engine:
            service = BundocService(engine)
            half = len(stored) // 2
            for number, document in islice(enumerate(stored), half):
                await put(service, f"d{number:02}", {"a": "before"})
                await put(service, f"d{number:02}", document)
            if spec is not None:
                await service.put_collection(CALLER, C, CollectionSpec((spec,)))
            for number, document in islice(enumerate(stored), half, None):
                await put(service, f"d{number:02}", {"a": "before"})
                await put(service, f"d{number:02}", document)
            return await walked(service, where, sort=sort, limit=limit)


def _expected(stored: list[dict[str, Any]], where: Any, sort: tuple[str, ...]) -> list[str]:
    found = [{"_id": f"d{number:02}", **document} for number, document in enumerate(stored)]
    test = parse_where(msgspec.json.encode(where))
    found = [document for document in found if matches(test, document)]
    found.sort(key=lambda document: document["_id"], reverse=bool(sort) and sort[-1].startswith("-"))
    for field in reversed(sort):
        path = tuple(field.removeprefix("-").split("."))
        found.sort(key=lambda document: key(single(document, path)), reverse=field.startswith("-"))
    return [document["_id"] for document in found]


async def test_pages_continue_correctly_while_documents_are_added_and_deleted(service: BundocService) -> None:
    for number in range(30):
        await put(service, f"m{number:02}", {"n": number // 3})
    await index(service, "-n")

    seen: list[str] = []
    cursor = None
    while True:
        page = await ask(service, None, sort=("n",), limit=4, cursor=cursor)
        seen += [item["_id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
        await service.delete(CALLER, C, seen[-1], NO_PRECONDITION)
        # This document sorts before the pages already read, so it is not seen.
        await put(service, f"a{len(seen)}", {"n": -1})

    assert sorted(seen) == [f"m{number:02}" for number in range(30)]


async def test_a_cursor_is_valid_only_for_its_query(service: BundocService) -> None:
    for number in range(3):
        await put(service, f"d{number}", {"n": number})
    cursor = (await ask(service, {"n": {"$gte": 0}}, sort=("n",), limit=1))["next"]

    for where, sort in (({"n": {"$gte": 1}}, ("n",)), ({"n": {"$gte": 0}}, ("-n",))):
        with pytest.raises(InvalidCursor):
            await ask(service, where, sort=sort, cursor=cursor)


async def test_a_cursor_is_valid_for_every_spelling_of_its_query(service: BundocService) -> None:
    for number in range(3):
        await put(service, f"d{number}", {"n": number, "a": "x" * 2000, "b": True})
    long = tuple(f"a.{name}" for name in "abcdef")
    cursor = (await ask(service, {"n": {"$gte": 0}, "b": True}, sort=("a", "n", *long), limit=1))["next"]

    rest = await ask(
        service, {"$and": [{"b": {"$eq": True}}, {"n": {"$gte": 0.0}}]}, sort=("a", "n", *long), cursor=cursor
    )

    assert [one["_id"] for one in rest["items"]] == ["d1", "d2"]


async def test_a_cursor_is_bounded_however_long_the_values_of_its_sort_are(service: BundocService) -> None:
    long = dict.fromkeys("abcdefgh", "\U0010ffff" * 1000)
    for number in range(2):
        await put(service, f"d{number}" + "x" * 60, long)

    for sign in ("", "-"):
        page = await ask(service, {}, sort=tuple(f"{sign}{name}" for name in long), limit=1)
        assert 4000 < len(page["next"]) <= 8000


async def test_explain_names_the_index_and_the_number_of_examined_documents(service: BundocService) -> None:
    for number in range(50):
        await put(service, f"d{number:02}", {"owner": f"o{number % 5}", "n": number, "tags": ["x", f"t{number}"]})
    specs = (
        IndexSpec(("owner", "-n"), "by_owner"),
        IndexSpec(("n",), "by_n"),
        IndexSpec(("tags",), "by_tag"),
    )
    await service.put_collection(CALLER, C, CollectionSpec(specs))

    assert await examined(service, {"owner": "o1"}, sort=("-n",), limit=3) == ("by_owner", 4)
    assert await examined(service, {"owner": "o1"}, sort=("n",), limit=3) == ("by_owner", 4)
    assert await examined(service, {"owner": "o1", "n": {"$gt": 40}}) == ("by_owner", 2)
    assert await examined(service, {"n": {"$gte": 10, "$lt": 13}}) == ("by_n", 4)
    assert await examined(service, {"n": {"$in": [1, 2, 99]}}) == ("by_n", 2)
    assert await examined(service, None, sort=("-n",), limit=5) == ("by_n", 6)
    assert await examined(service, {"tags": "t7"}) == ("by_tag", 1)
    assert await examined(service, {"_id": {"$in": ["d01", "d02"]}}) == ("_id", 2)
    assert await examined(service, {"other": 1}) == ("_id", 50)
    assert await examined(service, {"tags": {"$startsWith": "t4"}}) == ("by_tag", 11)
    assert await examined(service, {"owner": "o1", "n": 1}, sort=("-n",)) == ("by_owner", 1)
    assert await examined(service, {"tags": {"$regex": "^t4.$"}}) == ("by_tag", 11)
    assert await examined(service, {"tags": {"$regex": "t4"}}) == ("_id", 50)


@pytest.mark.parametrize("more", [{}, {"limit": 500}])
async def test_a_missing_collection_is_empty_and_reported_as_missing(
    service: BundocService, more: dict[str, Any]
) -> None:
    assert await ask(service, {"a": 1}, "nowhere", count=True, **more) == {"items": [], "next": None, "count": 0}


async def test_a_query_over_its_budget_names_the_index_that_helps(engine: SqliteEngine) -> None:
    service = BundocService(engine, bound=Budgets(20), unbound=Budgets(20))
    for number in range(40):
        await put(service, f"d{number:02}", {"owner": f"o{number % 4}", "n": number})

    with pytest.raises(QueryNeedsIndex) as refused:
        await ask(service, {"owner": "o1"}, sort=("-n",))
    fields = refused.value.extra["index"]["fields"]
    assert fields == ["owner", "-n"]

    await index(service, *fields)
    assert len((await ask(service, {"owner": "o1"}, sort=("-n",), count=True))["items"]) == 10
    assert (await ask(service, None, count=True, limit=1))["count"] == 40
    for number in range(40, 61):
        await put(service, f"d{number:02}", {"owner": "o9", "n": number})
    with pytest.raises(QueryNeedsIndex) as refused:
        await service.aggregate(CALLER, C, Aggregation(b'{"n":{"$count":true}}', b'{"other":{"$gt":1}}'))
    assert refused.value.extra["index"] == {"fields": ["other"]}
    for where, number in ((None, 61), (b'{"owner":"o9"}', 21), (b'{"n":{"$gte":40}}', 21)):
        found = await service.aggregate(CALLER, C, Aggregation(b'{"n":{"$count":true}}', where))
        assert msgspec.json.decode(found.body)["items"] == [{"n": number}]
    counted = await service.aggregate(
        CALLER, C, Aggregation(b'{"n":{"$count":true},"m":{"$count":true}}', b'{"owner":"o1"}')
    )
    assert msgspec.json.decode(counted.body) == {"items": [{"n": 10, "m": 10}], "next": None}


async def test_a_query_counts_all_matches_and_selects_fields(service: BundocService) -> None:
    for number in range(7):
        await put(service, f"d{number}", {"n": number, "deep": {"a": 1.0, "b": 2}, "list": [{"a": 1, "b": 2}, 3]})

    page = await ask(service, {"n": {"$gt": 2}}, count=True, limit=1, select=("deep.a", "list.b"))

    assert page["count"] == 4
    assert page["items"] == [{"_id": "d3", "deep": {"a": 1.0}, "list": [{"b": 2}]}]


async def test_aggregates_are_computed_for_each_group(service: BundocService) -> None:
    rows = [("done", 2), ("open", 5), ("done", 10**18), ("open", None), ("done", 2)]
    for number, (status, price) in enumerate(rows):
        await put(service, f"d{number}", {"status": status, "price": price})
    values = {
        "total": {"$sum": "price"}, "mean": {"$avg": "price"}, "least": {"$min": "price"},
        "most": {"$max": "price"}, "kinds": {"$countDistinct": "price"}, "n": {"$count": True},
    }  # fmt: skip

    page = await service.aggregate(CALLER, C, Aggregation(msgspec.json.encode(values), group=("status",)))

    done, open = msgspec.json.decode(page.body)["items"]
    assert done == {
        "status": "done", "total": 10**18 + 4, "mean": (10**18 + 4) / 3, "least": 2, "most": 10**18, "kinds": 2, "n": 3,
    }  # fmt: skip
    assert open == {"status": "open", "total": 5, "mean": 5.0, "least": 5, "most": 5, "kinds": 1, "n": 2}


@pytest.mark.parametrize(
    "values",
    [b"{}", b"[]", b'{"n":{"$median":"a"}}', b'{"n":{"$count":1}}', b'{"n":{"$sum":""}}', b'{"g":{"$sum":"a"}}'],
)
async def test_an_invalid_aggregate_is_refused(service: BundocService, values: bytes) -> None:
    with pytest.raises(InvalidQuery):
        await service.aggregate(CALLER, C, Aggregation(values, group=("g",)))


async def test_a_unique_index_refuses_a_duplicate_without_side_effects(service: BundocService) -> None:
    await index(service, "email", unique=True)
    await put(service, "d1", {"email": "ada@example.com"})
    await put(service, "d2", {})
    await put(service, "d3", {"email": None})

    for id in ("d2", "d4"):
        with pytest.raises(UniqueViolation) as refused:
            await put(service, id, {"email": "ada@example.com"})
        assert refused.value.extra["index"] == "one"

    await put(service, "d1", {"email": "eve@example.com"})
    await put(service, "d4", {"email": "ada@example.com"})
    assert await walked(service, {"email": "ada@example.com"}) == ["d4"]
    await service.delete(CALLER, C, "d4", NO_PRECONDITION)
    assert await walked(service, {"email": {"$startsWith": ""}}) == ["d1"]


async def test_a_partial_index_holds_only_documents_that_match_its_filter(service: BundocService) -> None:
    spec = IndexSpec(("n",), "open", where={"status": {"$in": ["open", "new"]}})
    await service.put_collection(CALLER, C, CollectionSpec((spec,)))
    for number in range(30):
        await put(service, f"d{number:02}", {"n": number, "status": "open" if number % 10 == 0 else "done"})

    assert await examined(service, {"n": {"$gte": 5}, "status": "open"}) == ("open", 2)
    assert await examined(service, {"status": "open"}) == ("open", 3)
    assert await examined(service, {"n": {"$gte": 5}}, limit=30) == ("_id", 30)
    assert await examined(service, {"n": 10, "status": "done"}) == ("_id", 30)

    await put(service, "d10", {"n": 10, "status": "done"})
    await put(service, "d11", {"n": 11, "status": "new"})
    await service.delete(CALLER, C, "d20", NO_PRECONDITION)
    assert await walked(service, {"status": {"$in": ["new", "open"]}}, sort=("-n",)) == ["d11", "d00"]
    assert (await service.collection(CALLER, C)).indexes[0].where == {"status": {"$in": ["open", "new"]}}


async def test_a_partial_unique_index_refuses_duplicates_only_among_its_documents(service: BundocService) -> None:
    spec = IndexSpec(("email",), "active", unique=True, where={"deleted": False})
    await service.put_collection(CALLER, C, CollectionSpec((spec,)))
    await put(service, "d1", {"email": "ada@example.com", "deleted": True})
    await put(service, "d2", {"email": "ada@example.com", "deleted": False})
    await put(service, "d3", {"email": "ada@example.com"})

    with pytest.raises(UniqueViolation):
        await put(service, "d1", {"email": "ada@example.com", "deleted": False})

    await put(service, "d2", {"email": "ada@example.com", "deleted": True})
    await put(service, "d1", {"email": "ada@example.com", "deleted": False})
    assert await examined(service, {"email": "ada@example.com", "deleted": False}) == ("active", 1)


async def test_stored_duplicates_prevent_a_unique_index(service: BundocService) -> None:
    for number in range(450):
        await put(service, f"d{number:03}", {"n": min(number, 448)})

    with pytest.raises(UniqueViolation):
        await index(service, "n", unique=True)

    assert (await service.collection(CALLER, C)).indexes == ()
    await put(service, "more", {"n": 448})


async def test_an_index_is_built_while_writes_go_on(service: BundocService) -> None:
    await asyncio.gather(*(put(service, f"d{number:04}", {"n": number}) for number in range(1000)))

    building = asyncio.create_task(index(service, "n"))
    await asyncio.gather(*(put(service, f"d{number:04}", {"n": -number}) for number in range(0, 1000, 2)))
    await building

    assert await examined(service, {"n": -998}) == ("one", 1)
    expected = [f"d{number:04}" for number in [*range(998, -1, -2), *range(1, 1000, 2)]]
    assert await walked(service, None, sort=("n",), limit=500) == expected


async def test_a_collection_is_created_measured_altered_and_dropped(service: BundocService) -> None:
    made = await service.put_collection(
        CALLER, "notes", CollectionSpec((IndexSpec(("n",), "by_n"), IndexSpec(("a", "-b.c"))))
    )
    assert [(one.fields, one.ready) for one in made.indexes] == [(("a", "-b.c"), True), (("n",), True)]
    await put(service, "d1", {"n": 1}, "notes")

    altered = await service.put_collection(CALLER, "notes", CollectionSpec((IndexSpec(("n",), "by_n"),)))
    assert [one.name for one in altered.indexes] == ["by_n"]
    assert (altered.documents, altered.bytes) == (1, len(b'{"n":1}'))
    assert [one.name for one in await service.collections(CALLER)] == ["notes"]

    await service.drop_collection(CALLER, "notes")
    with pytest.raises(CollectionNotFound):
        await service.drop_collection(CALLER, "notes")
    assert (await ask(service, collection="notes"))["items"] == []
    await put(service, "d2", {"n": 1}, "notes")
    assert await walked(service, None, "notes") == ["d2"]


@pytest.mark.parametrize(
    "specs",
    [
        (IndexSpec(()),),
        (IndexSpec(("_id",)),),
        (IndexSpec(("a", "a")),),
        (IndexSpec(("a",), "Not A Name"),),
        (IndexSpec(("a",), "x"), IndexSpec(("b",), "x")),
        tuple(IndexSpec((f"f{number}",)) for number in range(33)),
    ],
)
async def test_an_invalid_index_is_refused(service: BundocService, specs: tuple[IndexSpec, ...]) -> None:
    with pytest.raises(InvalidInput):
        await service.put_collection(CALLER, C, CollectionSpec(specs))


async def test_in_production_collections_must_be_created_explicitly(engine: SqliteEngine) -> None:
    service = BundocService(engine, dev=False)

    for call in (put(service, "d1", {}), ask(service), service.list(CALLER, C, 20, None)):
        with pytest.raises(CollectionNotFound):
            await call

    await service.put_collection(CALLER, C, CollectionSpec(()))
    await put(service, "d1", {})
    assert await walked(service, None) == ["d1"]
