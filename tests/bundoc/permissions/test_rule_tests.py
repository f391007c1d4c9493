"""Tests of POST /v1/rules/test, which returns the decisions of rules and their reasons."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.bundoc.permissions.access import Budget
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.problems import CollectionNotFound, RuleDenied
from bunbase.contracts.caller import Caller, Role
from bunbase.pkg.errors import Forbidden, InvalidInput, Malformed, Problem
from bunbase.pkg.rules.refusal import InvalidRule
from tests.rooms import member_caller, publishable_caller, secret_caller

SERVER = secret_caller("prj_a")
ADA = {"uid": "ada"}


async def tried(service: BundocService, case: Any, caller: Caller = SERVER) -> Any:
    return msgspec.json.decode((await service.test_rules(caller, msgspec.json.encode(case))).body)


async def refusal(service: BundocService, case: Any, caller: Caller = SERVER) -> Problem:
    with pytest.raises(Problem) as caught:
        await tried(service, case, caller)
    return caught.value


async def test_a_test_of_saved_rules_shows_the_value_of_each_part(service: BundocService) -> None:
    rules = Rules(get="auth != null &&\n  auth.uid == doc.owner", hidden={"email": "auth.role != 'admin'"})
    await service.put_collection(SERVER, "posts", CollectionSpec(rules=rules))
    case = {"collection": "posts", "op": "get", "doc": {"owner": "ada", "email": "e"}}

    ada = await tried(service, {**case, "auth": ADA})
    nobody = await tried(service, {**case, "auth": None})
    admin = await tried(service, {**case, "auth": {"uid": "root", "role": "admin"}})

    assert (ada["allowed"], ada["hidden"]) == (True, ["email"])
    assert {"expr": "auth.uid", "value": "ada", "line": 2, "column": 3} in ada["trace"]
    assert nobody["allowed"] is False
    assert (admin["allowed"], admin["hidden"]) == (False, [])


async def test_a_case_says_how_its_user_has_signed_in(service: BundocService) -> None:
    rule = "auth.verified && auth.provider == 'google' && !auth.anonymous && auth.aal == 2"
    case = {"collection": "posts", "op": "get", "doc": {}, "rules": {"get": rule}}
    careful = {"uid": "ada", "verified": True, "provider": "google", "aal": 2}

    assert (await tried(service, {**case, "auth": careful}))["allowed"]
    for wrong in ({"verified": False}, {"provider": "password"}, {"anonymous": True}, {"aal": 1}):
        assert not (await tried(service, {**case, "auth": careful | wrong}))["allowed"]


async def test_an_operation_without_a_rule_is_denied_with_that_reason(service: BundocService) -> None:
    case = {"collection": "posts", "op": "delete", "auth": ADA, "doc": {}, "rules": {}}

    found = await tried(service, case)

    assert found == {
        "allowed": False,
        "trace": [{"expr": "delete", "error": "there is no delete rule, which denies"}],
        "hidden": [],
        "warnings": [],
    }


async def test_lookups_read_the_stored_documents_or_documents_in_the_request(service: BundocService) -> None:
    await service.put(SERVER, "teams", "red", b'{"members":["ada"]}', NO_PRECONDITION)
    rules = {"create": "auth.uid in get('teams', next.team).members"}
    case = {"collection": "posts", "op": "create", "auth": ADA, "next": {"team": "red"}, "rules": rules}

    stored = await tried(service, case)
    sent = await tried(service, {**case, "documents": {"teams": {"red": {"members": []}}}})
    gone = await tried(service, {**case, "documents": {}})

    assert [one["allowed"] for one in (stored, sent, gone)] == [True, False, False]
    assert "there is no such document" in str(gone["trace"])


async def test_a_rule_test_may_set_the_time_and_the_id(service: BundocService) -> None:
    rules = {"update": "now < timestamp(doc._created) + duration('24h') && request.id == 'd7' && next._rev == 3"}
    case = {
        "collection": "posts",
        "op": "update",
        "doc": {"_created": "2026-01-01T00:00:00.000Z", "_rev": 2},
        "next": {"_rev": 3},
        "id": "d7",
        "rules": rules,
    }

    in_time = await tried(service, {**case, "now": "2026-01-01T12:00:00+01:00"})
    late = await tried(service, {**case, "now": "2026-01-03T12:00:00Z"})

    assert (in_time["allowed"], late["allowed"]) == (True, False)


async def test_the_coverage_of_rule_tests_lists_conditions_that_no_test_tried(service: BundocService) -> None:
    rules = {"posts": {"get": "doc.open == true || (auth != null && auth.uid == doc.owner)", "delete": "false"}}
    case = {"collection": "posts", "op": "get", "auth": ADA}
    cases = [{**case, "doc": {"owner": "ada", "open": False}}, {**case, "doc": {"open": True}}]

    found = await tried(service, {"rules": rules, "cases": cases})

    assert [one["allowed"] for one in found["items"]] == [True, True]
    get, delete = found["coverage"]
    assert (get["collection"], get["rule"], get["total"], get["covered"]) == ("posts", "get", 6, 4)
    assert [(one["expr"], one["never"]) for one in get["missing"]] == [
        ("auth != null", False),
        ("auth.uid == doc.owner", False),
    ]
    assert (delete["total"], delete["missing"]) == (0, [])


CASE: dict[str, Any] = {"collection": "posts", "op": "get", "doc": {}, "rules": {"get": "true"}}


@pytest.mark.parametrize(
    ("case", "at"),
    [
        ({"collection": "No", "op": "get", "doc": {}}, "/collection"),
        ({"cases": [{"collection": "a", "op": "get", "doc": {}}, {"collection": "No", "op": "get", "doc": {}}]},
         "/cases/1/collection"),
        ({"cases": [{"collection": "a", "op": "get", "doc": {}}], "rules": {"a": {}, "a/b~c": {}}}, "/rules/a~1b~0c"),
    ],
)  # fmt: skip
async def test_a_refusal_names_the_place_of_a_wrong_collection(service: BundocService, case: Any, at: str) -> None:
    refused = await refusal(service, case)

    assert [error["path"] for error in refused.extra["errors"]] == [at]


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"op": "read"}, InvalidInput),
        ({"doc": None}, InvalidInput),
        ({"next": {}}, InvalidInput),
        ({"surprise": 1}, InvalidInput),
        ({"auth": {"name": "ada"}}, InvalidInput),
        ({"collection": "No"}, InvalidInput),
        ({"id": "a b"}, InvalidInput),
        ({"doc": {"_id": '"'}}, InvalidInput),
        ({"doc": {"_id": "a\n"}}, InvalidInput),
        ({"doc": {"_rev": 0}}, InvalidInput),
        ({"doc": {"_created": '","x":"'}}, InvalidInput),
        ({"doc": {"_other": 1}}, InvalidInput),
        ({"now": "2026-01-01T00:00:00"}, InvalidInput),
        ({"now": "2026-01-01T00:00:00+0100"}, InvalidInput),
        ({"rules": {"get": "1 +"}}, InvalidRule),
        ({"rules": None}, CollectionNotFound),
        ({"cases": []}, InvalidInput),
    ],
)
async def test_an_invalid_rule_test_is_refused(service: BundocService, changed: Any, kind: type[Problem]) -> None:
    assert type(await refusal(service, CASE | changed)) is kind


async def test_rule_tests_that_are_not_json_are_refused(service: BundocService) -> None:
    with pytest.raises(Malformed):
        await service.test_rules(SERVER, b"{")


async def test_only_the_secret_key_and_developers_may_test_rules(service: BundocService) -> None:
    assert (await tried(service, CASE, member_caller("prj_a", Role.DEVELOPER)))["allowed"]
    assert type(await refusal(service, CASE, member_caller("prj_a", Role.VIEWER))) is Forbidden
    assert type(await refusal(service, CASE, publishable_caller("prj_a"))) is RuleDenied


async def test_rule_tests_that_take_too_long_are_refused(
    service: BundocService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bunbase.bundoc.permissions.rule_tests.Budget", lambda: Budget(10_000))
    rule = "doc.many.all(a, doc.many.all(b, a + b >= 0))"
    case = {"collection": "posts", "op": "get", "doc": {"many": list(range(20))}}

    refused = await refusal(service, {"rules": {"posts": {"get": rule}}, "documents": {}, "cases": [case] * 100})

    assert isinstance(refused, InvalidInput)
    assert "too many steps" in refused.detail
