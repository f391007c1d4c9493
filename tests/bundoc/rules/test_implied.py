"""The implied filter of a rule matches every allowed document. BunBase uses this filter to choose indexes."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings

from bunbase.bundoc.documents import StoredDocument, with_system_fields
from bunbase.bundoc.query.condition import Condition
from bunbase.bundoc.query.filters import EVERYTHING, NOTHING, And, Compare, Exists, Filter, Or, StartsWith
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.plan import Index, choose
from bunbase.bundoc.query.predicate import matches
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.sort import parse_sort
from bunbase.bundoc.query.wanted import wanted
from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.bundoc.rules.seen import seen_fields
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Query
from bunbase.contracts.bundoc.problems import QueryNeedsIndex
from bunbase.contracts.caller import EndUser
from bunbase.pkg.rules.inputs import Inputs
from tests.bundoc.rules.test_agreement import CALLERS, CREATED, DOCUMENTS, NOW, VALID_RULES
from tests.rooms import secret_caller
from tests.seeds import examples

REQUEST = {"op": "list", "collection": "posts"}
ADA: dict[str, Any] = {"uid": "ada", "email": None, "role": "user", "claims": {"teams": ["red", "blue"], "big": 2**70}}


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(VALID_RULES, DOCUMENTS, CALLERS)
@example("auth.uid in doc.tags", {"tags": {"ada": 1}}, ADA)
@example("doc.a", {"a": True}, None)
@example("doc.owner in auth.claims.teams", {"owner": "red"}, ADA)
@example("doc.a < auth.claims.big", {"a": 2**70 - 5000}, ADA)
def test_every_allowed_document_matches_the_implied_filter(
    source: str, fields: dict[str, Any], auth: dict[str, Any] | None
) -> None:
    rule = CompiledRule(source, "list")
    stored = StoredDocument("d1", 2, CREATED, CREATED, json.dumps(fields).encode())

    filter = rule.implied(Inputs(auth=auth, now=NOW, request=REQUEST))

    if rule.allows(Inputs(auth=auth, doc=seen_fields(stored), now=NOW, request=REQUEST)):
        assert matches(filter, msgspec.json.decode(with_system_fields(stored)))


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(VALID_RULES, CALLERS, CALLERS)
@example("has(doc.a.b) && doc['a'] == auth.uid", ADA, {**ADA, "uid": "bob"})
@example("doc[auth.uid] == 1 || timestamp(doc._created) > now", ADA, {**ADA, "uid": "bob"})
@example("doc.a in auth.claims.teams && doc._id != 'x'", ADA, None)
def test_a_rule_that_has_served_other_callers_decides_like_a_new_rule(
    source: str, first: dict[str, Any] | None, second: dict[str, Any] | None
) -> None:
    kept = CompiledRule(source, "list")

    for auth in (first, second, first):
        new = CompiledRule(source, "list")
        for get in (CompiledRule.narrowing, CompiledRule.bound, CompiledRule.left_over):
            inputs = [Inputs(auth=auth, now=NOW, request=REQUEST) for _ in range(2)]
            assert repr(get(kept, inputs[0])) == repr(get(new, inputs[1]))


@pytest.mark.parametrize(
    ("source", "filter"),
    [
        ("auth.uid == doc.owner", Compare(("owner",), "=", "ada")),
        ("auth.role == 'admin' || doc.owner == auth.uid", Compare(("owner",), "=", "ada")),
        ("doc.owner in [auth.uid]", Compare(("owner",), "=", "ada")),
        ("doc.a.b > 1", Compare(("a", "b"), ">", 1)),
        ("1 > doc.a", Compare(("a",), "<", 1)),
        ("doc['owner'] == auth.uid", Compare(("owner",), "=", "ada")),
        ("doc.public", Compare(("public",), "=", True)),
        ("doc._id == auth.uid", Compare(("_id",), "=", "ada")),
        ("doc.team in auth.claims.teams", Or((Compare(("team",), "=", "red"), Compare(("team",), "=", "blue")))),
        ("doc.a == 1 || doc.a == 2", Or((Compare(("a",), "=", 1), Compare(("a",), "=", 2)))),
        ("doc.name.startsWith(auth.uid)", StartsWith(("name",), "ada")),
        ("has(doc.a.b)", Exists(("a", "b"))),
        ("auth != null && doc.a == 1", And((EVERYTHING, Compare(("a",), "=", 1)))),
        ("doc.a == 1 || size(doc.b) > 1", EVERYTHING),
        ("auth.uid in doc.members", EVERYTHING),
        ("!(doc.a == 1)", EVERYTHING),
        ("doc.a[0] == 1", EVERYTHING),
        ("doc.a == auth.claims.big", EVERYTHING),
        ("auth == null", NOTHING),
        ("doc.a == auth.claims.gone", NOTHING),
        ("auth != null", EVERYTHING),
    ],
)
def test_conditions_on_single_fields_are_found_in_a_rule(source: str, filter: Filter) -> None:
    assert CompiledRule(source, "list").implied(Inputs(auth=ADA)) == filter


@pytest.mark.parametrize(
    ("rule", "where", "order", "fields"),
    [
        ("auth.uid == doc.owner", {"n": {"$gt": 1}}, ["-m"], ("owner", "-m", "n")),
        ("doc.team in auth.claims.teams", {"n": 1}, ["-m"], ("n", "team", "-m")),
        ("doc.a == 1 || doc.b == 2", {"n": 1}, ["-m"], ()),
        ("doc.a == 1 || doc.b == 2", {"a": 1, "n": 1}, ["-m"], ("a", "n", "-m")),
        ("doc.a == 1 || doc.b == 2", {"n": 1}, ["-_created"], ("-_created",)),
        ("doc.a == 1 && size(doc.b) > 1", {"n": 1}, ["-m"], ("a",)),
        ("doc.a == 1 && size(doc.b) > 1", {"n": 1}, ["-_created"], ("a", "-_created")),
        ("auth.uid in doc.members", {"n": 1}, ["-m"], ()),
    ],
)
def test_the_advised_index_can_serve_the_query(
    rule: str, where: Any, order: list[str], fields: tuple[str, ...]
) -> None:
    compiled_rule, inputs, sort = CompiledRule(rule, "list"), Inputs(auth=ADA), parse_sort(order)
    bound = compiled_rule.bound(inputs)
    asked = parse_where(msgspec.json.encode(where))

    assert tuple(map(str, wanted(asked, sort, bound))) == fields
    if fields:
        plan = choose(asked, sort, [Index("advised", parse_sort(fields))], bound)
        assert plan.index is not None
        assert wanted(asked, sort, bound) == plan.index.order.fields


async def test_an_index_may_serve_a_search_because_of_the_rule_alone(engine: SqliteEngine) -> None:
    caller, service = secret_caller("prj_a"), BundocService(engine)
    for number in range(60):
        body = msgspec.json.encode({"owner": "ada" if number % 10 == 0 else f"u{number}", "n": number})
        await service.put(caller, "posts", f"d{number:02}", body, NO_PRECONDITION)
    inputs = Inputs(auth=ADA)
    rule = CompiledRule("auth.uid == doc.owner", "list")
    condition = rule.narrowing(inputs).condition
    assert condition is not None
    also = Condition(condition.sql, condition.params)
    search = Search(also=also, implied=rule.implied(inputs), count=True, max_scan=6)
    by_all = await engine.search("prj_a", "posts", search)  # Denied documents are not counted.

    with pytest.raises(QueryNeedsIndex) as refused:
        await engine.search("prj_a", "posts", msgspec.structs.replace(search, max_scan=5))
    fields = refused.value.extra["index"]["fields"]
    await service.put_collection(caller, "posts", CollectionSpec((IndexSpec(tuple(fields)),)))
    found = await engine.search("prj_a", "posts", search)

    assert fields == ["owner"]
    assert (by_all.index, by_all.count, by_all.examined) == ("_id", 6, 6)
    assert (found.index, found.count, found.examined) == ("owner", 6, 6)
    assert [one.id for one in found.items] == [f"d{number}0" for number in ("0", *range(1, 6))]


@pytest.mark.parametrize(
    "rule", ["auth.role == 'admin' || doc.team == auth.claims.team", "doc.team in [auth.claims.team]"]
)
async def test_a_rule_with_one_alternative_for_the_caller_reads_only_its_page(
    service: BundocService, rule: str
) -> None:
    spec = CollectionSpec((IndexSpec(("team",)),), rules=Rules(list=rule))
    await service.put_collection(secret_caller("prj_a"), "posts", spec)
    for number in range(60):
        await service.create(secret_caller("prj_a"), "posts", b'{"team":"%s"}' % (b"red", b"blue")[number % 2])
    eve = EndUser("eve", None, "user", {"team": "red"}, "s")

    page = await service.query(secret_caller("prj_a"), "posts", Query(limit=5, explain=True, explain_as=eve))

    plan = msgspec.json.decode(page.body)["explain"]
    assert (plan["index"], plan["ordered_by_index"], plan["examined"]) == ("team", True, 6)
    assert "warnings" not in plan
