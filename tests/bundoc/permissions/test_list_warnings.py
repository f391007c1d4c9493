"""Warnings about list rules that refuse lists when the collection has grown."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from bunbase.bundoc.permissions.list_warnings import list_warning
from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, IndexState, Rules, RuleWarning
from bunbase.contracts.bundoc.documents import Query
from tests.rooms import publishable_caller, secret_caller

SERVER = secret_caller("prj_a")
APP = publishable_caller("prj_a")

LOOKED_UP = 'auth.uid in get("households", doc.household).members'
MEMBER = "exists('members', doc.household + '_' + auth.uid)"


def warned(rule: str | None, *indexes: tuple[str, ...], **more: Any) -> RuleWarning | None:
    states = tuple([IndexState("_".join(fields), fields, False, True, **more) for fields in indexes])
    return list_warning("posts", RuleSet(Rules(list=rule)), states, read_seconds=5.0)


@pytest.mark.parametrize(
    ("rule", "index"),
    [
        ("auth.uid == doc.owner", ["owner"]),
        ("auth != null && doc.owner == auth.uid", ["owner"]),
        ("auth.role == 'admin' || doc.owner == auth.uid", ["owner"]),
        ("doc.team in auth.claims.teams", ["team"]),
        ("doc.published == true", ["published"]),
        (f"doc.household == auth.claims.household && {LOOKED_UP}", ["household"]),
        ("auth.uid in doc.members", ["members"]),
        (LOOKED_UP, ["household"]),
        (MEMBER, ["household"]),
        (f"doc.public == true || {MEMBER}", ["household"]),
        (f"{MEMBER} && exists('teams', doc.team + auth.uid)", ["household", "team"]),
        ("exists('admins', auth.uid) || doc.owner == auth.uid", ["owner"]),
        ("exists('members', doc.household)", None),
        (f"{MEMBER} && size(get('teams', doc.team).tags) > 1", None),
        ("size(doc.tags) > 2", None),
        ("doc.a != 1", None),
    ],
)
def test_a_list_rule_without_an_index_is_warned_about_with_the_index_to_add(rule: str, index: list[str] | None) -> None:
    found = warned(rule)

    assert found is not None
    assert found.index == (None if index is None else {"fields": index})
    assert f"From about {found.from_documents} documents on" in found.detail


@pytest.mark.parametrize(
    ("rule", "index"),
    [
        ("auth.uid == doc.owner", ("owner", "-_created")),
        ("auth.role == 'admin' || doc.owner == auth.uid", ("owner",)),
        ("doc.team in auth.claims.teams", ("team",)),
        (f"doc.household == auth.claims.household && {LOOKED_UP}", ("household",)),
        ("exists('admins', auth.uid) || doc.owner == auth.uid", ("owner",)),
        ("doc._id == auth.uid", ("other",)),
    ],
)
def test_a_list_rule_that_an_index_serves_has_no_warning(rule: str, index: tuple[str, ...]) -> None:
    assert warned(rule, index) is None


@pytest.mark.parametrize(
    "rule",
    [None, "true", "false", "auth != null", "auth.role == 'admin'", "doc.a == 1 || true", "exists('admins', auth.uid)"],
)
def test_a_rule_that_decides_without_the_document_has_no_warning(rule: str | None) -> None:
    assert warned(rule) is None


def test_a_text_index_and_a_partial_index_of_other_documents_serve_no_rule() -> None:
    assert warned("doc.owner == auth.uid", ("owner",), type="text") is not None
    assert warned("doc.owner == auth.uid", ("owner",), where={"public": True}) is not None
    assert warned("doc.owner == auth.uid && doc.public", ("owner",), where={"public": True}) is None


def test_a_rule_with_look_ups_is_refused_with_fewer_documents_than_a_comparison() -> None:
    found = [warned(rule) for rule in ("doc.a == auth.uid", LOOKED_UP, f"{LOOKED_UP} && {LOOKED_UP}")]

    compared, looked_up, twice = [one.from_documents for one in found if one is not None]
    assert compared > looked_up > twice


def test_a_condition_that_clients_may_repeat_needs_its_index_only_once() -> None:
    found = warned("auth.uid in doc.members", ("members",))

    assert found is not None
    assert found.index is None
    assert "Repeat the rule's condition on members" in found.detail


def test_a_look_up_whose_key_a_filter_can_fix_is_advised_with_the_fields_to_set() -> None:
    found, with_index = warned(MEMBER), warned(MEMBER, ("household", "-_created"))

    assert found is not None
    assert with_index is not None
    assert "Set household to one value in the filter of each query, and add an index on [household]" in found.detail
    assert (with_index.index, "add an index" in with_index.detail) == (None, False)


async def test_the_answer_to_a_change_of_a_collection_has_the_warning_until_the_index_exists(
    service: BundocService,
) -> None:
    rules = Rules(list="auth.uid == doc.owner")

    without = await service.put_collection(SERVER, "posts", CollectionSpec(rules=rules))
    with_index = await service.put_collection(SERVER, "posts", CollectionSpec((IndexSpec(("owner",)),)))
    read = await service.collection(SERVER, "posts")

    assert without.warnings is not None
    (warning,) = without.warnings
    assert isinstance(warning, RuleWarning)
    assert (warning.collection, warning.rule, warning.index) == ("posts", "list", {"fields": ["owner"]})
    assert with_index.warnings == ()
    assert read.warnings is None


async def test_a_test_of_rules_warns_with_the_indexes_of_the_project(service: BundocService) -> None:
    await service.put_collection(SERVER, "notes", CollectionSpec((IndexSpec(("owner",)),)))
    rules = {"list": "auth.uid == doc.owner"}
    case = {"collection": "posts", "op": "get", "doc": {}}

    several = {"cases": [case], "rules": {"posts": rules, "notes": rules}}
    answer = msgspec.json.decode((await service.test_rules(SERVER, msgspec.json.encode(several))).body)
    single = msgspec.json.decode((await service.test_rules(SERVER, msgspec.json.encode({**case, "rules": rules}))).body)

    assert [one["collection"] for one in answer["warnings"]] == ["posts"]
    assert single["warnings"] == answer["warnings"]


@pytest.mark.parametrize(("dev", "lines"), [(True, 1), (False, 0)])
async def test_in_dev_mode_the_first_query_under_an_unserved_rule_is_logged_once(
    engine: SqliteEngine, dev: bool, lines: int
) -> None:
    service = BundocService(engine, dev=dev)
    await service.put_collection(SERVER, "posts", CollectionSpec(rules=Rules(list="doc.public == true")))

    with capture_logs() as logged:
        await service.query(APP, "posts", Query())
        await service.list(APP, "posts", 10, None)

    warnings = [one for one in logged if one["event"] == "a list rule is served by no index"]
    assert [one["index"] for one in warnings] == [{"fields": ["public"]}] * lines
