"""Counts from keys, from SQL and from documents agree with the predicate, and stay within the budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.documents import StoredDocument, with_system_fields
from bunbase.bundoc.query.budgets import Limits
from bunbase.bundoc.query.condition import Condition
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.predicate import matches
from bunbase.bundoc.query.rows import Reads
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.bundoc.rules.seen import seen_fields
from bunbase.bundoc.sqlite_engine.index_tables import create_index, finish_index, index_tables
from bunbase.bundoc.sqlite_engine.searching import Searching
from bunbase.bundoc.sqlite_engine.sql_functions import prepare
from bunbase.bundoc.sqlite_engine.tables import Table, add_table, create_format, table_of
from bunbase.contracts.bundoc.collections import IndexSpec
from bunbase.contracts.bundoc.problems import QueryNeedsIndex
from bunbase.pkg.rules.inputs import Inputs
from tests.bundoc.query.generated import documents, filters, scalars, values
from tests.seeds import examples

ADA: dict[str, Any] = {"uid": "a", "email": None, "role": "user", "claims": {"a": 1, "many": ["a", "b", 1]}}
NOW = "2026-01-01T00:00:00.000Z"

INDEXES = (
    IndexSpec(("a",), "a"),
    IndexSpec(("-a", "b"), "a_b"),
    IndexSpec(("b", "-a"), "b_a"),
    IndexSpec(("a.b",), "deep"),
    IndexSpec(("b",), "some", where={"a": 1}),
    IndexSpec(("b",), "listed", where={"a": {"$in": ["a", 1]}}),
)
# These filters compare fields with values for equality, so that an index alone may answer.
pins = st.dictionaries(
    st.sampled_from(["a", "b", "a.b"]),
    scalars | st.lists(scalars, min_size=1, max_size=3).map(lambda listed: {"$in": listed}),
    min_size=1,
    max_size=2,
)
flat = st.dictionaries(st.sampled_from(["a", "b"]), scalars, max_size=2)
rules = st.sampled_from(
    [
        "true",
        "doc.a == auth.uid",
        "doc.a == auth.claims.a && doc.b == auth.uid",
        "doc.a in auth.claims.many",
        "doc.b in auth.claims.many && doc.a == 1",
        "doc.a",
        "doc.a.b == auth.uid",
        "doc.a == auth.claims.gone || doc.b == 1",
        "doc.a >= 1",
        "!(doc.a == auth.uid)",
        "size(doc.a) > 1 || doc.b == auth.uid",
        "doc._rev == 1 && doc.a == true",
    ]
)


@pytest.fixture
def sqlite() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    prepare(connection)
    create_format(connection)
    connection.execute("BEGIN")
    yield connection
    connection.close()


def kept(connection: apsw.Connection, stored: list[StoredDocument], specs: tuple[IndexSpec, ...]) -> Table:
    connection.execute("ROLLBACK")
    connection.execute("BEGIN")
    number = add_table(connection, "posts", NOW).number
    for spec in specs:
        create_index(connection, number, spec)
    table = table_of(connection, number)
    for one in stored:
        table.insert(connection, one)
    for index in index_tables(connection, number):
        finish_index(connection, index.number)
    return table_of(connection, number)


def ruled(rule: CompiledRule, where: Any, **more: Any) -> Search:
    inputs = Inputs(auth=ADA)
    narrowing = rule.narrowing(inputs)
    return Search(
        where=parse_where(msgspec.json.encode(where)),
        also=None if narrowing.condition is None else Condition(narrowing.condition.sql, narrowing.condition.params),
        implied=rule.implied(inputs),
        all_implied=rule.bound(inputs).exact,
        residual=(lambda stored, _: allowed(rule, stored)) if narrowing.residual else None,
        **more,
    )


def allowed(rule: CompiledRule, stored: StoredDocument) -> bool:
    return rule.allows(Inputs(auth=ADA, doc=seen_fields(stored)))


def searching(connection: apsw.Connection, table: Table, search: Search) -> Searching:
    return Searching(connection, table, search, lambda _collection, _id: None)


def all_of(fields: list[dict[str, Any]]) -> list[StoredDocument]:
    return [StoredDocument(f"d{number}", 1, NOW, NOW, msgspec.json.encode(one)) for number, one in enumerate(fields)]


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    fields=st.lists(flat, max_size=6) | st.lists(documents, max_size=6),
    where=pins | st.just({}) | filters.filter(lambda one: "$regex" not in str(one)),
    source=rules,
    specs=st.lists(st.sampled_from(INDEXES), max_size=3, unique_by=lambda one: one.name).map(tuple),
)
@example([{"a": True}, {"a": 1}], {"$and": [{"a": 1}, {"a": True}]}, "true", INDEXES[:1])
@example([{"a": [1, 2]}, {"a": 1}], {"a": {"$in": [1, 2]}}, "true", INDEXES[:1])
@example([{"a": ["a"]}, {"a": "a"}], {}, "doc.a == auth.uid", INDEXES[:1])
@example([{"a": "a"}, {"a": "b"}], {"a": {"$in": ["a", "b"]}}, "doc.a == auth.uid", INDEXES[:1])
@example([{"a": "x" * 600}, {"a": "x" * 600 + "y"}], {"a": "x" * 600}, "true", INDEXES[:1])
@example([{"a": 1, "b": 2}, {"a": 1, "b": 3}], {"a": 1, "b": 2}, "true", INDEXES[4:5])
def test_counts_pages_and_folds_agree_with_the_predicate(
    sqlite: apsw.Connection, fields: list[dict[str, Any]], where: Any, source: str, specs: tuple[IndexSpec, ...]
) -> None:
    rule, stored = CompiledRule(source, "list"), all_of(fields)
    table = kept(sqlite, stored, specs)
    tree = parse_where(msgspec.json.encode(where))
    expected = {
        one.id for one in stored if matches(tree, msgspec.json.decode(with_system_fields(one))) and allowed(rule, one)
    }

    found = searching(sqlite, table, ruled(rule, where, count=True)).found()
    counted = searching(sqlite, table, ruled(rule, where, count=True, limit=0)).found()
    inline = searching(sqlite, table, ruled(rule, where, count=True)).found_inline(Limits())
    folded = [one.id for one in searching(sqlite, table, ruled(rule, where, reads=Reads(apart=True))).rows()]

    assert {one.id for one in found.items} == expected
    assert found.count == counted.count == len(expected)
    assert not counted.items
    assert sorted(folded) == sorted(expected)
    assert inline is None or inline == found


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    fields=st.lists(flat | st.dictionaries(st.sampled_from(["a", "b"]), values, max_size=2), max_size=6),
    where=pins | st.just({}) | st.just({"a": {"$gte": 0}}),
    source=rules,
    specs=st.lists(st.sampled_from(INDEXES), max_size=3, unique_by=lambda one: one.name).map(tuple),
    max_scan=st.integers(0, 5),
)
def test_a_count_has_the_same_budget_as_reading_documents(
    sqlite: apsw.Connection,
    fields: list[dict[str, Any]],
    where: Any,
    source: str,
    specs: tuple[IndexSpec, ...],
    max_scan: int,
) -> None:
    assume(where or source != "true")  # The number of all documents has no budget.
    rule = CompiledRule(source, "list")
    table = kept(sqlite, all_of(fields), specs)
    search = ruled(rule, where, count=True, limit=0, max_scan=max_scan, max_entries=max_scan, reads=Reads())

    def walked() -> tuple[int, int] | QueryNeedsIndex:
        walk = searching(sqlite, table, search)
        try:
            return sum(row.documents for row in walk.rows()), walk.budget.examined
        except QueryNeedsIndex as problem:
            return problem

    by_walk = walked()

    if isinstance(by_walk, QueryNeedsIndex):
        with pytest.raises(QueryNeedsIndex) as refused:
            searching(sqlite, table, search).found()
        assert (refused.value.detail, refused.value.extra) == (by_walk.detail, by_walk.extra)
    else:
        counted = searching(sqlite, table, search).found()
        assert (counted.count, counted.examined) == by_walk


def statements(connection: apsw.Connection, table: Table, search: Search) -> list[str]:
    """Return the statements that the count ran after planning."""
    ran: list[str] = []
    one = searching(connection, table, search)

    def note(_cursor: Any, sql: str, _bindings: Any) -> bool:
        ran.append(sql)
        return True

    connection.exec_trace = note
    try:
        one.found()
    finally:
        connection.exec_trace = None
    return ran


@pytest.mark.parametrize(
    ("source", "where", "specs"),
    [
        ("doc.a == auth.uid", {}, INDEXES[:1]),
        ("doc.a == auth.claims.a && doc.b == auth.uid", {}, INDEXES[1:2]),
        ("doc.a == auth.uid", {"b": {"$in": [1, "x"]}}, INDEXES[1:2]),
        ("doc.a in auth.claims.many", {}, INDEXES[:1]),
        ("doc.a", {}, INDEXES[:1]),
        ("true", {"a": 1}, INDEXES[:1]),
        ("true", {"a": 1, "b": 2}, INDEXES[4:5]),
    ],
)
def test_a_count_from_index_keys_alone_reads_no_document(
    sqlite: apsw.Connection, source: str, where: Any, specs: tuple[IndexSpec, ...]
) -> None:
    table = kept(sqlite, all_of([{"a": "a", "b": 1}, {"a": 1, "b": "a"}, {"a": True}]), specs)
    search = ruled(CompiledRule(source, "list"), where, count=True, limit=0)

    assert not [sql for sql in statements(sqlite, table, search) if table.name in sql]


def test_a_count_in_sql_takes_one_statement_per_range(sqlite: apsw.Connection) -> None:
    table = kept(sqlite, all_of([{"a": "a", "b": number} for number in range(9)]), INDEXES[:1])
    search = ruled(CompiledRule("doc.a == auth.uid", "list"), {"b": {"$gt": 3}}, count=True, limit=0)

    everybody = Search(where=search.where, count=True, limit=0)

    assert searching(sqlite, table, search).found().count == 5
    assert len(statements(sqlite, table, search)) == 1
    assert searching(sqlite, table, everybody).found().count == 5
    assert len(statements(sqlite, table, everybody)) == 2  # Without a rule, keys are counted before matches.
