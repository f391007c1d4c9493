"""Hidden fields: no answer has them, and no query or aggregate reveals them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import Rules
from bunbase.contracts.bundoc.documents import Aggregation, Query
from bunbase.contracts.bundoc.problems import (
    InvalidQuery,
)
from tests.bundoc.permissions.asking import (
    ADA,
    ADMIN,
    SERVER,
    C,
    asked,
    body,
    fields_of,
    put,
    refusal,
    ruled,
)


async def test_hidden_fields_are_in_no_answer(service: BundocService) -> None:
    hidden = {"email": "doc.owner != auth.uid", "notes.private": "auth.role != 'admin'"}
    await ruled(service, Rules(list="true", get="true", hidden=hidden))
    await put(service, "a", owner="ada", email="a@x", notes={"private": 1, "open": 2})
    await put(service, "b", owner="eve", email="e@x", notes={"private": 1, "open": 2})

    page = await asked(service, ADA)
    picked = await asked(service, ADA, select=("email", "notes.private"))

    assert [(item.get("email"), item["notes"]) for item in page["items"]] == [("a@x", {"open": 2}), (None, {"open": 2})]
    assert [set(item) for item in picked["items"]] == [{"_id", "email", "notes"}, {"_id", "notes"}]
    assert b"private" not in (await service.list(ADA, C, 10, None)).body
    assert b"private" not in (await service.get(ADA, C, "a")).body
    assert (await fields_of(service, "a", ADMIN))["notes"] == {"private": 1, "open": 2}


QUERIES_ON_HIDDEN: list[dict[str, Any]] = [
    {"where": {"email": "a@x"}},
    {"where": {"$or": [{"n": 1}, {"$nor": [{"email": {"$startsWith": "a"}}]}]}},
    {"where": {"notes": {"$exists": True}}},
    {"where": {"notes.private.deep": 1}},
    {"where": {"notes": {"$elemMatch": {"private": 1}}}},
    {"sort": ("-email",)},
]


@pytest.mark.parametrize("query", QUERIES_ON_HIDDEN)
async def test_no_query_reveals_a_hidden_field_by_its_results(service: BundocService, query: dict[str, Any]) -> None:
    hidden = {"email": "doc.owner != auth.uid", "notes.private": "auth.role != 'admin'"}
    await ruled(service, Rules(list="true", hidden=hidden))
    asking = Query(body(query["where"]) if "where" in query else None, query.get("sort", ()))

    refused = await refusal(service.query(ADA, C, asking))

    assert isinstance(refused, InvalidQuery)
    assert await service.query(SERVER, C, asking)


async def test_aggregates_refuse_fields_that_are_hidden_from_the_caller(service: BundocService) -> None:
    await ruled(service, Rules(list="true", hidden={"salary": "auth.role != 'admin'"}))
    await put(service, "a", salary=9, job="x")
    total = b'{"total":{"$sum":"salary"}}'

    assert isinstance(await refusal(service.aggregate(ADA, C, Aggregation(total))), InvalidQuery)
    grouped = Aggregation(b'{"n":{"$count":true}}', group=("salary",))
    assert isinstance(await refusal(service.aggregate(ADA, C, grouped)), InvalidQuery)
    found = await service.aggregate(ADMIN, C, Aggregation(total))
    assert msgspec.json.decode(found.body) == {"items": [{"total": 9}], "next": None}
