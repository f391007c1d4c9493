"""Explanations of queries and of refusals, for callers who may see them."""

from __future__ import annotations

import msgspec
import pytest

from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Query
from bunbase.contracts.bundoc.problems import (
    InvalidQuery,
    RuleDenied,
)
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem
from tests.bundoc.permissions.asking import (
    ADA,
    EVE,
    OWNERS,
    SERVER,
    C,
    body,
    put,
    refusal,
    ruled,
)


async def test_explain_is_refused_to_callers_bound_by_rules(service: BundocService) -> None:
    await ruled(service, OWNERS)

    assert isinstance(await refusal(service.query(ADA, C, Query(explain=True))), RuleDenied)


async def test_explain_as_a_user_tells_which_index_serves_the_rule_and_the_rest(
    service: BundocService,
) -> None:
    rule = "doc.owner == auth.uid && size(doc.job) > 1"
    await service.put_collection(SERVER, C, CollectionSpec((IndexSpec(("owner",)),), Rules(list=rule)))
    await put(service, "a", owner="ada", job="long")
    await put(service, "b", owner="ada", job="x")
    await put(service, "c", owner="eve", job="long")
    assert ADA.user is not None

    page = msgspec.json.decode((await service.query(SERVER, C, Query(explain=True, explain_as=ADA.user))).body)
    asking = msgspec.structs.replace(ADA, explain=True)  # X-Bunbase-Explain proves that the caller is a member.
    by_user = msgspec.json.decode((await service.query(asking, C, Query(explain=True))).body)
    nobody = msgspec.json.decode((await service.query(SERVER, C, Query(explain=True, explain_as=None))).body)

    assert [one["_id"] for one in page["items"]] == ["a"]
    (warning,) = page["explain"].pop("warnings")
    assert warning["from_documents"] == 10_000
    assert by_user["explain"].pop("warnings") == [warning]
    assert page["explain"] == {
        "index": "owner",
        "ordered_by_index": True,
        "examined": 1,
        "rule": {"left_over": ["size(doc.job) > 1"], "looked_up": []},
    }
    assert by_user == page
    assert nobody["items"] == []


@pytest.mark.parametrize(
    ("caller", "query", "refused"),
    [
        (ADA, Query(explain=True, explain_as=None), RuleDenied),
        (SERVER, Query(explain_as=None), InvalidQuery),
        (SERVER, Query(explain=True, explain_as=None, expand=("owner",)), InvalidQuery),
    ],
)
async def test_only_a_server_or_member_explains_as_a_user_and_nothing_else(
    service: BundocService, caller: Caller, query: Query, refused: type[Problem]
) -> None:
    await ruled(service, OWNERS)

    assert isinstance(await refusal(service.query(caller, C, query)), refused)


async def test_in_dev_mode_a_denial_names_the_header_that_explains_it(engine: SqliteEngine) -> None:
    dev, production = BundocService(engine), BundocService(engine, dev=False)
    await ruled(dev, OWNERS)
    asking = msgspec.structs.replace(EVE, explain=True)

    denied = [
        await refusal(service.create(caller, C, body({"owner": "ada"})))
        for service, caller in ((dev, EVE), (production, EVE), (dev, asking))
    ]
    listed = await refusal(dev.list(EVE, "unruled", 10, None))

    assert ["X-Bunbase-Explain: true" in one.detail for one in (*denied, listed)] == [True, False, False, True]
    assert not any("secret key" in one.detail for one in (*denied, listed))


async def test_an_explanation_names_a_collection_that_does_not_exist(service: BundocService) -> None:
    await ruled(service, OWNERS)
    asking = msgspec.structs.replace(EVE, explain=True)

    refused = [
        await refusal(service.list(asking, "psots", 10, None)),
        await refusal(service.get(asking, "psots", "a")),
        await refusal(service.create(asking, "psots", b"{}")),
        await refusal(service.patch(asking, "psots", "a", b"{}", NO_PRECONDITION)),
    ]
    unasked = await refusal(service.get(EVE, "psots", "a"))

    assert {one.extra["trace"][0]["error"] for one in refused} == {"there is no collection psots, and so no rule"}
    assert unasked.extra == {}


async def test_the_reason_of_a_denial_is_shown_only_to_callers_who_may_know_it(service: BundocService) -> None:
    await ruled(service, OWNERS)
    await put(service, "a", owner="ada")
    asking = msgspec.structs.replace(EVE, explain=True)

    hidden = await refusal(service.get(asking, C, "a"))
    patched = await refusal(service.patch(asking, C, "a", b"{}", NO_PRECONDITION))
    created = await refusal(service.create(asking, C, b'{"owner":"ada"}'))
    await service.put_collection(SERVER, "nothing", CollectionSpec())
    no_rule = await refusal(service.list(asking, "nothing", 10, None))

    assert hidden.extra["rule"] == patched.extra["rule"] == "get"
    assert hidden.extra["trace"][-1] == {
        "expr": "auth.uid == doc.owner",
        "value": False,
        "line": 1,
        "column": 1,
    }
    assert (created.extra["rule"], created.extra["trace"][-1]["value"]) == ("create", False)
    assert no_rule.extra["trace"] == [{"expr": "list", "error": "there is no list rule, which denies"}]
    assert (await refusal(service.get(EVE, C, "a"))).extra == {}
