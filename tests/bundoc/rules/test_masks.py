"""No answer contains hidden fields below a list, and no filter may use these fields."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.documents import new_document
from bunbase.bundoc.query.predicate import MISSING, reached
from bunbase.bundoc.rules.masks import masked
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Document, Highlight, Page, Query
from bunbase.contracts.bundoc.problems import DocumentNotFound, InvalidQuery, RuleDenied
from tests.rooms import publishable_caller, secret_caller
from tests.seeds import seeds

SERVER, VISITOR = secret_caller("prj_a"), publishable_caller("prj_a")
C = "orders"
SECRET = "hush4711"
DOCUMENT: dict[str, Any] = {
    "title": "lamp oil",
    "items": [
        {"cost": SECRET, "name": "lamp"},
        [{"cost": SECRET, "name": "oil"}],
        {"parts": [{"cost": SECRET}], "card": {"n": 1}},
    ],
    "cards": {"number": SECRET},
    "lines": [{"cards": [{"number": SECRET, "kind": "x"}]}],
}
HIDDEN = ("items.cost", "items.parts.cost", "cards.number", "lines.cards.number")


@pytest.fixture
async def orders(service: BundocService) -> BundocService:
    rules = Rules(list="true", get="true", update="true", create="true", hidden=dict.fromkeys(HIDDEN, "true"))
    schema = {
        "properties": {
            "of": {"type": "string", "x-ref": C},
            "items": {"items": {"properties": {"name": {"maxLength": 9}, "cost": {"type": "string"}}}},
        }
    }
    words = IndexSpec(("title", "items.name", "items.cost"), "words", type="text")
    await service.put_collection(SERVER, C, CollectionSpec((words,), rules=rules, schema=schema))
    await service.put(SERVER, C, "a", msgspec.json.encode(DOCUMENT), NO_PRECONDITION)
    await service.put(SERVER, C, "b", b'{"of":"a"}', NO_PRECONDITION)
    return service


async def test_no_answer_shows_fields_hidden_below_a_list(orders: BundocService) -> None:
    """Get, list, query, select, highlights, expand, and the answer of a write."""
    fields = ("title", "items.name")
    search = msgspec.json.encode({"$search": {"query": "lamp", "fields": fields}})
    answers: list[Document | Page] = [
        await orders.get(VISITOR, C, "a"),
        await orders.list(VISITOR, C, 20, None),
        await orders.query(VISITOR, C, Query(b'{"title":"lamp oil"}')),
        await orders.query(VISITOR, C, Query(select=("items.cost", "items", "cards.number", "lines.cards.number"))),
        await orders.query(VISITOR, C, Query(search, highlight=Highlight(("title", "items.cost", "items")))),
        await orders.query(VISITOR, C, Query(expand=("of",))),
        await orders.get(VISITOR, C, "b", ("of",)),
        await orders.patch(VISITOR, C, "a", b'{"n":1}', NO_PRECONDITION),
        await orders.patch(VISITOR, C, "a", b'{"$set":{"items.0.name":"lamps"}}', NO_PRECONDITION),
    ]

    for answer in answers:
        assert SECRET.encode() not in answer.body
    shown = msgspec.json.decode((await orders.get(VISITOR, C, "a")).body)
    assert shown["items"] == [{"name": "lamps"}, [{"name": "oil"}], {"parts": [{}], "card": {"n": 1}}]
    assert (shown["cards"], shown["lines"]) == ({}, [{"cards": [{"kind": "x"}]}])
    assert SECRET.encode() in (await orders.get(SERVER, C, "a")).body


@pytest.mark.parametrize("path", HIDDEN)
async def test_no_filter_or_aggregate_may_use_a_hidden_field(orders: BundocService, path: str) -> None:
    """The results would reveal the value of the field."""
    first, *rest = path.split(".")
    inner: Any = SECRET
    for name in reversed(rest):
        inner = {"$elemMatch": {name: inner}}
    for where in ({path: SECRET}, {first: inner}, {first: {"$elemMatch": inner}}):
        with pytest.raises(InvalidQuery):
            await orders.query(VISITOR, C, Query(msgspec.json.encode(where)))
    with pytest.raises(InvalidQuery):
        await orders.aggregate(VISITOR, C, Aggregation(msgspec.json.encode({"m": {"$max": first}})))


@pytest.mark.parametrize("change", [{"$min": {"items.0.cost": "i"}}, {"$inc": {"items.0.cost": 1}}])
async def test_no_update_operator_reveals_a_hidden_field_of_an_element(
    orders: BundocService, change: dict[str, Any]
) -> None:
    """A path with the index of an element lies below the hidden path."""
    rules = Rules(get="true", update="next.items[0].cost == doc.items[0].cost", hidden={"items.cost": "true"})
    await orders.put_collection(SERVER, C, CollectionSpec(rules=rules))

    with pytest.raises(RuleDenied) as refused:
        await orders.patch(VISITOR, C, "a", msgspec.json.encode(change), NO_PRECONDITION)

    assert "cost" not in refused.value.detail


async def test_a_score_does_not_reveal_the_length_of_a_hidden_field(orders: BundocService) -> None:
    """Two documents that differ only in hidden fields have the same score."""
    for id, cost in (("short", "x"), ("long", "x " * 50)):
        document = {"title": "oil", "items": [{"name": "oil", "cost": cost}]}
        await orders.put(SERVER, C, id, msgspec.json.encode(document), NO_PRECONDITION)
    where = {"$search": {"query": "oil", "fields": ["title", "items.name"]}, "_id": {"$in": ["short", "long"]}}

    page = await orders.query(VISITOR, C, Query(msgspec.json.encode(where), score=True))
    one, two = msgspec.json.decode(page.body)["items"]
    assert one["_score"] == two["_score"]


@pytest.mark.parametrize("sought", [{"cost": {"$gt": 1}}, {"cost": SECRET}, {"$ne": 1}])
@pytest.mark.parametrize("path", ["items", "items.2.parts"])
async def test_pull_refuses_conditions_on_hidden_fields(
    orders: BundocService, path: str, sought: dict[str, Any]
) -> None:
    """Callers see which elements an update removes. This would reveal the hidden field of each element."""
    before = await orders.get(SERVER, C, "a")
    with pytest.raises(RuleDenied):
        await orders.patch(VISITOR, C, "a", msgspec.json.encode({"$pull": {path: sought}}), NO_PRECONDITION)
    assert await orders.get(SERVER, C, "a") == before

    await orders.patch(SERVER, C, "a", msgspec.json.encode({"$pull": {path: sought}}), NO_PRECONDITION)
    changed = await orders.patch(VISITOR, C, "a", b'{"$pull":{"tags":{"$gt":1},"items":5}}', NO_PRECONDITION)
    assert changed.rev == before.rev + 2


@pytest.mark.parametrize(
    "change",
    [
        {"$rename": {"items": "shown"}},
        {"$rename": {"cards.number": "shown"}},
        {"$rename": {"cards": "shown"}},
        {"$pullAll": {"items": [{"cost": SECRET, "name": "lamp"}]}},
        {"$pull": {"items": [{"cost": SECRET, "name": "oil"}]}},
        {"$push": {"items": {"$each": [], "$sort": {"cost": 1}}}},
        {"$push": {"items": {"$each": [], "$sort": 1}}},
        {"$bit": {"cards.number": {"and": 1}}},
        {"$set": {"items.$[x].name": "found"}, "arrayFilters": [{"x.cost": {"$gt": "h"}}]},
        {"$pull": {"lines.$[].cards": {"number": SECRET}}},
        {"$unset": {"items.2.parts.$[x].n": ""}, "arrayFilters": [{"x.cost": SECRET}]},
    ],
)
@pytest.mark.parametrize("get", ["true", "doc.public == true"])
async def test_no_update_operator_chooses_orders_or_copies_by_hidden_fields(
    orders: BundocService, get: str, change: dict[str, Any]
) -> None:
    """Even a caller that cannot see the document yet is refused, because the same update could make it visible."""
    rules = Rules(get=get, update="true", hidden=dict.fromkeys(HIDDEN, "true"))
    await orders.put_collection(SERVER, C, CollectionSpec(rules=rules))
    before = await orders.get(SERVER, C, "a")

    with pytest.raises(RuleDenied if get == "true" else DocumentNotFound):
        await orders.patch(VISITOR, C, "a", msgspec.json.encode(change), NO_PRECONDITION)

    assert await orders.get(SERVER, C, "a") == before


async def test_update_operators_on_visible_fields_work_beside_hidden_fields(orders: BundocService) -> None:
    await orders.put(SERVER, C, "a", b'{"cards":{"number":"hush4711"},"list":[3,1,2],"o":[{"n":1}]}', NO_PRECONDITION)
    change = (
        b'{"$push":{"list":{"$each":[],"$sort":1}},"$rename":{"o":"p"},"$bit":{"cards.n":{"or":1}},'
        b'"$pop":{"cards.number":1}}'
    )
    with pytest.raises(RuleDenied):
        await orders.patch(VISITOR, C, "a", change, NO_PRECONDITION)

    changed = await orders.patch(VISITOR, C, "a", change.replace(b'"cards.number"', b'"list2"'), NO_PRECONDITION)

    shown = msgspec.json.decode(changed.body)
    assert (shown["list"], shown["p"], shown["cards"]) == ([1, 2, 3], [{"n": 1}], {"n": 1})


async def test_schema_errors_of_hidden_elements_are_not_shown(orders: BundocService) -> None:
    """An error could repeat the hidden value."""
    with pytest.raises(RuleDenied):
        await orders.patch(VISITOR, C, "a", b'{"$set":{"items.0.cost":5}}', NO_PRECONDITION)


NAMES = ("a", "b", "c")


def nested(chance: random.Random, levels: int) -> Any:
    if levels == 0 or chance.random() < 0.2:
        return chance.choice((1, SECRET, None, [], {}))
    if chance.random() < 0.45:
        return [nested(chance, levels - 1) for _ in range(chance.randint(0, 3))]
    return {name: nested(chance, levels - 1) for name in NAMES if chance.random() < 0.7}


@pytest.mark.parametrize("seed", seeds(10))
@pytest.mark.explore
def test_a_mask_removes_everything_that_a_filter_could_reach(seed: int) -> None:
    """The documents and paths are random, also with lists in lists. All other fields stay."""
    chance = random.Random(seed)
    for _ in range(50):
        _, body = new_document(msgspec.json.encode({name: nested(chance, 5) for name in NAMES}))
        hidden = [tuple(chance.choice(NAMES) for _ in range(chance.randint(1, 4))) for _ in range(chance.randint(1, 3))]

        left = msgspec.json.decode(masked(body, [".".join(path) for path in hidden]))

        for path in hidden:
            assert all(found is MISSING for found in reached(left, path))
        assert left == naively(msgspec.json.decode(body), hidden)


def naively(value: Any, hidden: list[tuple[str, ...]]) -> Any:
    if isinstance(value, list):
        return [naively(one, hidden) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: naively(inner, [path[1:] for path in hidden if path[0] == name])
        for name, inner in value.items()
        if (name,) not in hidden
    }
