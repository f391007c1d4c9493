"""A unique index accepts values that occur once, in any order, before and after it is built."""

from __future__ import annotations

import random
from itertools import combinations, product
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.query.order import key
from bunbase.bundoc.query.predicate import elements
from bunbase.bundoc.query.sort import MAX_ENTRIES
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.problems import InvalidDocument, UniqueViolation
from tests.rooms import publishable_caller, secret_caller
from tests.seeds import seeds

SERVER = secret_caller("prj_a")
C = "things"
PAST = "2020-01-01T00:00:00Z"
VALUES: tuple[Any, ...] = (
    None, [], [None], [[]], [[None]], {}, 1, 1.0, True, "1", [1], [1, 2], [[1]], [[1], [2]], [[1, 2]], {"x": 1},
    [{"x": 1}], [{"x": 2}], [{"x": [1]}], [{"x": 1, "y": 2}], [{"y": 2, "x": 1}], [[{"x": 1}]], [1, {"x": 1}], [{}],
    "x" * 600, ["x" * 600, "y"], "x" * 599 + "y", False, [None, 2], 2**53 + 1, 2.0**53,
)  # fmt: skip
INDEXES = (("k",), ("-k",), ("k.x",), ("k", "m"), ("m", "-k.x"))


async def put(service: BundocService, id: str, document: dict[str, Any]) -> bool:
    """Return True if the document was accepted."""
    try:
        await service.put(SERVER, C, id, msgspec.json.encode(document), NO_PRECONDITION)
    except UniqueViolation:
        return False
    return True


def collide(one: dict[str, Any], other: dict[str, Any], fields: tuple[str, ...]) -> bool:
    """True if two documents hold a common value in each field of the index, compared by plain Python."""
    return bool(held(one, fields) & held(other, fields))


def held(document: dict[str, Any], fields: tuple[str, ...]) -> set[tuple[bytes, ...]]:
    of_fields = [elements(document, tuple(field.lstrip("-").split("."))) for field in fields]
    return set(product(*[[key(one) for one in found if one is not None] for found in of_fields]))


def random_document(chance: random.Random) -> dict[str, Any]:
    document = {name: chance.choice(VALUES) for name in ("k", "m") if chance.random() < 0.8}
    return document if chance.random() < 0.8 else {"k": [{"x": chance.choice(VALUES)} for _ in range(2)], **document}


@pytest.mark.explore
@pytest.mark.parametrize("fields", INDEXES, ids=str)
@pytest.mark.parametrize("seed", seeds(2))
async def test_a_unique_index_accepts_values_that_are_held_once(
    seed: int, fields: tuple[str, ...], service: BundocService
) -> None:
    """The documents are written after the index or before it, in both orders."""
    chance = random.Random(seed)
    spec = CollectionSpec((IndexSpec(fields, "once", unique=True),))
    await service.put_collection(SERVER, C, spec)
    taken: dict[str, dict[str, Any]] = {}
    for number in range(40):
        document = random_document(chance)
        id = f"d{number % 30}"
        fits = not any(collide(document, one, fields) for other, one in taken.items() if other != id)

        assert await put(service, id, document) == fits, document
        if fits:
            taken[id] = document
        if taken and chance.random() < 0.1:
            gone = chance.choice([*taken])
            await service.delete(SERVER, C, gone, NO_PRECONDITION)
            del taken[gone]

    await service.put_collection(SERVER, C, CollectionSpec(()))
    await service.put_collection(SERVER, C, spec)  # The index is built over the accepted documents.
    await service.drop_collection(SERVER, C)
    await service.put_collection(SERVER, C, spec)
    for id in sorted(taken, reverse=True):
        assert await put(service, id, taken[id])


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(3))
async def test_a_unique_index_is_built_if_no_value_is_held_twice(seed: int, service: BundocService) -> None:
    """The documents are random; all other indexes are refused."""
    chance = random.Random(seed)
    for round, fields in enumerate(INDEXES):
        documents = [random_document(chance) for _ in range(4)]
        name = f"c{round}"
        for number, document in enumerate(documents):
            await service.put(SERVER, name, f"d{number}", msgspec.json.encode(document), NO_PRECONDITION)
        alike = any(collide(one, other, fields) for one, other in combinations(documents, 2))
        try:
            await service.put_collection(SERVER, name, CollectionSpec((IndexSpec(fields, unique=True),)))
            refused = False
        except UniqueViolation:
            refused = True
        assert refused == alike, documents


async def test_an_expired_document_blocks_no_unique_value(service: BundocService) -> None:
    """An expired document is deleted to free its value. Other documents without a value stay."""
    spec = CollectionSpec((IndexSpec(("k",), unique=True),), expires="ends")
    await service.put_collection(SERVER, C, spec)
    ended: tuple[Any, ...] = (None, [], [{"a": 1}, 7], [[2]])
    for number, value in enumerate(ended):
        assert await put(service, f"e{number}", {"k": value, "ends": PAST})
        assert await put(service, f"n{number}", {})

    after: tuple[Any, ...] = ([], [{"a": 1}], [[2]], 7, [[2], 8])
    for number, value in enumerate(after):
        assert await put(service, f"d{number}", {"k": value}) == (number < 4)


async def test_the_refusal_names_one_document_and_none_to_callers_bound_by_rules(service: BundocService) -> None:
    """The value conflicts with two documents."""
    spec = CollectionSpec((IndexSpec(("k",), unique=True),), rules=Rules(create="true"))
    await service.put_collection(SERVER, C, spec)
    assert await put(service, "n1", {"k": [{"x": 1}]})
    assert await put(service, "n2", {"k": [2]})

    with pytest.raises(UniqueViolation) as told:
        await service.create(SERVER, C, b'{"k":[2,{"x":1}]}')
    with pytest.raises(UniqueViolation) as bound:
        await service.create(publishable_caller("prj_a"), C, b'{"k":[2,{"x":1}]}')

    assert told.value.detail in {f"Document {id} has the same k, but the index k is unique." for id in ("n1", "n2")}
    assert bound.value.detail == "Another document has the same values, but the index k is unique."


async def test_too_many_elements_for_a_unique_index_are_refused(service: BundocService) -> None:
    await service.put_collection(SERVER, C, CollectionSpec((IndexSpec(("k",), unique=True),)))

    with pytest.raises(InvalidDocument):
        await put(service, "a", {"k": [{"x": number} for number in range(MAX_ENTRIES + 1)]})
    assert await put(service, "a", {"k": [{"x": number} for number in range(MAX_ENTRIES)]})
