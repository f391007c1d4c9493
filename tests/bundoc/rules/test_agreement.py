"""The closure, the condition on real rows and a naive evaluator make the same decisions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.bundoc.rules.seen import seen_fields
from bunbase.bundoc.sqlite_engine.sql_functions import prepare
from bunbase.pkg.rules.inputs import Inputs
from bunbase.pkg.rules.parser import parse
from bunbase.pkg.rules.refusal import InvalidRule
from tests.bundoc.rules.naive import naive
from tests.seeds import examples

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CREATED = "2026-01-01T00:00:00.000Z"

TEXTS = st.sampled_from(["", "ada", "eve", "a", "d1", "é", "😀", "x\x00y", '["ada"]', "1", CREATED, "'", '"'])
NUMBERS = st.sampled_from([0, 1, -1, 2, 1.0, 1.5, -0.5, 1e300, 2**53, 2**63 - 1, -(2**63), 2**70, 0.1])
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
NAMES = ["a", "b", "owner", "tags", "in_", "_x", "for"]
KEYS = st.sampled_from([*NAMES, "ada", "é"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)
DOCUMENTS = st.dictionaries(st.sampled_from([*NAMES[:5], "for"]), VALUES, max_size=5)
CALLERS = st.none() | st.fixed_dictionaries(
    {"uid": TEXTS, "email": st.none() | TEXTS, "role": TEXTS, "claims": st.dictionaries(st.sampled_from(NAMES), VALUES)}
)

LITERALS = (
    (st.none() | st.booleans() | TEXTS).map(json.dumps)
    | st.sampled_from([0, 1, -1, 1.0, 1.5, 1e300, 2**63 - 1, -(2**63)]).map(repr)
    | st.lists(TEXTS | st.booleans() | st.integers(-2, 2), max_size=3).map(json.dumps)
)
PLACES = st.sampled_from(
    ["doc.a", "doc.b", "doc.owner", "doc.tags", "doc.a.b", "doc.a.b.a", "doc.tags[0]", 'doc["owner"]', 'doc.a["b"]',
     'doc["é"]', "doc.a[1]", "doc.tags[0].a", "doc._id", "doc._rev", "doc._created", "doc.in_", "doc.a._x",
     "doc.for", "doc.a.for", "doc.tags[0.0]", "doc.a[1.0]"]
)  # fmt: skip
OTHERS = st.sampled_from(
    [
        "auth.uid",
        "auth.email",
        "auth.role",
        "auth.claims.a",
        "auth.claims.tags",
        "auth",
        "auth.claims.a.b",
        "request.op",
    ]
)
OPERANDS = st.recursive(
    PLACES | OTHERS | LITERALS,
    lambda inner: (
        st.builds("({} + {})".format, inner, inner)
        | st.builds("{}({})".format, st.sampled_from(["size", "string", "int", "double", "bool"]), inner)
        | st.builds("{}.{}()".format, inner, st.sampled_from(["lowerAscii", "upperAscii"]))
    ),
    max_leaves=2,
)
PATTERNS = st.sampled_from(["", "a", "^a", "a$", ".", "d.$", "^.$", "é", "x[^y]y"]).map(json.dumps)
TESTS = st.one_of(
    st.builds("{} {} {}".format, OPERANDS, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in"]), OPERANDS),
    st.builds("{}.{}({})".format, OPERANDS, st.sampled_from(["startsWith", "endsWith", "contains"]), OPERANDS),
    st.builds("{}.matches({})".format, OPERANDS, PATTERNS),
    st.sampled_from(["has(doc.a)", "has(doc.a.b)", "has(doc.a.b.a)", "has(auth.claims.a)", "has(doc._id)", "true"]),
    st.builds("doc.tags.{}(t, t == {})".format, st.sampled_from(["all", "exists"]), OPERANDS),
    PLACES,
    st.builds(
        "timestamp(doc._created).{}({}) == {}".format,
        st.sampled_from(["getHours", "getDayOfWeek", "getMonth"]),
        st.sampled_from(["", "'Europe/Berlin'", "'-01:00'"]),
        st.integers(0, 11),
    ),
    st.builds("timestamp(doc._created) {} now".format, st.sampled_from(["<", "<=", "==", ">"])),
)
RULES = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("(({}) == ({}))".format, inner, inner),
    ),
    max_leaves=5,
)


def is_valid(source: str) -> bool:
    try:
        CompiledRule(source, "list")
    except InvalidRule:
        return False
    return True


# The type checker refuses two of three generated rules, as intended. For the other rules, a document and a caller are
# drawn.
VALID_RULES = RULES.filter(is_valid)


def selected(rule: CompiledRule, inputs: Inputs, stored: StoredDocument) -> tuple[bool, bool]:
    """Run the rule's SQL condition on a real row.

    Return whether it selects the row, and whether the rule must decide.
    """
    narrowing = rule.narrowing(inputs)
    condition = narrowing.condition
    connection = apsw.Connection(":memory:")
    prepare(connection)
    connection.execute("CREATE TABLE docs (id TEXT, rev INT, created TEXT, updated TEXT, body TEXT)")
    row = (stored.id, stored.rev, stored.created, stored.updated, stored.body.decode())
    connection.execute("INSERT INTO docs VALUES (?, ?, ?, ?, ?)", row)
    where, parameters = (condition.sql, condition.params) if condition else ("1", ())
    found = connection.execute(f"SELECT count(*) FROM docs AS d WHERE {where}", parameters).get
    connection.close()
    return found == 1, narrowing.residual


@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(VALID_RULES, DOCUMENTS, CALLERS)
@example("!(doc.owner == auth.uid)", {"owner": None}, {"uid": "ada", "email": None, "role": "", "claims": {}})
@example("doc.owner == auth.uid", {"owner": ["ada"]}, {"uid": '["ada"]', "email": None, "role": "", "claims": {}})
@example("doc.owner == auth.uid || true", {}, None)
@example("doc.a == 1", {"a": True}, None)
@example('doc.a.startsWith("x") && !doc.a.endsWith("x")', {"a": "x\x00y"}, None)
def test_the_closure_the_sql_condition_and_the_naive_evaluator_agree(
    source: str, fields: dict[str, Any], auth: dict[str, Any] | None
):
    rule = CompiledRule(source, "list")
    stored = StoredDocument("d1", 2, CREATED, CREATED, json.dumps(fields).encode())
    request = {"op": "list", "collection": "posts"}
    doc = seen_fields(stored)

    allowed = rule.allows(Inputs(auth=auth, doc=doc, now=NOW, request=request))
    by_database, residual = selected(rule, Inputs(auth=auth, now=NOW, request=request), stored)

    if "timestamp" not in source:
        names = {"auth": auth, "doc": doc, "now": NOW, "request": request}
        assert allowed is (naive(parse(source), names) is True)
    assert by_database == allowed or (residual and by_database)
    assert rule.trace(Inputs(auth=auth, doc=doc, now=NOW, request=request))[0] is allowed


TESTS_OF_TEXT = [f"{{}}.{name}({{}})" for name in ("startsWith", "endsWith", "contains")]
TESTS_OF_VALUES = ["{} == {}", "{} < {}", "{} >= {}", "{} in [{}]", "{} in doc.tags && {} != null"]


@pytest.mark.parametrize("test", [*TESTS_OF_TEXT, "{}.matches({})", *TESTS_OF_VALUES])
@pytest.mark.parametrize("place", ["doc.a", "doc.a.b", "doc.tags[0]", "doc._id"])
@pytest.mark.parametrize("value", ["", "a", "draft", "\x00", None, [], {"b": ""}, {"": ""}])
def test_the_empty_string_is_treated_like_other_strings(test: str, place: str, value: Any) -> None:
    """In SQLite, substr of an empty blob is NULL, which is an error in a rule. So neither `t` nor `!t` was true."""
    fields = {"a": value, "tags": [value]}
    stored = StoredDocument("d1", 2, CREATED, CREATED, json.dumps(fields).encode())
    for sought in ("''", "'a'", "'draft'"):
        for source in (said := test.format(place, sought), f"!({said})", f"({said}) ? false : true"):
            try:
                rule = CompiledRule(source, "list")
            except InvalidRule:
                continue  # The type of a system field is known.

            allowed = rule.allows(Inputs(doc=seen_fields(stored)))
            by_database, residual = selected(rule, Inputs(), stored)

            assert by_database == allowed or (residual and by_database), source


@pytest.mark.parametrize(
    ("source", "sql", "parameters"),
    [
        (
            "auth.uid == doc.owner",
            "(json_type(d.body, '$.owner') = 'text' AND json_extract(d.body, '$.owner') = ?)",
            ("ada",),
        ),
        ("doc._id == auth.uid", "d.id = ?", ("ada",)),
        ("auth != null && doc._rev > 1", "d.rev > ?", (1,)),
        ("auth == null || doc.public == true", "json_type(d.body, '$.public') = 'true'", ()),
        ("doc.public", "json_type(d.body, '$.public') = 'true'", ()),
        (
            "has(doc.a.b)",
            "CASE json_type(d.body, '$.a') WHEN 'object' THEN json_type(d.body, '$.a.b') IS NOT NULL END",
            (),
        ),
    ],
)
def test_parts_of_a_rule_without_the_document_are_evaluated_before_the_query(source, sql, parameters):
    auth: dict[str, Any] = {"uid": "ada", "email": None, "role": "user", "claims": {}}

    narrowing = CompiledRule(source, "list").narrowing(Inputs(auth=auth))

    assert narrowing.condition is not None
    assert (narrowing.condition.sql, narrowing.condition.params, narrowing.residual) == (sql, parameters, False)


@pytest.mark.parametrize(
    ("source", "everything", "nothing", "residual"),
    [
        ("true", True, False, False),
        ("auth == null", True, False, False),
        ("auth != null", False, True, False),
        ("auth.uid == doc.owner", False, True, False),
        ("auth.uid == doc.owner || true", True, False, False),
        ("doc.tags.exists(t, t == 'x')", True, False, True),
        ("auth != null && doc.tags.exists(t, t == 'x')", False, True, False),
        ("exists('members', doc.team)", True, False, True),
    ],
)
def test_a_rule_that_ignores_the_document_becomes_a_constant(source, everything, nothing, residual):
    narrowing = CompiledRule(source, "list").narrowing(Inputs(auth=None))

    assert (narrowing.condition is None, narrowing.nothing, narrowing.residual) == (everything, nothing, residual)


def test_the_rest_of_a_rule_stays_in_sql_if_one_part_cannot():
    rule = CompiledRule("doc.owner == 'ada' && size(doc.tags) > 1", "list")

    narrowing = rule.narrowing(Inputs())

    assert narrowing.residual
    assert narrowing.condition is not None
    assert narrowing.condition.params == ("ada",)


@pytest.mark.parametrize(
    "source",
    [
        " || ".join(["doc.b"] * 450),
        " || ".join(["!doc.b"] * 400),
        "!(" * 22 + "doc.b && doc.b == true" + ")" * 22,
        "!doc.b ? true : " * 40 + "doc.b",
        "doc.n in auth.claims.many",
        "doc.n in auth.claims.more",
        " || ".join(["doc.n in auth.claims.many"] * 100),
    ],
)
def test_sqlite_accepts_the_conditions_of_the_longest_and_deepest_rules(source: str) -> None:
    rule = CompiledRule(source, "list")
    auth = {"uid": "ada", "email": None, "role": "", "claims": {"many": [False] * 400 + [1], "more": [True] * 5000}}
    stored = StoredDocument("d1", 1, CREATED, CREATED, b'{"b":true,"n":1}')

    by_database, residual = selected(rule, Inputs(auth=auth), stored)

    assert by_database == rule.allows(Inputs(auth=auth, doc=seen_fields(stored))) or (residual and by_database)


def test_an_index_on_the_owner_serves_the_rule() -> None:
    narrowing = CompiledRule("auth != null && auth.uid == doc.owner && has(doc.title)", "list").narrowing(
        Inputs(auth={"uid": "ada", "email": None, "role": "", "claims": {}})
    )
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE docs (id TEXT, rev INT, created TEXT, updated TEXT, body TEXT)")
    connection.execute("CREATE INDEX by_owner ON docs (json_extract(body, '$.owner'))")

    assert narrowing.condition is not None
    plan = connection.execute(
        f"EXPLAIN QUERY PLAN SELECT id FROM docs AS d WHERE {narrowing.condition.sql}", narrowing.condition.params
    ).fetchall()
    connection.close()

    assert "USING INDEX by_owner" in str(plan)
