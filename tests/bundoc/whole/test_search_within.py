"""A text search in documents with a certain value: only documents that match filter and rule use the budget."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.query.budgets import Budgets
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine import text_matching
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import Aggregation, Highlight, Query
from bunbase.contracts.bundoc.problems import QueryNeedsIndex
from bunbase.contracts.caller import Caller, EndUser
from bunbase.pkg.errors import Problem
from tests.rooms import publishable_caller, secret_caller
from tests.seeds import seeds

SERVER = secret_caller("prj_a")
ADA = publishable_caller("prj_a", EndUser("ada", None, "", {"household": "B"}, session=""))

TEXT = IndexSpec(("title",), "words", type="text")
BY_HOUSEHOLD = IndexSpec(("household",), "by_household")
MAX_SCAN = 50
OTHERS = 120
LONG = "long" * 200  # This is longer than the part of a value that a key holds.

MILK = {"$search": "milk", "household": "B"}


async def write(service: BundocService, collection: str, documents: dict[str, dict[str, Any]]) -> None:
    writes = [{"op": "create", "collection": collection, "id": id, "data": data} for id, data in documents.items()]
    await service.commit(SERVER, msgspec.json.encode({"writes": writes}))


async def ask(
    service: BundocService, where: Any, caller: Caller = SERVER, collection: str = "items", **more: Any
) -> dict[str, Any]:
    query = Query(msgspec.json.encode(where), **more)
    page: dict[str, Any] = msgspec.json.decode((await service.query(caller, collection, query)).body)
    return page


@pytest.fixture
async def tenants(engine: SqliteEngine) -> BundocService:
    """Household A has more documents with the word "milk" than a query may examine; household B has two."""
    service = BundocService(engine, bound=Budgets(MAX_SCAN), unbound=Budgets(MAX_SCAN))
    await service.put_collection(SERVER, "items", CollectionSpec((TEXT,)))
    documents = {f"a{n}": {"title": f"milk {n}", "household": "A"} for n in range(OTHERS)}
    documents |= {"b1": {"title": "oat milk", "household": "B"}, "b2": {"title": "milk milk", "household": "B"}}
    await write(service, "items", documents)
    return service


async def test_documents_of_others_count_for_a_search_until_an_index_narrows_it(tenants: BundocService) -> None:
    with pytest.raises(QueryNeedsIndex) as refused:
        await ask(tenants, MILK)
    await tenants.put_collection(SERVER, "items", CollectionSpec((TEXT, BY_HOUSEHOLD)))
    found = await ask(tenants, MILK, count=True, explain=True, score=True, highlight=Highlight(("title",)))
    total = await tenants.aggregate(SERVER, "items", Aggregation(b'{"n":{"$count":true}}', msgspec.json.encode(MILK)))

    assert refused.value.extra["index"] == {"fields": ["household"]}
    assert [one["_id"] for one in found["items"]] == ["b2", "b1"]
    assert found["items"][1]["_highlights"] == {"title": "oat <mark>milk</mark>"}
    assert found["count"] == 2
    assert found["explain"].pop("warnings")[0]["index"] is None
    assert found["explain"] == {"index": "words", "ordered_by_index": False, "examined": 2, "within": "by_household"}
    assert msgspec.json.decode(total.body) == {"items": [{"n": 2}], "next": None}


async def test_a_search_in_a_large_household_is_still_refused_and_names_no_index(tenants: BundocService) -> None:
    await tenants.put_collection(SERVER, "items", CollectionSpec((TEXT, BY_HOUSEHOLD)))

    with pytest.raises(QueryNeedsIndex) as refused:
        await ask(tenants, {"$search": "milk", "household": "A"})

    assert refused.value.extra["index"] is None
    assert "Add words to the search" in refused.value.detail


@pytest.mark.parametrize(
    "rule",
    [
        "doc.household == auth.claims.household",
        "doc.household == auth.claims.household && size(doc.title) > 2",
        "doc.household in [auth.claims.household, 'C']",
    ],
)
async def test_a_rule_narrows_the_search_of_its_users_without_a_filter(tenants: BundocService, rule: str) -> None:
    await tenants.put_collection(SERVER, "items", CollectionSpec((TEXT, BY_HOUSEHOLD), Rules(list=rule)))

    found = await ask(tenants, {"$search": "milk"}, ADA, count=True)

    assert [one["_id"] for one in found["items"]] == ["b2", "b1"]
    assert found["count"] == 2


@pytest.mark.parametrize("many", [1, 99, 100, 199])
async def test_a_search_within_a_list_of_values_may_have_as_many_as_a_filter(tenants: BundocService, many: int) -> None:
    await tenants.put_collection(SERVER, "items", CollectionSpec((TEXT, BY_HOUSEHOLD)))
    households = ["B", *(f"none{number}" for number in range(many))]

    found = await ask(tenants, {"$search": "milk", "household": {"$in": households}})

    assert [one["_id"] for one in found["items"]] == ["b2", "b1"]


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("numbers", [text_matching.MAX_NUMBERS, 3])
async def test_searches_find_the_same_with_and_without_the_index(
    service: BundocService, monkeypatch: pytest.MonkeyPatch, seed: int, numbers: int
) -> None:
    monkeypatch.setattr(text_matching, "MAX_NUMBERS", numbers)
    draw = random.Random(seed)
    values = ["A", "B", 1, True, None, LONG, f"{LONG}!", ["A", "B"], [], {"a": 1}]
    words = ["milk", "oat", "bread", "fox"]
    documents = {
        f"d{n}": {
            "title": " ".join(draw.choices(words, k=draw.randint(1, 6))),
            "household": draw.choice(values),
            "n": draw.randint(0, 3),
        }
        for n in range(60)
    }
    rules = Rules(list="doc.household == auth.claims.household || doc.n == 1")
    indexes = (BY_HOUSEHOLD, IndexSpec(("n", "household")), IndexSpec(("n",), "some", where={"household": "A"}))
    for name, more in (("plain", ()), ("items", indexes)):
        await service.put_collection(SERVER, name, CollectionSpec((TEXT, *more), rules))
        await write(service, name, documents)

    for _ in range(40):
        where: dict[str, Any] = {"$search": " ".join(draw.choices([*words, "-fox", "mi*"], k=2))}
        if draw.random() < 0.8:
            where["household"] = draw.choice([draw.choice(values), {"$in": draw.choices(values[:7], k=2)}])
        if draw.random() < 0.5:
            where["n"] = draw.choice([1, {"$gt": 1}, {"$in": [0, 2]}])
        sort = draw.choice([(), ("n",), ("-household",)])
        for caller in (SERVER, ADA):
            plain, narrowed = [
                await outcome(service, where, caller, name, sort=sort, count=True, score=True)
                for name in ("plain", "items")
            ]
            assert plain == narrowed, where


async def outcome(service: BundocService, where: Any, caller: Caller, name: str, **more: Any) -> Any:
    """Return the answer without the times, or the code of the refusal."""
    try:
        page = await ask(service, where, caller, name, **more)
    except Problem as refused:
        return refused.code
    items = [{key: value for key, value in one.items() if key not in ("_created", "_updated")} for one in page["items"]]
    return items, page["count"], page["next"] is None
