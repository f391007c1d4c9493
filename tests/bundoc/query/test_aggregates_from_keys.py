"""An aggregate returns the same result whether it reads the keys of indexes or documents."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.query.aggregate import Aggregate, parse_aggregate
from bunbase.bundoc.query.exact_sums import ExactSum
from bunbase.bundoc.query.groups import grouped
from bunbase.bundoc.query.order import short_key
from bunbase.bundoc.query.rows import UNREADABLE, canonical, value_in_key
from bunbase.bundoc.query.sort import SortField
from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.bundoc.sqlite_engine.sql_functions import prepare
from bunbase.bundoc.sqlite_engine.tables import Table, create_format
from bunbase.contracts.bundoc.collections import IndexSpec
from bunbase.contracts.bundoc.problems import QueryNeedsIndex
from tests.bundoc.query.generated import documents, filters, scalars
from tests.bundoc.query.test_counts import all_of, kept, pins, ruled, rules, searching
from tests.seeds import examples

INDEXES = (
    IndexSpec(("a",), "a"),
    IndexSpec(("a", "b"), "a_b"),
    IndexSpec(("-b", "a", "-_rev"), "b_a"),
    IndexSpec(("b", "-a.b", "a"), "deep"),
    IndexSpec(("b",), "some", where={"a": 1}),
    IndexSpec(("-a", "b"), "listed", where={"a": {"$in": ["a", 1]}}),
)
long_texts = st.sampled_from(["x" * size for size in (476, 477, 478, 479, 500, 509, 510, 511, 600)])
whole = st.dictionaries(st.sampled_from(["a", "b"]), scalars | long_texts, max_size=2)
ranges = st.fixed_dictionaries(
    {"a": st.sampled_from([{"$gte": 0}, {"$lt": "b"}, {"$ne": None}, {"$nin": [1, "a"]}, {"$startsWith": "a"}])}
)
GROUPS: tuple[tuple[Any, ...], ...] = ((), ("a",), ("b", "a"), ({"$each": "b"},), ("a.b",), ("_id",))
VALUES: tuple[dict[str, Any], ...] = (
    {"n": {"$count": True}},
    {"sum": {"$sum": "b"}, "avg": {"$avg": "b"}, "min": {"$min": "b"}, "max": {"$max": "a"}, "n": {"$count": True}},
    {"kinds": {"$countDistinct": "b"}, "revs": {"$sum": "_rev"}},
    {
        "one": {"$first": "b"},
        "end": {"$last": {"field": "a", "sort": ["-b"]}},
        "all": {"$push": {"field": "a", "sort": ["b"], "limit": 2}},
    },
)


@pytest.fixture
def sqlite() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    prepare(connection)
    create_format(connection)
    connection.execute("BEGIN")
    yield connection
    connection.close()


def items(connection: apsw.Connection, table: Table, source: str, where: Any, asked: Aggregate) -> list[Any]:
    search = ruled(CompiledRule(source, "list"), where, reads=asked.reads)
    one = searching(connection, table, search)
    return [msgspec.json.decode(item) for item in grouped(one.rows(), asked).items]


@settings(max_examples=examples(200), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    fields=st.lists(whole, max_size=6) | st.lists(documents, max_size=6),
    where=pins | st.just({}) | ranges | filters.filter(lambda one: "$regex" not in str(one)),
    source=rules,
    specs=st.lists(st.sampled_from(INDEXES), min_size=1, max_size=3, unique_by=lambda one: one.name).map(tuple),
    group=st.sampled_from(GROUPS),
    values=st.sampled_from(VALUES),
)
@example([{"a": 1.0}, {"a": 1}, {"a": True}], {}, "true", INDEXES[:1], ("a",), VALUES[0])
@example([{"a": 2**53 + 1, "b": 2**63 - 1}, {"a": 2**53}], {}, "true", INDEXES[1:2], ("a",), VALUES[1])
@example([{"a": {"b": 1.0}, "b": 1}, {"a": {"b": 1}}], {}, "true", INDEXES[3:4], ("a",), VALUES[1])
@example([{"a": [1, 2], "b": 1}, {"a": 1}], {"a": 1}, "true", INDEXES[1:2], ("a",), VALUES[1])
@example([{"a": "a", "b": 1}, {"a": "b", "b": 2}], {}, "doc.a == auth.uid", INDEXES[1:2], ("a",), VALUES[1])
@example([{"a": None}, {}], {"a": {"$exists": True}}, "true", INDEXES[:1], ("a",), VALUES[0])
def test_answers_are_equal_with_and_without_indexes(
    sqlite: apsw.Connection,
    fields: list[dict[str, Any]],
    where: Any,
    source: str,
    specs: tuple[IndexSpec, ...],
    group: tuple[Any, ...],
    values: dict[str, Any],
) -> None:
    asked = parse_aggregate(msgspec.json.encode(values), group, (), None)

    with_indexes = items(sqlite, kept(sqlite, all_of(fields), specs), source, where, asked)
    without = items(sqlite, kept(sqlite, all_of(fields), ()), source, where, asked)

    assert msgspec.json.encode(with_indexes) == msgspec.json.encode(without)


@example(value=-(1 << 63) - 1, descending=False)  # the nearest double is the smallest integer of 64 bits
@given(value=scalars | long_texts, descending=st.booleans())
def test_a_key_gives_its_value_back_or_says_that_it_cannot(value: Any, descending: bool) -> None:
    field, key = SortField(("a",), descending), short_key(value)
    stored = b"before" + (bytes(255 - byte for byte in key) if descending else key) + b"after"

    found, end = value_in_key(stored, len(b"before"), field)

    if found is UNREADABLE:
        assert len(key) > 480
    else:
        assert msgspec.json.encode(found) == msgspec.json.encode(canonical(value))
        assert stored[end:] == b"after"


@pytest.mark.parametrize(
    ("source", "where", "specs", "group", "values"),
    [
        ("true", {}, INDEXES[1:2], ("a",), VALUES[1]),
        ("true", {"a": {"$gte": "a", "$lt": "c"}}, INDEXES[1:2], (), VALUES[1]),
        ("true", {"a": 1, "b": {"$ne": 2}}, INDEXES[1:2], ({"$each": "b"},), VALUES[0]),
        ("doc.a == auth.uid", {"b": {"$gt": 0}}, INDEXES[1:2], ("b",), VALUES[3]),
        ("doc.a in auth.claims.many", {}, INDEXES[1:2], ("a",), VALUES[2] | {"revs": {"$min": "_id"}}),
        ("true", {"a": 1}, INDEXES[4:5], ("b",), VALUES[0]),
    ],
)
def test_a_covered_aggregate_reads_no_document(
    sqlite: apsw.Connection, source: str, where: Any, specs: tuple[IndexSpec, ...], group: Any, values: Any
) -> None:
    table = kept(sqlite, all_of([{"a": "a", "b": 1}, {"a": 1, "b": "a"}, {"a": True}]), specs)
    asked = parse_aggregate(msgspec.json.encode(values), group, (), None)
    ran: list[str] = []

    def note(_cursor: Any, sql: str, _bindings: Any) -> bool:
        ran.append(sql)
        return True

    sqlite.exec_trace = note

    items(sqlite, table, source, where, asked)

    sqlite.exec_trace = None
    assert not [sql for sql in ran if table.name in sql]


@pytest.mark.parametrize(
    ("source", "where", "specs", "needed"),
    [
        ("true", {}, (), ["a", "b"]),
        ("true", {"a": 1}, INDEXES[:1], ["a", "b"]),
        ("true", {"c": {"$gt": 0}}, (), ["c", "a", "b"]),
        ("doc.c == auth.uid", {}, (), ["c", "a", "b"]),
        ("doc.c == auth.uid || doc.d", {"c": "x"}, (), None),
        ("true", {"a": {"$exists": True}}, (), None),
    ],
)
def test_a_refused_aggregate_names_the_index_that_answers_it(
    sqlite: apsw.Connection, source: str, where: Any, specs: tuple[IndexSpec, ...], needed: list[str] | None
) -> None:
    stored = all_of([{"a": 1, "b": number, "c": "a", "d": True} for number in range(4)])
    asked = parse_aggregate(b'{"s":{"$sum":"b"}}', ("a",), (), None)

    def refused(indexes: tuple[IndexSpec, ...]) -> QueryNeedsIndex | None:
        search = ruled(CompiledRule(source, "list"), where, reads=asked.reads, max_scan=0)
        try:
            list(searching(sqlite, kept(sqlite, stored, indexes), search).rows())
        except QueryNeedsIndex as problem:
            return problem
        return None

    problem = refused(specs)
    assert problem is not None
    assert "count" not in problem.detail
    if needed is None:
        assert problem.extra["index"] is None
    else:
        assert problem.extra["index"] == {"fields": needed}
        assert refused((*specs, IndexSpec(tuple(needed), "added"))) is None


def test_an_index_with_arrays_is_not_proposed_again(sqlite: apsw.Connection) -> None:
    asked = parse_aggregate(b'{"s":{"$sum":"b"}}', ("a",), (), None)
    table = kept(sqlite, all_of([{"a": [1]}]), (IndexSpec(("a", "b"), "a_b"),))

    with pytest.raises(QueryNeedsIndex) as refused:
        list(searching(sqlite, table, ruled(CompiledRule("true", "list"), {}, reads=asked.reads, max_scan=0)).rows())

    assert refused.value.extra["index"] is None


@given(st.lists(st.decimals(-(10**9), 10**9, places=2, allow_nan=False), max_size=20))
def test_a_sum_of_decimals_is_the_exact_decimal(numbers: list[Decimal]) -> None:
    total = ExactSum()
    for one in numbers:
        total.add(canonical(float(one)), 1)

    assert total.total() == float(sum(numbers))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=9).flatmap(st.permutations))
def test_a_sum_of_doubles_depends_on_no_order(numbers: list[float]) -> None:
    forwards, backwards = ExactSum(), ExactSum()
    for one in numbers:
        forwards.add(canonical(one), 1)
    for one in sorted(numbers):
        backwards.add(canonical(one), 1)

    assert (forwards.total(), forwards.mean()) == (backwards.total(), backwards.mean())
