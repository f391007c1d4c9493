"""All spellings of a filter have the same text, and other filters have different texts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.bundoc.query.meaning import meaning
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.predicate import matches
from tests.bundoc.query.generated import documents, filters


def of(where: Any) -> str:
    return meaning(parse_where(msgspec.json.encode(where)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, {"a": {"$eq": 1}}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": {"$in": [1]}}),
        ({"a": 1}, {"$and": [{"a": 1}, {"$and": [{"a": 1}]}]}),
        ({"a": 1, "b": 2}, {"$and": [{"b": 2}, {"$or": [{"a": 1}]}]}),
        ({"a": {"$gt": 1, "$lt": 5}}, {"$and": [{"a": {"$lt": 5}}, {"a": {"$gt": 1}}]}),
        ({"a": {"$in": [1, 2]}}, {"$or": [{"a": 2}, {"a": 1}, {"a": 2}]}),
        ({}, {"$and": [{}]}),
    ],
)
def test_two_spellings_of_a_filter_have_one_text(one: Any, other: Any) -> None:
    assert of(one) == of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"b": 1}),
        ({"a.b": 1}, {"a": {"b": 1}}),
        ({"a": {"$gt": 1}}, {"a": {"$gte": 1}}),
        ({"a": 1}, {"$nor": [{"a": 1}]}),
        ({"$or": [{"a": 1}, {"b": 2}]}, {"a": 1, "b": 2}),
        ({"a": {"$exists": True}}, {"a": None}),
        ({"a": {"$elemMatch": {"b": 1}}}, {"a.b": 1}),
        ({}, {"a": {"$in": []}}),
    ],
)
def test_filters_of_different_meaning_have_different_texts(one: Any, other: Any) -> None:
    assert of(one) != of(other)


@given(filters, filters, st.lists(documents, min_size=3, max_size=3))
def test_filters_with_one_text_match_the_same_documents(one: Any, other: Any, some: list[Any]) -> None:
    joined, turned = {"$and": [one, other]}, {"$and": [{"$or": [other]}, one, other]}

    assert of(joined) == of(turned)
    if of(one) == of(other):
        first, second = (parse_where(msgspec.json.encode(where)) for where in (one, other))
        assert [matches(first, document) for document in some] == [matches(second, document) for document in some]
