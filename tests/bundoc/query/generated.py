"""Random documents and filters that often match: few names, few values, arrays at every level."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NAMES = ["a", "b", "c d"]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from(
        [1.0, -0.0, 0.5, -1.5, 2**31, -(2**31), 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**20, 1e300]
    ),
    st.sampled_from(["", "a", "ab", "b", "\x00", "a\x00", "é", "😀", "1", "true", '"', "\\", "[1]", "{}"]),
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.sampled_from(NAMES), values, max_size=3)
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(".".join)

patterns = st.sampled_from(["", "a", "^a", "^ab?", "^A", "b$", "^$", ".", "^.$", r"\d", "[^a]", "^a|b", "\x00", "é"])
matching = st.fixed_dictionaries({"$regex": patterns}, optional={"$options": st.sampled_from(["", "i", "ms"])})
types = st.sampled_from(["string", "number", "int", "long", "double", "object", "array", "bool", "null", 2, 16.0])
divisors = st.sampled_from([1, 2, 3, -2, 2.0, 2**53 + 1, 2**63 - 1, -(2**63)])
comparable = scalars.filter(lambda value: value is not None)


def operators(filters: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    simple = st.one_of(
        st.fixed_dictionaries({"$eq": values}),
        st.fixed_dictionaries({"$ne": values}),
        st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), comparable).map(lambda pair: {pair[0]: pair[1]}),
        st.tuples(st.sampled_from(["$in", "$nin", "$all"]), st.lists(values, max_size=3)).map(
            lambda pair: {pair[0]: pair[1]}
        ),
        st.tuples(st.sampled_from(["$in", "$nin", "$all"]), st.lists(scalars | matching, max_size=3)).map(
            lambda pair: {pair[0]: pair[1]}
        ),
        st.fixed_dictionaries({"$exists": st.booleans() | st.sampled_from([0, 1, 1.0])}),
        st.fixed_dictionaries({"$size": st.integers(0, 3) | st.just(2.0)}),
        st.fixed_dictionaries({"$type": types | st.lists(types, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$mod": st.tuples(divisors, st.integers(-2, 3))}),
        st.fixed_dictionaries({"$startsWith": st.sampled_from(["", "a", "\x00", "é"])}),
        matching,
    )
    element = st.fixed_dictionaries({"$elemMatch": st.one_of(simple, filters)})
    return st.one_of(simple, simple, element, st.fixed_dictionaries({"$not": simple}))


fields: st.SearchStrategy[Any] = st.deferred(
    lambda: st.dictionaries(paths, st.one_of(values, operators(filters)), min_size=1, max_size=2)
)
filters: st.SearchStrategy[Any] = st.deferred(
    lambda: st.one_of(
        fields,
        fields,
        st.tuples(st.sampled_from(["$and", "$or", "$nor"]), st.lists(filters, min_size=1, max_size=2)).map(
            lambda pair: {pair[0]: pair[1]}
        ),
    )
)
