"""Lists, queries and aggregates hold only documents that the list rule allows."""

from __future__ import annotations

import msgspec
import pytest

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Query
from bunbase.contracts.bundoc.problems import (
    QueryNeedsIndex,
    QueryTooSlow,
    RuleDenied,
)
from tests.bundoc.permissions.asking import (
    ADA,
    EVE,
    NOBODY,
    OWNERS,
    SERVER,
    C,
    asked,
    listed,
    put,
    refusal,
    ruled,
)


async def test_without_a_list_rule_lists_queries_and_aggregates_are_refused(service: BundocService) -> None:
    await ruled(service, Rules(get="true"))

    for refused in (
        service.list(ADA, C, 10, None),
        service.query(ADA, C, Query()),
        service.aggregate(ADA, C, Aggregation(b'{"n":{"$count":true}}')),
    ):
        assert type(await refusal(refused)) is RuleDenied


async def test_a_filter_that_contradicts_the_list_rule_finds_nothing_within_any_budget(service: BundocService) -> None:
    service.rights.bound = msgspec.structs.replace(service.rights.bound, documents=5)
    await ruled(service, Rules(list='doc.owner in [auth.uid, "all"]'))
    for number in range(8):
        await put(service, f"d{number}", owner="ada", n=number)
    await put(service, "e", owner="eve")
    await put(service, "both", owner=["ada", "eve"])

    found = await asked(service, ADA, where=b'{"owner":"eve"}', sort=("-n",), count=True)
    listed = await asked(service, ADA, where=b'{"owner":{"$in":["eve","bob"]}}', count=True)
    counted = await service.aggregate(ADA, C, Aggregation(b'{"n":{"$sum":"n"}}', b'{"owner":"eve"}'))
    own = await refusal(service.query(ADA, C, Query(where=b'{"owner":"ada"}', sort=("n",))))

    assert found == listed == {"items": [], "next": None, "count": 0}
    assert msgspec.json.decode(counted.body)["items"] == [{"n": 0}]
    assert isinstance(own, QueryNeedsIndex)


@pytest.mark.parametrize(
    ("rule", "named"), [('auth.uid in get("teams", doc.team).members', True), ("auth.uid == doc.owner", False)]
)
async def test_the_refusal_of_a_slow_list_names_a_rule_that_no_index_serves(
    service: BundocService, monkeypatch: pytest.MonkeyPatch, rule: str, named: bool
) -> None:
    async def slow(*_: object) -> None:
        raise QueryTooSlow("Reading took too long.")

    await ruled(service, Rules(list=rule))
    for name in ("search", "fold", "explain"):
        monkeypatch.setattr(service.engine, name, slow)

    queried = await refusal(service.query(ADA, C, Query()))
    counted = await refusal(service.aggregate(ADA, C, Aggregation(b'{"n":{"$sum":"n"}}')))

    assert [type(one) for one in (queried, counted)] == [QueryTooSlow] * 2
    assert [str(one).endswith("compare it with == or in.") for one in (queried, counted)] == [named] * 2


async def test_lists_counts_pages_and_aggregates_hold_only_documents_of_the_caller(service: BundocService) -> None:
    await ruled(service, OWNERS)
    for number in range(30):
        await put(service, f"d{number:02}", owner="ada" if number % 3 else "eve", n=number)

    first = await asked(service, EVE, sort=("-n",), limit=6, count=True)
    rest = await asked(service, EVE, sort=("-n",), limit=6, cursor=first["next"])
    grouped = await service.aggregate(EVE, C, Aggregation(b'{"n":{"$count":true}}', group=("owner",)))

    assert first["count"] == 10
    assert [item["n"] for item in first["items"] + rest["items"]] == list(range(27, -1, -3))
    assert rest["next"] is None
    assert msgspec.json.decode(grouped.body) == {"items": [{"owner": "eve", "n": 10}], "next": None}
    assert await listed(service, EVE) == [f"d{number:02}" for number in range(0, 30, 3)]
    assert await asked(service, NOBODY, count=True) == {"items": [], "next": None, "count": 0}
    counted = await service.aggregate(NOBODY, C, Aggregation(b'{"n":{"$count":true}}'))
    assert msgspec.json.decode(counted.body) == {"items": [{"n": 0}], "next": None}


async def test_the_part_of_a_rule_that_sql_cannot_express_is_evaluated_for_each_document(
    service: BundocService,
) -> None:
    rule = "size(doc.tags) > 1 && auth.uid in get('teams', doc.team).members"
    await ruled(service, Rules(list=rule, get=rule))
    await service.put(SERVER, "teams", "red", b'{"members":["ada"]}', NO_PRECONDITION)
    await service.put(SERVER, "teams", "blue", b'{"members":["eve"]}', NO_PRECONDITION)
    for number in range(12):
        await put(service, f"d{number:02}", team="red" if number % 2 else "blue", tags=["x"] * (number % 3))

    page = await asked(service, ADA, sort=("-_id",), limit=1, count=True)

    assert ([item["_id"] for item in page["items"]], page["count"]) == (["d11"], 2)
    assert await listed(service, ADA) == ["d05", "d11"]
    assert await listed(service, EVE) == ["d02", "d08"]
