"""Refusals, failures and repeated attempts reveal no hidden data to a caller with a publishable key."""

from __future__ import annotations

from typing import Any

import pytest

from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.altering import Declare
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Query
from bunbase.contracts.bundoc.problems import (
    BundocBusy,
    DocumentNotFound,
    DocumentReferenced,
    InvalidDocument,
    InvalidQuery,
    RuleDenied,
)
from tests.bundoc.permissions.asking import ADA, EVE, SERVER, C, asked, body, fields_of, put, refusal, user

OPEN = Rules(list="true", get="true", create="true", update="true", delete="true")


def open_but(**hidden: str) -> Rules:
    return Rules(OPEN.list, OPEN.get, OPEN.create, OPEN.update, OPEN.delete, hidden=hidden)


async def referring(service: BundocService, name: str, on_delete: str = "restrict") -> None:
    """Create a collection without rules that refers to the posts. All callers may use the posts."""
    field = {"type": "string", "x-ref": C, "x-on-delete": on_delete}
    await service.put_collection(SERVER, C, CollectionSpec(rules=OPEN))
    await service.put_collection(SERVER, name, CollectionSpec(schema={"properties": {"about": field}}))


async def test_a_refused_deletion_does_not_name_collections_without_rules(service: BundocService) -> None:
    await referring(service, "reports")
    await put(service, "p1")
    await put(service, "r1", "reports", about="p1")
    deletion = b'{"writes":[{"op":"delete","collection":"posts","id":"p1"}]}'

    alone = await refusal(service.delete(EVE, C, "p1", NO_PRECONDITION))
    together = await refusal(service.commit(EVE, deletion))
    by_server = await refusal(service.delete(SERVER, C, "p1", NO_PRECONDITION))

    for problem in (alone, together):
        assert type(problem) is DocumentReferenced
        assert not {"reports", "about"} & {*problem.detail.split(), *map(str, problem.extra.values())}
    assert by_server.extra["collection"] == "reports"
    assert "write" in together.extra


async def test_a_deletion_that_waits_for_an_index_does_not_name_its_field(
    service: BundocService, engine: SqliteEngine
) -> None:
    await service.put_collection(SERVER, C, CollectionSpec(rules=OPEN))
    await put(service, "p1")
    await put(service, "r1", "reports", about="p1")
    schema = {"properties": {"about": {"type": "string", "x-ref": C}}}
    await engine._task(SERVER.project, Declare("reports", CollectionSpec(schema=schema)))

    problem = await refusal(service.delete(EVE, C, "p1", NO_PRECONDITION))

    assert type(problem) is BundocBusy
    assert not {"reports", "about"} & {*problem.detail.split(), *map(str, problem.extra.values())}


async def test_schema_errors_of_hidden_fields_are_not_shown(service: BundocService) -> None:
    schema = {"properties": {"n": {"type": "integer"}, "salary": {"type": "integer", "maximum": 100}}}
    await put(service, "a", salary=90, n=1)
    await service.put_collection(SERVER, C, CollectionSpec(schema=schema, rules=open_but(salary="auth.uid == 'eve'")))
    raise_by = body({"$inc": {"salary": 11}})

    by_eve = await refusal(service.patch(EVE, C, "a", raise_by, NO_PRECONDITION))
    by_ada = await refusal(service.patch(ADA, C, "a", raise_by, NO_PRECONDITION))

    assert (type(by_eve), type(by_ada)) == (RuleDenied, InvalidDocument)
    assert "salary" not in str((by_eve.detail, by_eve.extra))
    assert await fields_of(service, "a") == {"salary": 90, "n": 1}


async def test_schema_errors_of_visible_fields_are_shown(service: BundocService) -> None:
    schema = {"properties": {"n": {"type": "integer"}, "pay": {"properties": {"net": {"maximum": 100}}}}}
    await put(service, "a", pay={"net": 90}, n=1)
    await service.put_collection(SERVER, C, CollectionSpec(schema=schema, rules=open_but(**{"pay.net": "true"})))
    change = body({"$inc": {"pay.net": 11}, "$set": {"n": "one"}})

    refused = await refusal(service.patch(EVE, C, "a", change, NO_PRECONDITION))

    assert [error["path"] for error in refused.extra["errors"]] == ["/n"]


async def test_schema_errors_of_a_denied_document_are_not_shown(service: BundocService) -> None:
    rules = Rules(get="auth.uid == doc.owner", update="true", create="true")
    await put(service, "a", owner="ada", secret_notes="x")
    spec = CollectionSpec(schema={"properties": {"n": {}, "owner": {}}}, strict=True, rules=rules)
    await service.put_collection(SERVER, C, spec)

    denied = await refusal(service.patch(EVE, C, "a", b'{"n":1}', NO_PRECONDITION))
    shown = await refusal(service.patch(ADA, C, "a", b'{"n":1}', NO_PRECONDITION))
    missing = await refusal(service.patch(EVE, C, "gone", b'{"n":1}', NO_PRECONDITION))

    assert (denied.code, denied.detail.replace(" a ", " gone "), denied.extra) == (missing.code, missing.detail, {})
    assert "secret_notes" in str(shown.extra)


@pytest.mark.parametrize("change", [{"$max": {"salary": 1}}, {"$min": {"salary": 999}}, {"$min": {"pay.net": 999}}])
async def test_no_update_operator_reveals_how_a_hidden_field_compares(
    service: BundocService, change: dict[str, Any]
) -> None:
    """Each of these updates changes nothing, so the update rule would allow it."""
    eve = "auth.uid == 'eve'"
    rules = Rules(
        get="auth.uid != 'bob'",
        update="next.salary == doc.salary && next.pay == doc.pay",
        hidden={"salary": eve, "pay": eve},
    )
    await service.put_collection(SERVER, C, CollectionSpec(rules=rules))
    await put(service, "a", salary=90, pay={"net": 60})

    hidden = await refusal(service.patch(EVE, C, "a", body(change), NO_PRECONDITION))
    unseen = await refusal(service.patch(user("bob"), C, "a", body(change), NO_PRECONDITION))

    assert (type(hidden), type(unseen)) == (RuleDenied, DocumentNotFound)
    assert (await service.patch(ADA, C, "a", body(change), NO_PRECONDITION)).rev == 2


async def test_a_caller_who_may_write_a_hidden_field_may_use_max(service: BundocService) -> None:
    await service.put_collection(SERVER, C, CollectionSpec(rules=open_but(best="true")))
    await put(service, "a", best=5)

    for best in (3, 9):
        await service.patch(EVE, C, "a", body({"$max": {"best": best}}), NO_PRECONDITION)

    assert await fields_of(service, "a") == {"best": 9}


async def test_expand_reveals_nothing_about_a_collection_that_may_not_be_listed(service: BundocService) -> None:
    author = {"type": "string", "x-ref": "users"}
    await service.put_collection(SERVER, C, CollectionSpec(schema={"properties": {"author": author}}))

    for path in ("author", "nothing", "author.team"):
        there = await refusal(service.query(EVE, C, Query(expand=(path,))))
        gone = await refusal(service.query(EVE, "gone", Query(expand=(path,))))
        assert type(there) is type(gone) is RuleDenied


async def test_a_refused_expansion_does_not_name_where_a_reference_leads(service: BundocService) -> None:
    author = {"type": "string", "x-ref": "users"}
    spec = CollectionSpec(schema={"properties": {"author": author}}, rules=open_but())
    await service.put_collection(SERVER, C, spec)

    with pytest.raises(InvalidQuery) as refused:
        await asked(service, EVE, expand=("author.team",))

    assert "users" not in refused.value.detail
