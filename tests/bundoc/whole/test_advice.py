"""The advice of a refusal is right: its index serves the query, or it explains the work that remains."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations
from random import Random
from typing import Any, Final

import msgspec
import pytest

from bunbase.bundoc.query import budgets
from bunbase.bundoc.query.advice import Indexes, advice
from bunbase.bundoc.query.budgets import UNBOUND, Budgets
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.plan import Index, choose
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.sort import parse_sort
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import Aggregation
from bunbase.contracts.bundoc.problems import QueryNeedsIndex
from bunbase.contracts.caller import Caller
from bunbase.pkg import effort
from tests.bundoc.permissions.asking import ADA, SERVER, C, asked
from tests.seeds import seeds

MOST: Final = 8  # A query may examine this many documents.
LIMIT: Final = 3
MOST_PLANS: Final = 20  # One advice makes at most this many plans: 16 for orders by ranges, and 3 for indexes.
ROOMS: Final = ["red", "blue"]
FIELDS: Final = ("room", "n", "kind", "_created")
RULES: Final = ("true", "doc.room in auth.claims.rooms", "doc.room == 'red' || doc.kind == 'a'", "size(doc.kind) < 9")
WHERE: Final[list[dict[str, Any]]] = [
    {"room": "red"},
    {"room": {"$in": ROOMS}},
    {"n": {"$gt": 4}},
    {"n": {"$gte": 0, "$lt": 90}},
    {"n": 5},
    {"_created": {"$gt": "1970-01-01T00:00:00.000Z"}},
    {"kind": {"$ne": "z"}},
    {"kind": {"$ne": "a"}},
    {"kind": {"$startsWith": "a"}},
    {"kind": "a", "n": {"$gt": 30}},
]
SORTS: Final = ("n", "-n", "-_created", "kind", "room", "-room")


def in_rooms() -> Caller:
    assert ADA.user is not None
    user = msgspec.structs.replace(ADA.user, claims={"rooms": ROOMS})
    return msgspec.structs.replace(ADA, explain=True, user=user)


async def filled(engine: SqliteEngine, rule: str, indexes: tuple[IndexSpec, ...]) -> BundocService:
    service = BundocService(engine, bound=Budgets(MOST), unbound=Budgets(MOST))
    await service.put_collection(SERVER, C, CollectionSpec(indexes, rules=Rules(list=rule, get=rule)))
    data = [
        {"_id": f"d{number * 37 % 80:02}", "room": ROOMS[number % 2], "n": number, "kind": "ab"[number // 2 % 2]}
        for number in range(80)
    ]
    writes = [{"op": "create", "collection": C, "data": one} for one in data]
    await service.commit(SERVER, msgspec.json.encode({"writes": writes}))
    return service


async def refusal(service: BundocService, caller: Caller, query: dict[str, Any]) -> QueryNeedsIndex | None:
    try:
        await asked(service, caller, limit=LIMIT, **query)
    except QueryNeedsIndex as refused:
        return refused
    return None


async def build(service: BundocService, specs: list[tuple[str, ...]], rule: str) -> None:
    indexes = tuple([IndexSpec(fields, f"i{number}") for number, fields in enumerate(specs)])
    await service.put_collection(SERVER, C, CollectionSpec(indexes, rules=Rules(list=rule, get=rule)))


def drawn(random: Random) -> dict[str, Any]:
    parts = random.sample(WHERE, random.choice([0, 1, 1, 2, 2, 3]))
    sort = tuple(random.sample(SORTS, random.choice([0, 1, 1, 2])))
    if len({name.lstrip("-") for name in sort}) < len(sort):
        sort = sort[:1]
    return {"where": msgspec.json.encode({"$and": parts}) if parts else None, "sort": sort}


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(3))
async def test_the_advised_index_serves_the_query(engine: SqliteEngine, seed: int) -> None:
    random, met = Random(seed), Counter[str]()
    rule = RULES[seed % len(RULES)]
    service = await filled(engine, rule, ())
    for _ in range(30):
        specs = [tuple(random.sample(FIELDS, random.choice([1, 2]))) for _ in range(random.choice([0, 1, 2]))]
        await build(service, specs, rule)
        caller, query = random.choice([SERVER, in_rooms()]), drawn(random)
        refused = await refusal(service, caller, query)
        if refused is None:
            continue
        detail = refused.detail
        named = refused.extra["index"]

        if "Send " in detail:  # The advice names another order.
            met["sort"] += 1
            name = detail.partition('"sort":["')[2].partition('"')[0]
            if "add an index on [" in detail:
                fields = detail.partition("add an index on [")[2].partition("]")[0]
                specs.append(tuple(fields.split(", ")))
                await build(service, specs, rule)
            assert named is None
            assert await refusal(service, caller, {**query, "sort": (name,)}) is None, (query, specs, detail)
        elif named is not None:
            met["index"] += 1
            specs.append(tuple(named["fields"]))
            await build(service, specs, rule)
            again = await refusal(service, caller, query)
            if "cheaper, but" not in detail:
                assert again is None, (query, specs, detail)
            elif again is not None:
                assert again.extra["index"] != named, (query, specs, again.detail)
        else:
            met["none"] += 1
            assert "No index" in detail
            if met["none"] <= 2 and not query["sort"]:
                for more in possible(query):
                    await build(service, [*specs, more], rule)
                    assert await refusal(service, caller, query) is not None, (query, specs, more, detail)
    assert met["index"] >= 1


IN_ROOM: Final = {"room": "red", "_created": {"$gt": "1970-01-01T00:00:00.000Z"}}


def sent(**where: Any) -> dict[str, Any]:
    return {"where": msgspec.json.encode(where), "sort": ()}


async def test_a_range_without_a_sort_is_refused_with_the_sort_that_is_served(engine: SqliteEngine) -> None:
    service = await filled(engine, RULES[1], (IndexSpec(("room", "-_created"), "room_time"),))

    refused = await refusal(service, in_rooms(), sent(**IN_ROOM))

    assert refused is not None
    assert "No index has the order by _id and leaves out what the condition on _created excludes." in refused.detail
    assert 'Send "sort":["_created"]: the index room_time then serves the query.' in refused.detail
    assert refused.detail.endswith("max_scan of the collection sets the limit.")
    assert refused.extra["index"] is None
    assert await refusal(service, in_rooms(), {**sent(**IN_ROOM), "sort": ("_created",)}) is None


async def test_a_warning_names_the_conditions_that_no_index_serves(engine: SqliteEngine) -> None:
    service = await filled(engine, RULES[1], (IndexSpec(("room", "-_created", "kind"), "long"),))
    service.rights.bound = Budgets(80)  # One commit wrote all documents, so they have the same time.
    query = {**sent(**IN_ROOM, kind={"$ne": "a"}), "sort": ("-_created",), "count": True, "explain": True}

    page = await asked(service, in_rooms(), limit=LIMIT, **query)

    (warning,) = page["explain"]["warnings"]
    assert warning["detail"].endswith(
        "No index can help: the query examines documents that do not match the conditions on kind, until its page is "
        "full. Use a narrower filter or leave out count."
    )


@pytest.mark.parametrize(("caller", "setting"), [(SERVER, "bundoc.server_scan"), (ADA, "max_scan of the collection")])
async def test_a_search_for_a_frequent_word_names_the_setting_of_its_limit(
    engine: SqliteEngine, caller: Caller, setting: str
) -> None:
    service = await filled(engine, RULES[0], ())
    service.rights.unbound = msgspec.structs.replace(service.rights.unbound, setting=UNBOUND.setting)
    specs = (IndexSpec(("kind",), "words", type="text"), IndexSpec(("room",), "room"))
    await service.put_collection(SERVER, C, CollectionSpec(specs))

    refused = await refusal(service, caller, sent(**{"$search": "a", "room": "red"}))

    assert refused is not None
    assert refused.detail == (
        "More than 8 documents contain these words. Add words to the search: it is within [room] already. "
        f"{setting} sets the limit."
    )


async def test_many_documents_that_tie_in_the_order_are_warned_of(
    engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "MANY_TIES", 10)
    service = await filled(engine, RULES[0], (IndexSpec(("room", "kind", "n"), "long"),))
    service.rights.unbound = Budgets(30)
    query = {"where": b'{"room":"red"}', "limit": LIMIT, "explain": True}

    few = await asked(service, SERVER, **query, sort=("kind", "n"))
    many = await asked(service, SERVER, **query, sort=("kind",))

    assert "warnings" not in few["explain"]
    assert many["explain"]["warnings"][0]["index"] == {"fields": ["room", "kind"]}


def possible(query: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the fields of all possible indexes of one or two fields in the query."""
    names = [name for name in FIELDS if name.encode() in (query["where"] or b"") or name in str(query["sort"])]
    return [fields for count in (1, 2) for some in combinations(names, count) for fields in permutations(some)]


@pytest.mark.parametrize("ranges", [1, 4, 48, 190])
@pytest.mark.parametrize("sort", [(), ("other",)])
def test_the_work_of_advice_is_that_of_a_few_plans(
    ranges: int, sort: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = parse_where(msgspec.json.encode({f"f{number}": {"$gt": 0} for number in range(ranges)}))
    search = Search(where, parse_sort(sort))
    ready = tuple([Index(f"i{number}", parse_sort((f"f{number}", "x"))) for number in range(20)])
    work: list[int] = []
    monkeypatch.setattr(effort, "counting", work.append)

    plan = choose(where, search.order, [*ready, Index("~", parse_sort(("y",)))])
    (once,) = work
    work.clear()
    advice(search, plan, Indexes(ready))

    assert 0 < sum(work) <= MOST_PLANS * once


@pytest.mark.parametrize(
    ("where", "index"),
    [
        ({"-a": 1, "a": 1}, ["a"]),
        ({"-$a": 1}, None),
        ({"-_x": 1}, None),
        ({"-a": {"$gt": 1}}, None),
        ({"-a": {"$gt": 1}, "b": 2}, ["b"]),
        ({"-a": {"$in": [1, 2]}, "-": 3}, None),
        ({"--a": 1, "a.-b": 1}, ["a.-b"]),
    ],
)
@pytest.mark.parametrize("words", [{}, {"$search": "a"}])
async def test_a_field_whose_name_begins_with_a_minus_is_not_advised(
    engine: SqliteEngine, where: dict[str, Any], index: list[str] | None, words: dict[str, str]
) -> None:
    service = await filled(engine, RULES[0], (IndexSpec(("kind",), "words", type="text"),))
    service.rights.unbound = Budgets(80)

    page = await asked(service, SERVER, limit=LIMIT, where=msgspec.json.encode(where | words), explain=True)
    aggregation = Aggregation(b'{"n":{"$count":true}}', msgspec.json.encode(where | words), (), explain=True)
    found = msgspec.json.decode((await service.aggregate(SERVER, C, aggregation)).body)

    warnings = [*page["explain"]["warnings"], *found["explain"]["warnings"]]
    advised = [field for one in warnings if one["index"] for field in one["index"]["fields"]]
    assert len(warnings) == 2
    assert not [field for field in advised if field.startswith("-")]
    service.rights.unbound = Budgets(MOST)
    if not words:
        refused = await refusal(service, SERVER, {"where": msgspec.json.encode(where)})
        assert refused is not None
        assert refused.extra["index"] == (None if index is None else {"fields": index})


async def test_a_refused_aggregate_names_the_index_whose_keys_answer_it(engine: SqliteEngine) -> None:
    service = await filled(engine, RULES[0], ())
    totals = Aggregation(b'{"sum":{"$sum":"n"}}', b'{"kind":"a"}', ("room",))

    with pytest.raises(QueryNeedsIndex) as refused:
        await service.aggregate(SERVER, C, totals)
    await build(service, [("kind", "room", "n")], RULES[0])
    answered = msgspec.json.decode((await service.aggregate(SERVER, C, totals)).body)

    assert refused.value.extra["index"] == {"fields": ["kind", "room", "n"]}
    assert len(answered["items"]) == 2
