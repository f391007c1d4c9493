"""Random documents refer to each other. A plain model computes which documents are left after random deletions."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.problems import DocumentReferenced
from bunbase.contracts.caller import Caller, CallerKind
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms
from tests.seeds import examples

CALLER = Caller(CallerKind.SECRET, project="prj_a")
COLLECTIONS = ("a", "b")
KEYS = [(collection, f"d{number}") for collection in COLLECTIONS for number in range(3)]
ON_DELETE = ("restrict", "set_null", "cascade")

Key = tuple[str, str]
World = dict[Key, dict[str, Any]]  # The fields of each document.
# For each field: the collection, `on_delete`, and whether the field is a list.
Fields = dict[str, tuple[str, str, bool]]


def field_names(collection: str) -> list[str]:
    return [f"{collection}_{number}" for number in range(2)]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Fields, World]:
    fields = {
        name: (draw(st.sampled_from(COLLECTIONS)), draw(st.sampled_from(ON_DELETE)), draw(st.booleans()))
        for collection in COLLECTIONS
        for name in field_names(collection)
    }
    ids = st.sampled_from([f"d{number}" for number in range(3)])
    world: World = {
        key: {
            name: draw(st.lists(ids, max_size=3)) if fields[name][2] else draw(ids | st.none())
            for name in field_names(key[0])
        }
        for key in KEYS
    }
    return fields, world


def schema(fields: Fields, collection: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name in field_names(collection):
        target, on_delete, many = fields[name]
        one = {"type": ["string", "null"], "x-ref": target, "x-on-delete": on_delete}
        properties[name] = {"items": one} if many else one
    return {"properties": properties}


def held(value: Any) -> list[str]:
    return value if isinstance(value, list) else [] if value is None else [value]


def after_deletion(fields: Fields, world: World, key: Key) -> World | None:
    """Return the documents that are left, or None if the deletion is refused."""
    gone = {key}
    while (
        more := {
            holder
            for holder, document in world.items()
            for name, value in document.items()
            if fields[name][1] == "cascade" and any((fields[name][0], id) in gone for id in held(value))
        }
        - gone
    ):
        gone |= more
    left: World = {}
    for holder, document in world.items():
        if holder in gone:
            continue
        left[holder] = {}
        for name, value in document.items():
            dead = [id for id in held(value) if (fields[name][0], id) in gone]
            if dead and fields[name][1] == "restrict":
                return None
            kept = [id for id in held(value) if id not in dead]
            left[holder][name] = kept if isinstance(value, list) else kept[0] if kept else None
    return left


async def stored(service: BundocService) -> World:
    found: World = {}
    for collection in COLLECTIONS:
        page = msgspec.json.decode((await service.list(CALLER, collection, 100, None)).body)
        for one in page["items"]:
            found[collection, one["_id"]] = {name: one[name] for name in field_names(collection)}
    return found


@settings(max_examples=examples(40), deadline=None)
@given(drawn=worlds(), deletions=st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
async def test_deletions_leave_the_same_documents_as_a_plain_model(
    drawn: tuple[Fields, World], deletions: list[Key]
) -> None:
    fields, world = drawn
    with tempfile.TemporaryDirectory() as directory:
        async with sqlite_engine(Path(directory) / "bundoc", FakeKms()) as engine:
            service = BundocService(engine)
            for (collection, id), document in world.items():
                await service.put(CALLER, collection, id, msgspec.json.encode(document), NO_PRECONDITION)
            for collection in COLLECTIONS:
                await service.put_collection(CALLER, collection, CollectionSpec(schema=schema(fields, collection)))

            for key in deletions:
                if key not in world:
                    continue  # An earlier deletion also deleted this document.
                expected = after_deletion(fields, world, key)
                if expected is None:
                    with pytest.raises(DocumentReferenced):
                        await service.delete(CALLER, *key, NO_PRECONDITION)
                else:
                    await service.delete(CALLER, *key, NO_PRECONDITION)
                    world = expected

                assert await stored(service) == world
            changes = (await service.changes(CALLER, 0, 500, 0)).items
            assert [one.seq for one in changes] == list(range(1, len(changes) + 1))
            assert sum(one.op == "delete" for one in changes) == len(KEYS) - len(world)
