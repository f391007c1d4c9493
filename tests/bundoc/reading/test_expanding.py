"""Expanded references: an answer includes the documents that its documents refer to."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.bundoc.definition import Terms
from bunbase.bundoc.documents import MAX_BYTES, Lookup, StoredDocument, with_system_fields
from bunbase.bundoc.reading.expanding import MAX_EXPANDED, expanded, expansions
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Query
from bunbase.contracts.bundoc.problems import DocumentNotFound, InvalidQuery
from bunbase.contracts.caller import Caller, CallerKind

CALLER = Caller(CallerKind.SECRET, project="prj_a")


def ref(collection: str, **more: Any) -> dict[str, Any]:
    return {"type": ["string", "null"], "x-ref": collection, **more}


async def put(service: BundocService, collection: str, id: str, **fields: Any) -> None:
    await service.put(CALLER, collection, id, msgspec.json.encode(fields), NO_PRECONDITION)


@pytest.fixture
async def posts(service: BundocService) -> BundocService:
    """Create teams, users and posts. A user refers to a team; a post refers to its author, editors and readers."""
    readers = {"items": {"properties": {"user": ref("users")}}}
    meta = {"properties": {"editors": {"items": ref("users")}}}
    schema = {"properties": {"author": ref("users"), "meta": meta, "readers": readers}}
    await service.put_collection(CALLER, "posts", CollectionSpec(schema=schema))
    await service.put_collection(CALLER, "users", CollectionSpec(schema={"properties": {"team": ref("teams")}}))
    await service.put_collection(CALLER, "teams", CollectionSpec(schema={"properties": {"lead": ref("users")}}))
    await put(service, "teams", "red", name="Red")
    await put(service, "users", "ada", name="Ada", team="red")
    await put(service, "users", "bob", name="Bob", pay=1.50)
    await put(service, "posts", "d1", n=1, author="ada", meta={"editors": ["bob", "ada", "bob"]})
    await put(service, "posts", "d2", n=2, author=None, readers=[{"user": "bob"}, {}])
    return service


def names(found: Any) -> Any:
    """Return only the expanded documents, each as its id."""
    if isinstance(found, list):
        return [names(one) for one in found]
    return {found["_id"]: {field: names(one) for field, one in found.get("_expand", {}).items()}}


async def page(service: BundocService, *expand: str, **more: Any) -> Any:
    return names(
        msgspec.json.decode((await service.query(CALLER, "posts", Query(expand=expand, **more))).body)["items"]
    )


async def test_a_page_includes_the_documents_it_refers_to(posts: BundocService) -> None:
    found = await page(posts, "author.team", "meta.editors", "readers.user")

    editors: dict[str, Any] = {"meta.editors": [{"bob": {}}, {"ada": {}}, {"bob": {}}]}
    assert found == [
        {"d1": {"author": {"ada": {"team": {"red": {}}}}, **editors}},
        {"d2": {"readers.user": [{"bob": {}}]}},
    ]


async def test_expanding_keeps_the_ids_and_returns_documents_as_stored(posts: BundocService) -> None:
    found = (await posts.get(CALLER, "posts", "d1", ("meta.editors",))).body

    assert msgspec.json.decode(found)["author"] == "ada"
    bob = (await posts.get(CALLER, "users", "bob")).body
    assert found.count(bob) == 2
    assert b'"pay":1.5' in bob


async def test_select_does_not_affect_expanded_documents(posts: BundocService) -> None:
    body = (await posts.query(CALLER, "posts", Query(select=("n",), expand=("author",), limit=1))).body

    (item,) = msgspec.json.decode(body)["items"]
    assert list(item) == ["_id", "n", "_expand"]
    assert item["_expand"]["author"]["name"] == "Ada"


async def test_missing_and_hidden_documents_are_not_expanded(posts: BundocService, engine: SqliteEngine) -> None:
    wanted = await expansions(engine, "prj_a", "posts", ("author", "meta.editors"))
    document = (await posts.get(CALLER, "posts", "d1")).body

    def visible(collection: str, terms: Terms, stored: StoredDocument, lookup: Lookup) -> bytes | None:
        assert (collection, lookup(collection, stored.id), len(terms.references)) == ("users", stored, 1)
        return with_system_fields(stored) if stored.id == "ada" else None

    (beside,) = await expanded(engine, "prj_a", [document], wanted, visible)

    found = {"_id": "d1", "_expand": msgspec.json.decode(beside)}
    assert names(found) == {"d1": {"author": {"ada": {}}, "meta.editors": [{"ada": {}}]}}


async def test_references_are_expanded_in_both_directions(posts: BundocService) -> None:
    await put(posts, "teams", "red", lead="bob")

    found = names(msgspec.json.decode((await posts.get(CALLER, "users", "ada", ("team.lead", "team"))).body))

    assert found == {"ada": {"team": {"red": {"lead": {"bob": {}}}}}}


@pytest.mark.parametrize(
    ("paths", "at"),
    [
        (("n",), "/expand/0"),
        (("author", "nothing"), "/expand/1"),
        (("author.name",), "/expand/0"),
        (("meta",), "/expand/0"),
        (("author.team.lead",), "/expand/0"),
        (("",), "/expand/0"),
        (("author",) * 11, "/expand"),
    ],
)
async def test_a_path_that_cannot_be_expanded_is_refused(posts: BundocService, paths: tuple[str, ...], at: str) -> None:
    with pytest.raises(InvalidQuery) as in_query:
        await posts.query(CALLER, "posts", Query(expand=paths))
    with pytest.raises(InvalidQuery) as in_get:
        await posts.get(CALLER, "posts", "d1", paths)

    assert (in_query.value.extra["path"], in_get.value.extra["path"]) == (at, at)


async def test_a_missing_document_is_404_with_expand_too(posts: BundocService) -> None:
    with pytest.raises(DocumentNotFound):
        await posts.get(CALLER, "posts", "nothing", ("author",))


async def test_too_many_expanded_documents_are_refused(posts: BundocService) -> None:
    writes = [{"op": "put", "collection": "users", "id": f"u{n}", "data": {}} for n in range(MAX_EXPANDED)]
    for start in range(0, len(writes), 500):
        await posts.commit(CALLER, msgspec.json.encode({"writes": writes[start : start + 500]}))
    editors = [one["id"] for one in writes]
    await put(posts, "posts", "most", meta={"editors": editors})

    assert len(msgspec.json.decode((await posts.get(CALLER, "posts", "most", ("meta.editors",))).body)["_expand"]) == 1
    with pytest.raises(InvalidQuery):
        await page(posts, "meta.editors")


async def test_one_large_document_expanded_many_times_is_refused(posts: BundocService) -> None:
    await put(posts, "users", "ada", text="x" * (MAX_BYTES - 20))
    for number in range(9):
        await put(posts, "posts", f"p{number}", author="ada")

    assert len(await page(posts, "author", limit=5)) == 5
    with pytest.raises(InvalidQuery):
        await page(posts, "author", limit=20)
