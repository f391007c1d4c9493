"""Schemas and references: which writes are refused, and how a deletion affects referring documents."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.altering import Declare
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.sqlite_engine.referring import MAX_CHANGED
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, MisfitQuery, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Query
from bunbase.contracts.bundoc.problems import (
    BundocBusy,
    CollectionReferenced,
    DocumentNotFound,
    DocumentReferenced,
    InvalidDocument,
    InvalidSchema,
    RuleDenied,
)
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.pkg.errors import InvalidInput
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms
from tests.pkg.waiting import until_true

CALLER = Caller(CallerKind.SECRET, project="prj_a")
TITLED = CollectionSpec(schema={"required": ["title"], "properties": {"title": {"type": "string"}}})


def referring(on_delete: str, collection: str = "users", **more: Any) -> CollectionSpec:
    author = {"type": ["string", "null"], "x-ref": collection, "x-on-delete": on_delete}
    return CollectionSpec(schema={"properties": {"author": author, **more}})


async def put(service: BundocService, collection: str, id: str, **fields: Any) -> None:
    await service.put(CALLER, collection, id, msgspec.json.encode(fields), NO_PRECONDITION)


async def get(service: BundocService, collection: str, id: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((await service.get(CALLER, collection, id)).body)
    return {name: value for name, value in found.items() if name not in ("_id", "_created", "_updated")}


async def delete(service: BundocService, collection: str, id: str) -> None:
    await service.delete(CALLER, collection, id, NO_PRECONDITION)


async def ids(service: BundocService, collection: str) -> list[str]:
    page = msgspec.json.decode((await service.list(CALLER, collection, 500, None)).body)
    return [one["_id"] for one in page["items"]]


async def changed(service: BundocService, since: int) -> list[tuple[str, str]]:
    return [(one.op, one.id) for one in (await service.changes(CALLER, since, 500, 0)).items]


async def wrong(service: BundocService, collection: str, **fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDocument) as refused:
        await put(service, collection, "d1", **fields)
    return [(one["path"], one["keyword"]) for one in refused.value.extra["errors"]]


async def test_every_kind_of_write_is_validated(service: BundocService) -> None:
    await service.put_collection(CALLER, "posts", TITLED)
    await put(service, "posts", "d1", title="Hello")

    writes = [
        service.create(CALLER, "posts", b"{}"),
        service.put(CALLER, "posts", "d1", b'{"title":1}', NO_PRECONDITION),
        service.patch(CALLER, "posts", "d1", b'{"title":null}', NO_PRECONDITION),
        service.patch(CALLER, "posts", "d1", b'{"$set":{"title":1}}', NO_PRECONDITION),
        service.commit(CALLER, b'{"writes":[{"op":"create","collection":"posts","data":{}}]}'),
    ]
    for write in writes:
        with pytest.raises(InvalidDocument) as refused:
            await write
        assert refused.value.extra["errors"][0]["path"] == "/title"

    assert await ids(service, "posts") == ["d1"]
    assert await get(service, "posts", "d1") == {"_rev": 1, "title": "Hello"}


async def test_a_schema_applies_after_a_restart_until_it_is_removed(tmp_path: Path, kms: FakeKms) -> None:
    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        await BundocService(engine).put_collection(CALLER, "posts", TITLED)

    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        service = BundocService(engine)
        assert await wrong(service, "posts") == [("/title", "required")]
        await service.put_collection(CALLER, "posts", CollectionSpec(strict=True))
        assert await wrong(service, "posts", title="", more=1) == [("/more", "additionalProperties")]
        await service.put_collection(CALLER, "posts", CollectionSpec(schema=None))
        await put(service, "posts", "d1", more=1)


async def test_documents_from_before_the_schema_stay_until_they_are_written(service: BundocService) -> None:
    await put(service, "posts", "old")
    await service.put_collection(CALLER, "posts", TITLED)

    assert await get(service, "posts", "old") == {"_rev": 1}
    with pytest.raises(InvalidDocument):
        await service.patch(CALLER, "posts", "old", b'{"n":1}', NO_PRECONDITION)
    await service.patch(CALLER, "posts", "old", b'{"title":"Now"}', NO_PRECONDITION)


async def test_a_reference_must_lead_to_an_existing_document(service: BundocService) -> None:
    rows = {"items": {"properties": {"user": {"type": "string", "x-ref": "users"}}}}
    await service.put_collection(CALLER, "posts", referring("restrict", rows=rows))
    assert await wrong(service, "posts", author="ada") == [("/author", "x-ref")]
    await put(service, "users", "ada")

    await put(service, "posts", "d1", author="ada", rows=[{"user": "ada"}, {}])
    await put(service, "posts", "d2", author=None)

    assert await wrong(service, "posts", rows=[{"user": "ada"}, {"user": "bob"}]) == [("/rows/1/user", "x-ref")]
    assert await wrong(service, "posts", author=7) == [("/author", "type")]


async def test_a_commit_may_refer_to_documents_it_created(service: BundocService) -> None:
    await service.put_collection(CALLER, "posts", referring("restrict"))
    post = '{"op":"create","collection":"posts","id":"d1","data":{"author":"ada"}}'
    user = '{"op":"create","collection":"users","id":"ada","data":{}}'

    with pytest.raises(InvalidDocument) as refused:
        await service.commit(CALLER, f'{{"writes":[{post},{user}]}}'.encode())
    await service.commit(CALLER, f'{{"writes":[{user},{post}]}}'.encode())

    assert refused.value.extra["write"] == 0
    assert await ids(service, "posts") == ["d1"]


async def test_a_document_may_refer_to_itself_and_then_be_deleted(service: BundocService) -> None:
    await service.put_collection(CALLER, "nodes", referring("restrict", "nodes"))

    await put(service, "nodes", "a", author="a")
    await delete(service, "nodes", "a")

    assert await ids(service, "nodes") == []


async def test_restrict_prevents_the_deletion_of_referenced_documents(service: BundocService) -> None:
    await service.put_collection(CALLER, "posts", referring("restrict"))
    await put(service, "users", "ada")
    await put(service, "posts", "d1", author="ada")

    with pytest.raises(DocumentReferenced) as refused:
        await delete(service, "users", "ada")
    await delete(service, "posts", "d1")
    await delete(service, "users", "ada")

    assert refused.value.extra == {"collection": "posts", "field": "author"}
    assert await ids(service, "users") == []


async def test_set_null_removes_only_the_reference(service: BundocService) -> None:
    friends = {"items": {"type": "string", "x-ref": "users", "x-on-delete": "set_null"}}
    await service.put_collection(CALLER, "posts", referring("set_null", friends=friends))
    await put(service, "users", "ada")
    await put(service, "users", "bob")
    body = b'{"n":1.50,"author":"ada","friends":["bob","ada","ada"]}'
    await service.put(CALLER, "posts", "d1", body, NO_PRECONDITION)

    await delete(service, "users", "ada")

    found = (await service.get(CALLER, "posts", "d1")).body
    assert found.endswith(b'"n":1.50,"author":null,"friends":["bob"]}')
    assert (await get(service, "posts", "d1"))["_rev"] == 2
    assert await changed(service, 3) == [("update", "d1"), ("delete", "ada")]
    by_friend = await service.query(CALLER, "posts", Query(where=b'{"friends":"bob"}', explain=True))
    assert msgspec.json.decode(by_friend.body)["explain"]["index"] == "_ref_friends"
    assert len(msgspec.json.decode(by_friend.body)["items"]) == 1


async def test_set_null_is_refused_if_the_referring_schema_forbids_null(service: BundocService) -> None:
    author = {"type": ["string", "null"], "x-ref": "users", "x-on-delete": "set_null", "minLength": 1}
    schema = {"properties": {"author": author}, "if": {"properties": {"author": {"type": "null"}}}, "then": False}
    await service.put_collection(CALLER, "posts", CollectionSpec(schema=schema))
    await put(service, "users", "ada")
    await put(service, "posts", "d1", author="ada")

    with pytest.raises(DocumentReferenced):
        await delete(service, "users", "ada")

    assert await ids(service, "users") == ["ada"]


async def test_set_null_ignores_violations_that_existed_before(service: BundocService) -> None:
    await put(service, "users", "ada")
    await put(service, "posts", "d1", author="ada")
    author = {"type": ["string", "null"], "x-ref": "users", "x-on-delete": "set_null"}
    schema = {"required": ["title"], "properties": {"author": author}}
    await service.put_collection(CALLER, "posts", CollectionSpec(schema=schema))

    await delete(service, "users", "ada")

    assert await get(service, "posts", "d1") == {"_rev": 2, "author": None}


async def test_a_cascade_goes_through_collections_and_circles(service: BundocService) -> None:
    await service.put_collection(CALLER, "teams", referring("cascade", "users"))
    await service.put_collection(CALLER, "users", referring("cascade", "teams"))
    await put(service, "users", "ada")
    for number in range(3):
        await put(service, "teams", f"t{number}", author="ada")
    await put(service, "users", "bob", author="t0")
    await put(service, "users", "ada", author="t1")
    await put(service, "users", "eve")

    await delete(service, "users", "ada")

    assert (await ids(service, "users"), await ids(service, "teams")) == (["eve"], [])
    changes = await changed(service, 7)
    assert sorted(changes) == [("delete", id) for id in ("ada", "bob", "t0", "t1", "t2")]
    assert changes[-1] == ("delete", "ada")


async def test_a_cascade_that_meets_restrict_deletes_nothing(service: BundocService) -> None:
    await service.put_collection(CALLER, "posts", referring("cascade"))
    await service.put_collection(CALLER, "likes", referring("restrict", "posts"))
    await put(service, "users", "ada")
    await put(service, "posts", "d1", author="ada")
    await put(service, "likes", "l1", author="d1")

    with pytest.raises(DocumentReferenced) as refused:
        await delete(service, "users", "ada")

    assert refused.value.extra["collection"] == "likes"
    assert await ids(service, "posts") == ["d1"]
    assert await changed(service, 3) == []


async def test_restrict_is_ignored_for_documents_that_are_deleted_too(service: BundocService) -> None:
    other = {"type": "string", "x-ref": "users"}
    await service.put_collection(CALLER, "posts", referring("cascade", other=other))
    await put(service, "users", "ada")
    await put(service, "posts", "d1", author="ada", other="ada")

    await delete(service, "users", "ada")

    assert await ids(service, "posts") == []


async def test_a_deletion_may_cause_only_a_limited_number_of_changes(service: BundocService) -> None:
    await service.put_collection(CALLER, "posts", referring("cascade"))
    await put(service, "users", "ada")
    for start in range(0, MAX_CHANGED + 1, 500):
        many = range(start, min(start + 500, MAX_CHANGED + 1))
        writes = [{"op": "put", "collection": "posts", "id": f"d{n}", "data": {"author": "ada"}} for n in many]
        await service.commit(CALLER, msgspec.json.encode({"writes": writes}))

    with pytest.raises(DocumentReferenced) as refused:
        await delete(service, "users", "ada")
    await delete(service, "posts", "d0")
    await delete(service, "users", "ada")

    assert refused.value.extra == {"collection": None, "field": None}
    assert await ids(service, "posts") == []


async def test_an_expired_document_deletes_its_dependents(service: BundocService) -> None:
    await service.put_collection(CALLER, "users", CollectionSpec(expires="ends"))
    await service.put_collection(CALLER, "posts", referring("cascade"))
    await service.put_collection(CALLER, "likes", referring("restrict"))
    await put(service, "users", "ada")
    await put(service, "posts", "d1", author="ada")
    await put(service, "likes", "l1", author="ada")
    await put(service, "users", "ada", ends="2020-01-01T00:00:00Z")

    await service.tend()

    assert (await ids(service, "users"), await ids(service, "posts")) == ([], [])
    assert await get(service, "likes", "l1") == {"_rev": 1, "author": "ada"}
    await service.patch(CALLER, "likes", "l1", b'{"n":1}', NO_PRECONDITION)
    assert await wrong(service, "likes", author="ada") == [("/author", "x-ref")]


async def test_references_have_their_own_index(service: BundocService) -> None:
    await put(service, "posts", "d1", author="nobody")
    await service.put_collection(CALLER, "posts", referring("restrict"))

    kept = await service.put_collection(CALLER, "posts", CollectionSpec(indexes=(IndexSpec(("n",)),)))
    gone = await service.put_collection(CALLER, "posts", CollectionSpec(schema={}))

    assert [(one.name, one.ready, one.system) for one in kept.indexes] == [
        ("_ref_author", True, True),
        ("n", True, False),
    ]
    assert [one.name for one in gone.indexes] == ["n"]
    with pytest.raises(InvalidInput):
        await service.put_collection(CALLER, "posts", CollectionSpec(indexes=(IndexSpec(("n",), "_ref_author"),)))


async def test_a_reference_that_stored_documents_violate_does_not_change_the_schema(
    service: BundocService,
) -> None:
    editor = CollectionSpec(schema={"properties": {"editor": {"type": "string", "x-ref": "users"}}})
    await service.put_collection(CALLER, "posts", editor)
    await put(service, "users", "ada")
    await put(service, "posts", "d1", editor="ada", author=[f"u{number}" for number in range(1001)])

    with pytest.raises(InvalidDocument):
        await service.put_collection(CALLER, "posts", referring("restrict"))

    found = await service.collection(CALLER, "posts")
    assert found.schema == editor.schema
    assert [(one.name, one.ready) for one in found.indexes] == [("_ref_editor", True)]
    with pytest.raises(DocumentReferenced):
        await delete(service, "users", "ada")


async def test_a_crash_during_the_build_of_an_index_keeps_references_checked(
    service: BundocService, engine: SqliteEngine
) -> None:
    await put(service, "users", "ada")
    await put(service, "posts", "d1", author="ada")
    spec = CollectionSpec(schema={"properties": {"author": {"type": "string", "x-ref": "users"}}})
    await engine._task("prj_a", Declare("posts", spec))  # The engine stops here, as after a power failure.

    with pytest.raises(BundocBusy):
        await delete(service, "users", "ada")
    await service.tend()

    with pytest.raises(DocumentReferenced):
        await delete_once_built(service, "users", "ada")


async def delete_once_built(service: BundocService, collection: str, id: str) -> None:
    """Delete a document as soon as the indexes that the deletion needs are complete."""

    async def is_deleted() -> bool:
        with suppress(BundocBusy):
            await delete(service, collection, id)
            return True
        return False

    await until_true(is_deleted, seconds=20)


async def test_documents_that_violate_the_schema_are_listed_in_pages(service: BundocService) -> None:
    for number in range(7):
        await put(service, "posts", f"d{number}", title="x" if number % 2 else number)

    first = await service.misfits(CALLER, "posts", MisfitQuery(schema=TITLED.schema or {}, limit=3))
    last = await service.misfits(CALLER, "posts", MisfitQuery(schema=TITLED.schema or {}, cursor=first.next))
    none = await service.misfits(CALLER, "posts", MisfitQuery())

    assert ([one.id for one in first.items], first.examined) == (["d0", "d2", "d4"], 5)
    assert ([one.id for one in last.items], last.examined, last.next) == (["d6"], 2, None)
    assert first.items[0].errors[0]["path"] == "/title"
    assert (none.items, none.examined, none.next) == ((), 7, None)


async def test_a_collection_that_another_refers_to_is_not_dropped(service: BundocService) -> None:
    await put(service, "users", "ada")
    await service.put_collection(CALLER, "posts", referring("cascade"))

    with pytest.raises(CollectionReferenced) as refused:
        await service.drop_collection(CALLER, "users")
    await service.drop_collection(CALLER, "posts")
    await service.drop_collection(CALLER, "users")

    assert refused.value.extra == {"collection": "posts"}
    with pytest.raises(DocumentNotFound):
        await service.get(CALLER, "users", "ada")


async def test_a_collection_that_refers_to_itself_is_dropped(service: BundocService) -> None:
    await service.put_collection(CALLER, "nodes", referring("restrict", "nodes"))
    await put(service, "nodes", "a")
    await put(service, "nodes", "b", author="a")

    await service.drop_collection(CALLER, "nodes")

    assert await service.collections(CALLER) == ()


DEFAULTED = CollectionSpec(
    schema={
        "required": ["state"],
        "properties": {
            "state": {"enum": ["open", "done"], "default": "open"},
            "price": {"type": ["number", "null"], "default": 1.5},
            "by": {"properties": {"team": {"type": "string", "default": "red"}}},
            "made": {"default": {}, "properties": {"n": {"type": "integer", "default": 0}}},
        },
    }
)


async def test_create_and_put_fill_in_the_defaults_of_missing_fields_and_a_patch_does_not(
    service: BundocService,
) -> None:
    await put(service, "tasks", "old", title="before the schema")
    await service.put_collection(CALLER, "tasks", DEFAULTED)
    filled = {"state": "open", "price": 1.5, "made": {"n": 0}}

    await service.create(CALLER, "tasks", b'{"_id":"a"}')
    await put(service, "tasks", "b", state="done", price=None, by={"team": "blue"}, made={"n": 2})
    await put(service, "tasks", "c", by={"x": 1}, made=[])
    await service.patch(CALLER, "tasks", "a", b'{"price":null,"by":{}}', NO_PRECONDITION)
    commit = {"op": "create", "collection": "tasks", "id": "d", "data": {"price": 2}}
    await service.commit(CALLER, msgspec.json.encode({"writes": [commit]}))
    with pytest.raises(InvalidDocument):
        await service.patch(CALLER, "tasks", "old", b'{"title":"after"}', NO_PRECONDITION)

    documents = {id: await get(service, "tasks", id) for id in ("a", "b", "c", "d")}
    assert {id: {**one, "_rev": 1} for id, one in documents.items()} == {
        "a": {"_rev": 1, "state": "open", "made": {"n": 0}, "by": {}},
        "b": {"_rev": 1, "state": "done", "price": None, "by": {"team": "blue"}, "made": {"n": 2}},
        "c": {"_rev": 1, **filled, "by": {"x": 1, "team": "red"}, "made": []},
        "d": {"_rev": 1, **filled, "price": 2},
    }


async def test_a_rule_sees_the_defaults_of_a_new_document(service: BundocService) -> None:
    rules = Rules(create="next.state == 'open'", get="true")
    await service.put_collection(CALLER, "tasks", msgspec.structs.replace(DEFAULTED, rules=rules))
    app = Caller(CallerKind.PUBLISHABLE, project="prj_a")

    made = await service.create(app, "tasks", b"{}")

    assert msgspec.json.decode(made.body)["state"] == "open"
    with pytest.raises(RuleDenied):
        await service.create(app, "tasks", b'{"state":"done"}')


@pytest.mark.parametrize(
    "field",
    [
        {"type": "string", "default": 1},
        {"default": {"a\u0001": 1}},
        {"properties": {"inner": {"enum": [1], "default": 2}}},
    ],
)
async def test_a_default_that_no_document_may_have_is_refused_with_its_place(
    service: BundocService, field: dict[str, Any]
) -> None:
    with pytest.raises(InvalidSchema) as refused:
        await service.put_collection(CALLER, "tasks", CollectionSpec(schema={"properties": {"f": field}}))

    assert refused.value.extra["errors"][0]["path"].endswith("/default")
