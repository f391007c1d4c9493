"""A partial index serves only queries that imply its filter, so that no document is missed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.query.filters import Filter
from bunbase.bundoc.query.implies import conjuncts, contradicts, implies
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.predicate import matches
from tests.bundoc.query.generated import documents, filters, operators
from tests.seeds import examples

simple = st.dictionaries(st.just("a"), operators(filters), min_size=1, max_size=1)


def read(where: Any) -> Filter:
    return parse_where(msgspec.json.encode(where))


@settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
@given(where=st.one_of(simple, filters), wanted=st.one_of(simple, filters), stored=st.lists(documents, max_size=5))
def test_an_implied_filter_matches_every_document_that_passes(
    where: Any, wanted: Any, stored: list[dict[str, Any]]
) -> None:
    assume(implies(conjuncts(read(where)), read(wanted)))

    for document in stored:
        assert not matches(read(where), document) or matches(read(wanted), document)


@pytest.mark.parametrize(
    ("where", "wanted", "expected"),
    [
        ({"a": 1}, {}, True),
        ({}, {"a": 1}, False),
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"$and": [{"b": 2}, {"a": 1}]}, {"a": 1}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": 5}, {"a": {"$gt": 4}}, True),
        ({"a": 5}, {"a": {"$gt": 5}}, False),
        ({"a": {"$gt": 5}}, {"a": {"$gte": 5}}, True),
        ({"a": {"$gte": 5}}, {"a": {"$gt": 5}}, False),
        ({"a": {"$gte": 6}}, {"a": {"$gt": 5}}, True),
        ({"a": {"$lt": 3}}, {"a": {"$lte": 4}}, True),
        ({"a": {"$lt": 3}}, {"a": {"$gt": 1}}, False),
        ({"a": {"$in": ["x", "y"]}}, {"a": {"$in": ["x", "y", "z"]}}, True),
        ({"a": {"$in": ["x", "w"]}}, {"a": {"$in": ["x", "y", "z"]}}, False),
        ({"a": {"$gt": "x"}}, {"a": {"$exists": True}}, True),
        ({"a": "abc"}, {"a": {"$startsWith": "ab"}}, True),
        ({"a": {"$startsWith": "a"}}, {"a": {"$startsWith": "ab"}}, False),
        ({"a": {"$ne": 1}}, {"a": {"$ne": 1}}, True),
        ({"$or": [{"a": 1, "b": 1}, {"a": 1, "b": 2}]}, {"a": 1}, True),
        ({"a": None}, {"a": {"$exists": True}}, False),
    ],
)
def test_the_implications_in_the_table_are_found(where: Any, wanted: Any, expected: bool) -> None:
    assert implies(conjuncts(read(where)), read(wanted)) is expected


@pytest.mark.parametrize(
    ("rule", "where", "expected"),
    [
        ({"a": "x"}, {"a": "y"}, True),
        ({"a": {"$in": ["x", "y"]}}, {"a": "z", "b": 1}, True),
        ({"b": 1, "a": {"$in": ["x", "y"]}}, {"a": {"$in": ["z", "w"]}}, True),
        ({"a": {"$in": ["x", "y"]}}, {"a": {"$in": ["y", "z"]}}, False),
        ({"a": "x"}, {"a": "x"}, False),
        ({"a": "x"}, {"b": "y"}, False),
        ({"a": "x"}, {"a": {"$in": ["y", None]}}, False),
        ({"a": "x"}, {"a": {"$gt": "y"}}, False),
        ({"a": "x"}, {"$or": [{"a": "y"}, {"b": "y"}]}, False),
        ({"$or": [{"a": "x"}, {"b": "x"}]}, {"a": "y"}, False),
        ({"a": "x"}, {"$nor": [{"a": "y"}]}, False),
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": "x"}, False),
    ],
)
def test_a_rule_and_a_filter_that_set_a_field_to_different_texts_contradict(
    rule: Any, where: Any, expected: bool
) -> None:
    assert contradicts(read(rule), read(where)) is expected
