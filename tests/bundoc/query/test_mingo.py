"""Filters agree with mingo, an implementation of MongoDB queries, on generated documents."""

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
from tests.seeds import examples

ORACLE = Path(__file__).with_name("mingo_filters.cjs")

# These cases are left out, because mingo differs from MongoDB. Bundoc does what MongoDB's manual describes:
# - arrays directly inside arrays: mingo flattens them;
# - $all: mingo requires an array, but in MongoDB {"$all":[1]} equals {"$eq":1};
# - null, whole arrays and objects, $exists, $size and $elemMatch after a dotted path: in mingo, a path through an array
# leads to an array of all the values found.
NAMES = ["a", "b", "c"]
COMPARABLE = st.booleans() | st.sampled_from([-1, 0, 1, 2, 0.5, "", "a", "ab", "b", "B"])
SCALARS = st.none() | COMPARABLE
OBJECTS = st.dictionaries(st.sampled_from(NAMES), SCALARS | st.lists(SCALARS, max_size=2), max_size=2)
VALUES = SCALARS | OBJECTS | st.lists(SCALARS | OBJECTS, max_size=3)
DOCUMENTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3)
PATHS = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).map(".".join)


def comparisons(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.tuples(st.sampled_from(["$eq", "$ne"]), values).map(pair),
        st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), COMPARABLE).map(pair),
        st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(values, max_size=3)).map(pair),
        st.fixed_dictionaries(
            {"$regex": st.sampled_from(["a", "^a", "b$", "^$", "[^a]", "^a|b"])},
            optional={"$options": st.sampled_from(["i", "m"])},
        ),
    )


def pair(named: tuple[str, Any]) -> dict[str, Any]:
    return dict([named])


def perhaps_not(tests: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return tests | tests.map(lambda test: {"$not": test})


TESTS = st.one_of(
    comparisons(VALUES),
    comparisons(VALUES).map(lambda test: {"$elemMatch": test}),
    st.fixed_dictionaries({"$exists": st.booleans()}),
    st.fixed_dictionaries({"$size": st.integers(0, 3)}),
    st.fixed_dictionaries({"$type": st.sampled_from(["string", "number", "array", "object", "bool", "null"])}),
)
FIELDS = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), perhaps_not(TESTS), min_size=1, max_size=2),
    st.dictionaries(PATHS, perhaps_not(comparisons(COMPARABLE)), min_size=1, max_size=2),
)
FILTERS: st.SearchStrategy[Any] = st.recursive(
    FIELDS,
    lambda inner: st.tuples(st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, min_size=1, max_size=2)).map(
        pair
    ),
    max_leaves=3,
)


@settings(
    max_examples=examples(30),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(st.tuples(DOCUMENTS, FILTERS), min_size=5, max_size=15))
def test_filters_agree_with_mingo(cases: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    answers = by_mingo(cases)

    for (document, where), answer in zip(cases, answers, strict=True):
        ours = matches(parse_where(msgspec.json.encode(where)), document)
        assert {"matches": ours} == answer, (document, where)


def by_mingo(cases: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    lines = b"\n".join(msgspec.json.encode({"document": document, "where": where}) for document, where in cases)
    done = subprocess.run([find_bun(), ORACLE], input=lines, capture_output=True, timeout=30, check=True)
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]
