"""Rules for documents that are expanded, found by text search, or found through an index."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.bundoc.query.budgets import Budgets
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.plan import Index, choose
from bunbase.bundoc.query.sort import parse_sort
from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import Highlight
from bunbase.contracts.bundoc.problems import InvalidQuery, QueryNeedsIndex
from bunbase.contracts.caller import Caller
from bunbase.contracts.rule_variables import auth_of
from bunbase.pkg.rules.inputs import Inputs
from tests.bundoc.permissions.asking import ADA, EVE, SERVER, C, asked, put

AUTHOR = {"type": "string", "x-ref": "users"}
OWNER = "auth.uid == doc.owner"


async def expanded(service: BundocService, caller: Caller, id: str) -> dict[str, Any]:
    """Return the expanded documents. Assert that a get and a list expand the same documents."""
    alone = msgspec.json.decode((await service.get(caller, C, id, ("author",))).body)
    listed = await asked(service, caller, expand=("author",))
    (same,) = [item for item in listed["items"] if item["_id"] == id]
    assert alone.get("_expand", {}) == same.get("_expand", {})
    found: dict[str, Any] = alone.get("_expand", {})
    return found


async def test_expanded_documents_must_pass_their_own_rules(service: BundocService) -> None:
    users = Rules(get="auth.uid == doc._id || doc.open == true", hidden={"email": "auth.uid == doc._id"})
    await service.put_collection(SERVER, "users", CollectionSpec(rules=Rules(get=users.get, hidden=users.hidden)))
    await put(service, "ada", "users", email="a@a.example", open=True)
    await put(service, "bob", "users", email="b@b.example", open=False)
    spec = CollectionSpec(schema={"properties": {"author": AUTHOR}}, rules=Rules(get="true", list="true"))
    await service.put_collection(SERVER, C, spec)
    await put(service, "d1", author="ada")
    await put(service, "d2", author="bob")

    by_eve = await expanded(service, EVE, "d1")
    by_server = await expanded(service, SERVER, "d1")

    assert "email" in by_server["author"]
    assert by_eve["author"]["open"] is True
    assert "email" in by_eve["author"]  # The rule hides the email only from ada.
    assert "email" not in (await expanded(service, ADA, "d1"))["author"]
    assert await expanded(service, EVE, "d2") == {}


async def test_a_hidden_reference_is_not_expanded(service: BundocService) -> None:
    await service.put_collection(SERVER, "users", CollectionSpec(rules=Rules(get="true")))
    await put(service, "ada", "users")
    rules = Rules(get="true", list="true", hidden={"author": "true"})
    await service.put_collection(SERVER, C, CollectionSpec(schema={"properties": {"author": AUTHOR}}, rules=rules))
    await put(service, "d1", author="ada")

    assert await expanded(service, EVE, "d1") == {}
    assert (await expanded(service, SERVER, "d1"))["author"]["_id"] == "ada"


async def searchable(service: BundocService, **hidden: str) -> None:
    words = IndexSpec(("title", "notes"), "words", type="text")
    await service.put_collection(SERVER, C, CollectionSpec((words,), rules=Rules(list=OWNER, hidden=hidden)))
    for number in range(4):
        owner = "ada" if number % 2 else "eve"
        await put(service, f"d{number}", owner=owner, title="a fox", notes="a dog")


def sought(words: Any) -> bytes:
    return msgspec.json.encode({"$search": words})


async def test_a_text_search_finds_only_allowed_documents(service: BundocService) -> None:
    await searchable(service)

    page = await asked(service, ADA, where=sought("fox dog"), count=True, score=True)

    assert ([item["_id"] for item in page["items"]], page["count"]) == (["d1", "d3"], 2)


async def test_hidden_fields_are_neither_searched_nor_highlighted(service: BundocService) -> None:
    await searchable(service, notes="true")
    highlight = Highlight(("title", "notes"))

    for words in ("dog", {"query": "dog", "fields": ["notes"]}, {"query": "dog", "fields": ["title", "notes"]}):
        with pytest.raises(InvalidQuery):
            await asked(service, ADA, where=sought(words))
    page = await asked(service, ADA, where=sought({"query": "fox", "fields": ["title"]}), highlight=highlight)

    assert [item["_id"] for item in page["items"]] == ["d1", "d3"]
    assert all("dog" not in str(item) for item in page["items"])


async def test_a_filter_that_repeats_the_rule_uses_an_index(service: BundocService) -> None:
    rule = "doc.open == true || auth.uid in doc.members"
    indexes = (IndexSpec(("members", "-n")), IndexSpec(("open",)), IndexSpec(("n",)))
    await service.put_collection(SERVER, C, CollectionSpec(indexes, rules=Rules(list=rule)))
    for number in range(9):
        await put(service, f"d{number}", members=["ada" if number % 3 else "eve"], open=number == 3, n=number)
    await put(service, "d9", members="ada", n=9)

    async def seen_by_ada(where: dict[str, Any]) -> list[int]:
        page = await asked(service, ADA, where=msgspec.json.encode(where), sort=("n",), count=True)
        assert page["count"] == len(page["items"])
        return [item["n"] for item in page["items"]]

    def index_for(caller: Caller, where: dict[str, Any]) -> str:
        compiled, about = CompiledRule(rule, "list"), Inputs(auth=auth_of(caller.user))
        bound = compiled.bound(about)
        kept = [Index(str(spec.fields[0]), parse_sort(spec.fields), many=True) for spec in indexes]
        plan = choose(parse_where(msgspec.json.encode(where)), parse_sort(()), kept, bound)
        return plan.index.name if plan.index else ""

    assert await seen_by_ada({"members": "ada"}) == [1, 2, 4, 5, 7, 8]
    assert await seen_by_ada({"members": "eve"}) == [3]
    assert await seen_by_ada({"open": True}) == [3]
    assert [index_for(ADA, {"members": "ada"}), index_for(ADA, {"open": True})] == ["members", "open"]
    for caller, where in ((ADA, {"members": "eve"}), (ADA, {"n": {"$gt": 1}}), (EVE, {"members": "ada"})):
        assert index_for(caller, where) == ""


async def test_an_owner_rule_uses_the_index_on_the_owner(engine: SqliteEngine) -> None:
    service = BundocService(engine, bound=Budgets(100), unbound=Budgets(100))
    await service.put_collection(SERVER, C, CollectionSpec(rules=Rules(list=OWNER)))
    for number in range(150):
        await put(service, f"d{number:03}", owner="ada" if number % 50 == 0 else "eve", n=number)

    with pytest.raises(QueryNeedsIndex) as needs:
        await asked(service, EVE, sort=("-n",))
    assert needs.value.extra["index"] == {"fields": ["owner", "-n"]}
    assert [item["n"] for item in (await asked(service, ADA, sort=("-n",)))["items"]] == [100, 50, 0]
    await service.put_collection(SERVER, C, CollectionSpec((IndexSpec(("owner", "-n")),)))
    assert len((await asked(service, EVE, sort=("-n",), limit=3))["items"]) == 3

    assert [item["n"] for item in (await asked(service, ADA, sort=("-n",), count=True))["items"]] == [100, 50, 0]
    listed = msgspec.json.decode((await service.list(ADA, C, 100, None)).body)
    assert [item["n"] for item in listed["items"]] == [0, 50, 100]
    assert len((await asked(service, ADA, sort=("-n",), limit=2))["items"]) == 2
