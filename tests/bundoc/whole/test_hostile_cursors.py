"""A cursor whose position was changed gets a page or `invalid_cursor`, whatever bytes the position has."""

from __future__ import annotations

from random import Random
from typing import Any, Final

import msgspec
import pytest

from bunbase.bundoc.query.order import INVERTED, key
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Query
from bunbase.pkg.cursors import InvalidCursor, encode_cursor
from tests.bundoc.permissions.asking import SERVER, C
from tests.cursors import parts_of
from tests.seeds import seeds

INDEXES: Final = (
    IndexSpec(("day", "name"), "tied"),
    IndexSpec(("kind", "day", "name"), "merged"),
    IndexSpec(("-size", "name"), "down"),
    IndexSpec(("name",), "words", type="text"),
)
QUERIES: Final[dict[str, dict[str, Any]]] = {
    "by id": {},
    "by id, downwards": {"sort": ("-_id",)},
    "by an index with further fields": {"sort": ("day",)},
    "by an index with further fields, backwards": {"sort": ("-day",)},
    "by an index, downwards": {"sort": ("-size",)},
    "by an index, upwards": {"sort": ("size",)},
    "by an index, exactly": {"sort": ("day", "name")},
    "merged": {"where": b'{"kind":{"$in":["a","b"]}}', "sort": ("day",)},
    "merged, exactly": {"where": b'{"kind":{"$in":["a","b"]}}', "sort": ("day", "name")},
    "after one value": {"where": b'{"kind":"a"}', "sort": ("kind", "day")},
    "sorted": {"sort": ("name", "-size")},
    "by words": {"where": b'{"$search":"word"}'},
    "by words, sorted": {"where": b'{"$search":"word"}', "sort": ("day",)},
}
BAD: Final = (
    b"",
    b" ",
    b" \x80\x00",
    b"0\xc3(\x00\x00",
    b"\x00",
    b"\xff",
    b"\xc3(\x00",
    b"\xff" * 60,
    b" " + b"\xff" * 10,
)
GOOD: Final = (key(None), key(True), key(7), key(-7.5), key(1 << 62), key("word"), key("x" * 2000), b"d1\x00")


@pytest.fixture
async def service(engine: SqliteEngine) -> BundocService:
    service = BundocService(engine)
    await service.put_collection(SERVER, C, CollectionSpec(INDEXES))
    for number in range(24):
        values: dict[str, Any] = {
            "day": number % 3,
            "name": f"word {number}",
            "size": "x" * number,
            "kind": "ab"[number % 2],
        }
        await service.put(SERVER, C, f"d{number:02}", msgspec.json.encode(values), NO_PRECONDITION)
    return service


def positions(random: Random, true: bytes) -> list[bytes]:
    """Return bad positions, and right positions with some bytes changed, cut or added."""
    found = [*BAD, *(one.translate(INVERTED) for one in BAD), *(true[:at] for at in range(len(true)))]
    found += [true[:at] + bytes([random.randrange(256)]) + true[at + 1 :] for at in range(len(true))]
    for _ in range(40):
        parts = random.choices([*BAD, *GOOD, random.randbytes(3)], k=random.randint(1, 3))
        found.append(b"".join(parts).translate(random.choice([INVERTED, None])))
    return found


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("name", QUERIES)
async def test_a_changed_position_of_a_query_is_a_page_or_is_refused(
    service: BundocService, name: str, seed: int
) -> None:
    asked, answers = QUERIES[name], set()
    first = msgspec.json.decode((await service.query(SERVER, C, Query(limit=4, **asked))).body)
    query, true = parts_of(first["next"], bytes)

    for position in positions(Random(f"{seed} {name}"), true):
        try:
            page = await service.query(SERVER, C, Query(limit=4, cursor=encode_cursor(query, position), **asked))
            answers.add(len(msgspec.json.decode(page.body)["items"]) <= 4)
        except InvalidCursor:
            answers.add(True)

    assert answers == {True}


async def test_an_id_that_is_no_text_is_refused(service: BundocService) -> None:
    first = msgspec.json.decode((await service.query(SERVER, C, Query(limit=4))).body)
    query, _ = parts_of(first["next"], bytes)

    with pytest.raises(InvalidCursor, match="Send back `next`"):
        await service.query(SERVER, C, Query(limit=4, cursor=encode_cursor(query, b"\xc3(\x00")))


@pytest.mark.parametrize("seed", seeds(2))
async def test_a_changed_position_of_an_aggregate_is_a_page(service: BundocService, seed: int) -> None:
    asked = Aggregation(b'{"n":{"$count":true}}', None, ("name",), limit=4)
    first = msgspec.json.decode((await service.aggregate(SERVER, C, asked)).body)
    query, true = parts_of(first["next"], bytes)

    for position in positions(Random(seed), true):
        changed = msgspec.structs.replace(asked, cursor=encode_cursor(query, position))
        page = msgspec.json.decode((await service.aggregate(SERVER, C, changed)).body)
        assert len(page["items"]) <= 4


@pytest.mark.parametrize("position", ["", "d1", "\uffff", "\U0010ffff" * 100, "a\u0000b"])
async def test_a_changed_id_of_a_list_is_a_page_or_is_refused(service: BundocService, position: str) -> None:
    first = msgspec.json.decode((await service.list(SERVER, C, 4, None)).body)
    query, _ = parts_of(first["next"], str)
    cursor = encode_cursor(query, position)

    if "\0" in position:
        with pytest.raises(InvalidCursor):
            await service.list(SERVER, C, 4, cursor)
    else:
        assert b'"items"' in (await service.list(SERVER, C, 4, cursor)).body
