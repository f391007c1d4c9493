"""A query with several values for an index's first field keeps the order of its other fields: ranges are merged."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any, Final

import msgspec
import pytest

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.query.budgets import Budgets
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.sort import parse_sort
from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.problems import QueryNeedsIndex
from bunbase.contracts.caller import Caller
from tests.bundoc.permissions.asking import ADA, SERVER, C, asked
from tests.bundoc.query.test_counts import NOW, kept, ruled, searching, sqlite
from tests.seeds import seeds

__all__ = ["sqlite"]

HOMES: Final = ["red", "blue", "green"]
RULE: Final = "doc.home in auth.claims.homes"
INDEX: Final = IndexSpec(("home", "-date"), "home_date")
KINDED: Final = IndexSpec(("home", "kind", "-date"), "home_kind_date")
EXPLAINING: Final = msgspec.structs.replace(ADA, explain=True)


def living_in(*homes: str) -> Caller:
    assert EXPLAINING.user is not None
    user = msgspec.structs.replace(EXPLAINING.user, claims={"homes": list(homes)})
    return msgspec.structs.replace(EXPLAINING, user=user)


async def filled(engine: SqliteEngine, *indexes: IndexSpec) -> BundocService:
    """Return a service with 40 documents in each of four homes; a query may examine 30 of them."""
    service = BundocService(engine, bound=Budgets(30), unbound=Budgets(30))
    await service.put_collection(SERVER, C, CollectionSpec(indexes, rules=Rules(list=RULE, get=RULE)))
    writes = [
        {
            "op": "create",
            "collection": C,
            "data": {"_id": f"{home}{day:02}", "home": home, "date": f"2026-{day:02}", "kind": f"k{day % 4}"},
        }
        for home in (*HOMES, "black")
        for day in range(40)
    ]
    await service.commit(SERVER, msgspec.json.encode({"writes": writes}))
    return service


async def walked(service: BundocService, caller: Caller, again: int = 0, **query: Any) -> list[str]:
    """Return the ids on all pages. `again`: the number of documents of the previous page that are read again."""
    ids: list[str] = []
    page: dict[str, Any] = {"next": None}
    for number in itertools.count():
        page = await asked(service, caller, cursor=page["next"], explain=True, **query)
        ids += [item["_id"] for item in page["items"]]
        assert number < 100
        assert page["explain"]["examined"] <= query["limit"] + 1 + again
        assert "warnings" not in page["explain"]
        if page["next"] is None:
            return ids
    return ids


async def test_a_list_of_several_homes_reads_only_its_page(engine: SqliteEngine) -> None:
    service = await filled(engine, INDEX)
    newest = sorted((f"{home}{day:02}" for home in HOMES for day in range(40)), key=lambda id: (id[-2:], id))[::-1]

    page = await asked(service, living_in(*HOMES), sort=("-date",), limit=5, explain=True)

    assert [item["_id"] for item in page["items"]] == newest[:5]
    assert page["explain"]["index"] == "home_date"
    assert page["explain"]["merged_ranges"] == 3
    assert await walked(service, living_in(*HOMES), sort=("-date",), limit=7) == newest
    assert await walked(service, living_in(*HOMES), sort=("date",), limit=7) == newest[::-1]


@pytest.mark.parametrize(
    ("where", "indexes", "merged"),
    [
        ({"home": {"$in": ["red", "blue"]}}, (INDEX,), 2),
        ({"home": {"$in": ["red", "blue"]}, "kind": "k1"}, (INDEX, KINDED), 2),
        ({"home": {"$in": ["red", "blue"]}, "kind": {"$in": ["k1", "k2"]}}, (INDEX, KINDED), 4),
        ({"home": {"$in": ["red", "blue", "black"]}}, (INDEX,), 2),  # this case is for Ada, who does not live in black
    ],
)
async def test_listed_values_of_a_filter_are_merged_for_every_caller(
    engine: SqliteEngine, where: dict[str, Any], indexes: tuple[IndexSpec, ...], merged: int
) -> None:
    service = await filled(engine, *indexes)
    sent = msgspec.json.encode(where)

    page = await asked(service, living_in("red", "blue"), where=sent, sort=("-date",), limit=3, explain=True)

    assert page["explain"]["merged_ranges"] == merged
    ids = await walked(service, living_in("red", "blue"), where=sent, sort=("-date",), limit=3)
    if "black" not in str(where):
        assert await walked(service, SERVER, where=sent, sort=("-date",), limit=3) == ids
    kinds = str(where.get("kind", "k0k1k2k3"))
    days = [day for day in range(39, -1, -1) if f"k{day % 4}" in kinds]
    assert ids == [f"{home}{day:02}" for day in days for home in ("red", "blue")]


async def test_a_range_after_the_listed_field_ends_a_page_early(engine: SqliteEngine) -> None:
    service = await filled(engine, INDEX)
    where = b'{"date":{"$gte":"2026-38"}}'

    ids = await walked(service, living_in(*HOMES), where=where, sort=("-date",), limit=20)

    assert sorted(ids) == sorted(f"{home}{day}" for home in HOMES for day in (38, 39))


async def test_the_refusal_names_the_index_that_is_merged(engine: SqliteEngine) -> None:
    service = await filled(engine)
    caller = living_in(*HOMES)
    sent = b'{"home":{"$in":["red","blue"]}}'

    for who, where in ((caller, None), (SERVER, sent)):
        with pytest.raises(QueryNeedsIndex) as refused:
            await asked(service, who, where=where, sort=("-date",), limit=5)
        assert refused.value.extra["index"] == {"fields": ["home", "-date"]}


ALL_DAYS: Final = list(range(40))


@pytest.mark.parametrize(
    ("fields", "sort", "days"),
    [
        (("home", "-date", "kind"), ("-date",), ALL_DAYS[::-1]),
        (("home", "-date", "kind"), ("date",), ALL_DAYS),
        (("home", "-date", "-kind"), ("home", "-date"), ALL_DAYS[::-1]),
        (("home", "-date"), ("home", "-date"), ALL_DAYS[::-1]),
        (("home", "date", "kind", "pad"), ("-date",), ALL_DAYS[::-1]),
        (("home", "date", "kind", "pad"), ("date", "kind"), ALL_DAYS),
    ],
)
async def test_an_index_with_further_fields_serves_the_order_of_its_first_fields(
    engine: SqliteEngine, fields: tuple[str, ...], sort: tuple[str, ...], days: list[int]
) -> None:
    service = await filled(engine, IndexSpec(fields, "long"))
    sent = b'{"home":"red"}'

    page = await asked(service, SERVER, where=sent, sort=sort, limit=5, explain=True)

    assert page["explain"] == {"index": "long", "ordered_by_index": True, "examined": 6}
    for caller in (SERVER, living_in(*HOMES)):
        ids = await walked(service, caller, again=1, where=sent, sort=sort, limit=7)
        assert ids == [f"red{day:02}" for day in days]


async def test_an_index_with_the_exact_order_is_chosen_before_a_longer_one(engine: SqliteEngine) -> None:
    service = await filled(engine, IndexSpec(("home", "-date", "kind"), "a_longer"), INDEX)

    page = await asked(service, SERVER, where=b'{"home":"red"}', sort=("-date",), limit=5, explain=True)

    assert page["explain"]["index"] == INDEX.name


VALUES: Final[list[Any]] = [None, True, 0, 1, 1.0, "", "a", "b", "a\x00", "x" * 600, "x" * 600 + "y", {"p": 1}]
LISTED: Final[list[Any]] = [True, 0, 1, "", "a", "b", "a\x00", "x" * 600]
FIELDS: Final = ("a", "b", "c")
SOURCES: Final = ["true", "doc.a in auth.claims.many", "doc.a in ['a', 'b', 1] && doc.b == 1", "doc.b in ['a', 1]"]
SOURCES_LEFT: Final = ["doc.a in ['a', 'b'] && size(doc.c) < 2"]  # A part of this rule is evaluated in Python.


def signed(random: Random, names: list[str]) -> tuple[str, ...]:
    return tuple(random.choice(["", "-"]) + name for name in names)


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(4))
def test_plans_with_merged_ranges_answer_as_without_an_index(sqlite: Any, seed: int) -> None:
    random = Random(seed)
    merged = tied = 0
    for _ in range(6):
        arrays = random.random() < 0.2
        rows = [{name: random.choice(VALUES) for name in FIELDS if random.random() < 0.9} for _ in range(24)]
        if arrays:
            rows[0]["a"] = ["a", "b", 1]
        stored = [
            StoredDocument(f"d{number:02}", 1, NOW, NOW, msgspec.json.encode(row)) for number, row in enumerate(rows)
        ]
        specs = tuple(
            IndexSpec(signed(random, random.sample(FIELDS, random.choice([1, 2, 3]))), f"i{number}")
            for number in range(3)
        )
        bare = kept(sqlite, stored, ())
        searches = [_drawn(random) for _ in range(12)]
        expected = [_pages(sqlite, bare, search)[0] for search in searches]
        table = kept(sqlite, stored, specs)
        for search, ids in zip(searches, expected, strict=True):
            found, plan = _pages(sqlite, table, search)
            assert found == ids, (search.where, search.order, specs)
            counted = searching(sqlite, table, msgspec.structs.replace(search, count=True)).found()
            assert counted.count == len(ids)
            merged += plan.merged
            tied += bool(plan.tied)
    assert merged + tied >= 3


def _drawn(random: Random) -> Search:
    where: dict[str, Any] = {}
    for name in random.sample(FIELDS, random.choice([1, 2])):
        listed = {"$in": random.sample(LISTED, random.choice([1, 2, 4]))}
        where[name] = random.choice([listed, listed, random.choice(LISTED), {"$gte": "a"}])
    sort = signed(random, random.sample([*FIELDS, "_created"], random.choice([0, 1, 1, 2])))
    rule = CompiledRule(random.choice([*SOURCES, *SOURCES_LEFT]), "list")
    return msgspec.structs.replace(ruled(rule, where, limit=random.choice([1, 3, 30])), order=parse_sort(sort))


def _pages(sqlite: Any, table: Any, search: Search) -> tuple[list[str], Any]:
    ids: list[str] = []
    after: bytes | None = None
    for _ in range(40):
        one = searching(sqlite, table, msgspec.structs.replace(search, after=after))
        found = one.found()
        ids += [document.id for document in found.items]
        if not found.more:
            return ids, one.plan
        after = found.last
    raise AssertionError("the pages have no end")


def test_a_merge_reads_no_document_before_its_turn(sqlite: Any) -> None:
    rows = [{"a": f"v{number % 50}", "b": number, "pad": "x" * 1000} for number in range(200)]
    stored = [StoredDocument(f"d{number:03}", 1, NOW, NOW, msgspec.json.encode(row)) for number, row in enumerate(rows)]
    table = kept(sqlite, stored, (IndexSpec(("a", "b"), "a_b"),))
    where = parse_where(msgspec.json.encode({"a": {"$in": [f"v{number}" for number in range(50)]}}))

    found = searching(sqlite, table, Search(where=where, order=parse_sort(("b",)), limit=2, max_bytes=4000)).found()

    assert [one.id for one in found.items] == ["d000", "d001"]
    assert (found.examined, found.merged) == (3, 50)
