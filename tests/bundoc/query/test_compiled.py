"""Filters that are compiled to closures match the same documents as `matches`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.query.compiled import compiled
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.predicate import matches
from tests.bundoc.query.generated import documents, filters
from tests.seeds import examples


@settings(max_examples=examples(200), deadline=None, suppress_health_check=list(HealthCheck))
@given(filters, st.lists(documents, min_size=1, max_size=8))
def test_a_compiled_filter_matches_what_the_filter_matches(where: dict[str, Any], found: list[dict[str, Any]]) -> None:
    parsed = parse_where(msgspec.json.encode(where))
    test = compiled(parsed)

    for document in found:
        assert test(document) == matches(parsed, document), (where, document)


@pytest.mark.parametrize(
    ("where", "document", "expected"),
    [
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": 1}, {"a": [0, 1]}, True),
        ({"a": 1}, {"a": [[1]]}, False),
        ({"a": {"$gt": "a"}}, {"a": "b"}, True),
        ({"a": {"$gt": "a"}}, {"a": 5}, False),
        ({"a": {"$ne": 1}}, {}, True),
        ({"a": [1, 2]}, {"a": [1, 2]}, True),
        ({"a.b": 1}, {"a": [{"b": 2}, {"b": 1}]}, True),
        ({"a": {"$elemMatch": {"b": 1}}}, {"a": [5, {"b": 1}]}, True),
        ({"a": {"$startsWith": "x"}}, {"a": ["y", "xy"]}, True),
        ({"a": 10**20}, {"a": 10**20 + 1}, True),
    ],
)
def test_compiled_filters(where: dict[str, Any], document: dict[str, Any], expected: bool) -> None:
    assert compiled(parse_where(msgspec.json.encode(where)))(document) is expected
