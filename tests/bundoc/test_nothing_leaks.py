"""What a publishable key might learn in passing: from refusals, from what fails, from what is tried again and again."""

from __future__ import annotations

from typing import Any

import pytest

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc import (
    NO_PRECONDITION,
    CollectionSpec,
    DocumentNotFound,
    DocumentReferenced,
    InvalidDocument,
    InvalidQuery,
    Query,
    RuleDenied,
    Rules,
)
from tests.bundoc.test_access import ADA, EVE, SERVER, C, asked, body, fields_of, put, refusal, user

OPEN = Rules(list="true", get="true", create="true", update="true", delete="true")


def open_but(**hidden: str) -> Rules:
    return Rules(OPEN.list, OPEN.get, OPEN.create, OPEN.update, OPEN.delete, hidden=hidden)


async def referring(service: BundocService, name: str, on_delete: str = "restrict") -> None:
    """Let a collection without rules refer to the posts, which are open to all."""
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


async def test_expanding_tells_nothing_of_a_collection_that_may_not_be_listed(service: BundocService) -> None:
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
