"""Filters mean what MongoDB means: agreement with mingo on generated documents."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.predicate import matches
from bunbase.pkg.bun import find_bun

ORACLE = Path(__file__).with_name("mingo_filters.cjs")

NAMES = ["a", "b", "c"]
SCALARS = st.none() | st.booleans() | st.sampled_from([-1, 0, 1, 2, 0.5, "", "a", "ab", "b", "B"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3)
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(".".join)
COMPARABLE = SCALARS.filter(lambda value: value is not None)

TESTS = st.one_of(
    st.fixed_dictionaries({"$eq": VALUES}),
    st.fixed_dictionaries({"$ne": VALUES}),
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), COMPARABLE).map(lambda pair: {pair[0]: pair[1]}),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(VALUES, max_size=3)).map(lambda pair: {pair[0]: pair[1]}),
    st.fixed_dictionaries({"$all": st.lists(SCALARS, max_size=2)}),
    st.fixed_dictionaries({"$exists": st.booleans()}),
    st.fixed_dictionaries({"$size": st.integers(0, 3)}),
    st.fixed_dictionaries(
        {"$regex": st.sampled_from(["a", "^a", "b$", "^$", "[^a]", "^a|b"])},
        optional={"$options": st.sampled_from(["i", "m"])},
    ),
)
OPERATORS = st.one_of(
    TESTS, TESTS, st.fixed_dictionaries({"$not": TESTS}), st.fixed_dictionaries({"$elemMatch": TESTS})
)
FIELDS: st.SearchStrategy[Any] = st.dictionaries(PATHS, OPERATORS, min_size=1, max_size=2)
FILTERS: st.SearchStrategy[Any] = st.recursive(
    FIELDS,
    lambda inner: st.tuples(st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, min_size=1, max_size=2)).map(
        lambda pair: {pair[0]: pair[1]}
    ),
    max_leaves=3,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(st.tuples(DOCUMENTS, FILTERS), min_size=20, max_size=60))
def test_filters_agree_with_mingo(cases: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    answers = by_mingo(cases)

    for (document, where), answer in zip(cases, answers, strict=True):
        ours = matches(parse_where(msgspec.json.encode(where)), document)
        assert {"matches": ours} == answer, (document, where)


def by_mingo(cases: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    lines = b"\n".join(msgspec.json.encode({"document": document, "where": where}) for document, where in cases)
    done = subprocess.run([find_bun(), ORACLE], input=lines, capture_output=True, timeout=30, check=True)
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]
