"""The positions `$[]` and `$[name]` in paths, with `arrayFilters`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.predicate import matches
from bunbase.bundoc.update import positions
from bunbase.bundoc.update.change import ElementTest
from bunbase.bundoc.update.conditions import passes
from bunbase.contracts.bundoc.problems import InvalidUpdate
from tests.bundoc.update.test_update import after
from tests.seeds import examples

ITEMS = '{"items":[{"n":1,"tags":["a"]},{"n":2.50,"tags":[]}]}'


@pytest.mark.parametrize(
    ("document", "update", "result"),
    [
        (ITEMS, '{"$inc":{"items.$[].n":1}}', '{"items":[{"n":2,"tags":["a"]},{"n":3.5,"tags":[]}]}'),
        (ITEMS, '{"$push":{"items.$[].tags":"b"}}', '{"items":[{"n":1,"tags":["a","b"]},{"n":2.50,"tags":["b"]}]}'),
        (ITEMS, '{"$unset":{"items.$[].tags":""}}', '{"items":[{"n":1},{"n":2.50}]}'),
        (
            ITEMS,
            '{"$set":{"items.$[x].done":true},"arrayFilters":[{"x.n":{"$gt":1}}]}',
            '{"items":[{"n":1,"tags":["a"]},{"n":2.50,"tags":[],"done":true}]}',
        ),
        (
            ITEMS,
            '{"$set":{"items.$[x].n":0},"$inc":{"items.$[y].n":1},"arrayFilters":[{"x.tags":"a"},{"y.n":{"$gt":2}}]}',
            '{"items":[{"n":0,"tags":["a"]},{"n":3.5,"tags":[]}]}',
        ),
        (
            ITEMS,
            '{"$unset":{"items.$[x]":""},"arrayFilters":[{"$or":[{"x.n":1},{"x.n":7}]}]}',
            '{"items":[null,{"n":2.50,"tags":[]}]}',
        ),
        ('{"a":[1,5,"x"]}', '{"$set":{"a.$[x]":0},"arrayFilters":[{"x":{"$gte":5}}]}', '{"a":[1,0,"x"]}'),
        ('{"a":[[1,2],[3]]}', '{"$mul":{"a.$[].$[x]":10},"arrayFilters":[{"x":{"$ne":2}}]}', '{"a":[[10,2],[30]]}'),
        ('{"a":{"b":[{"c":[1]},{"c":[]}]}}', '{"$inc":{"a.b.$[].c.$[]":1}}', '{"a":{"b":[{"c":[2]},{"c":[]}]}}'),
        ('{"a":[{"c":[1,2]}]}', '{"$set":{"a.0.c.$[]":null}}', '{"a":[{"c":[null,null]}]}'),
        ('{"a":[{},{}]}', '{"$set":{"a.$[].b.c":1}}', '{"a":[{"b":{"c":1}},{"b":{"c":1}}]}'),
        ('{"a":[]}', '{"$set":{"a.$[].b":1}}', '{"a":[]}'),
        ('{"a":["ab","b"]}', '{"$set":{"a.$[x]":1},"arrayFilters":[{"x":{"$regex":"^a"}}]}', '{"a":[1,"b"]}'),
    ],
)
def test_a_position_means_each_element_that_its_filter_finds(document: str, update: str, result: str) -> None:
    assert after(document, update) == result


@pytest.mark.parametrize(
    ("update", "path", "says"),
    [
        ('{"$set":{"a.$":1}}', "/$set/a.$", "has no query"),
        ('{"$set":{"$[]":1}}', "/$set/$[]", "must follow the name of an array"),
        ('{"$set":{"a.$[X]":1}}', "/$set/a.$[X]", "begins with $"),
        ('{"$set":{"a.$b":1}}', "/$set/a.$b", "begins with $"),
        ('{"$set":{"no.$[]":1}}', "/$set/no.$[]", "There is no array no"),
        ('{"$set":{"a.$[].b.$[]":1}}', "/$set/a.$[].b.$[]", "There is no array a.0.b"),
        ('{"$set":{"s.$[]":1}}', "/$set/s.$[]", "s is not an array"),
        ('{"$set":{"a.$[x]":1}}', "/$set/a.$[x]", "needs a filter"),
        ('{"$set":{"a.$[]":1,"a.$[].b":1}}', "/$set/a.$[].b", "conflict"),
        ('{"$set":{"a.$[]":1},"$inc":{"a.0":1}}', "/$inc/a.0", "conflict"),
        ('{"$set":{"a.$[x]":1,"a.$[y]":1},"arrayFilters":[{"x":1},{"y":1}]}', "/$set/a.$[y]", "conflict"),
        ('{"$set":{"b":1},"arrayFilters":[{"x":1}]}', "/arrayFilters", "is not used"),
        ('{"$set":{"a.$[x]":1},"arrayFilters":[{"x":1},{"x":2}]}', "/arrayFilters/1", "two filters for x"),
        ('{"$set":{"a.$[x]":1},"arrayFilters":[{"x":1,"y":1}]}', "/arrayFilters/0", "begin with the same name"),
        ('{"$set":{"a.$[x]":1},"arrayFilters":[{"_id":1}]}', "/arrayFilters/0", "begin with the same name"),
        ('{"$set":{"a.$[x]":1},"arrayFilters":[{}]}', "/arrayFilters/0", "begin with the same name"),
        ('{"$set":{"a.$[x]":1},"arrayFilters":[5]}', "/arrayFilters/0", "must be an object"),
        ('{"$set":{"a.$[x]":1},"arrayFilters":{"x":1}}', "/arrayFilters", "must be a list"),
        ('{"$set":{"a.$[x]":1},"arrayFilters":[{"x":{"$near":1}}]}', "/arrayFilters/0/x/$near", "not known"),
    ],
)
def test_a_position_that_means_nothing_is_refused_with_its_place(update: str, path: str, says: str) -> None:
    with pytest.raises(InvalidUpdate) as refused:
        after('{"a":[1,2],"s":"x"}', update)

    (error,) = refused.value.extra["errors"]
    assert error["path"] == path
    assert says in error["message"]


LISTED = ",".join(["1"] * 190)


@pytest.mark.parametrize(
    ("element", "times", "update", "says"),
    [
        ("[]", 20_001, '{"$set":{"a.$[]":1}}', "at most 20000 elements"),
        ("{}", 20_000, f'{{"$set":{{"a.$[].{"n" * 100}":1}}}}', "too large"),
        ("[]", 300, '{"$set":{"a.$[].900":1}}', "beyond the ends of arrays"),
        ("[]", 10_000, f'{{"$pull":{{"a":{{"$in":[{LISTED}]}}}}}}', "times the parts"),
        ("[1,1,1,1]", 2_000, f'{{"$pull":{{"a":{{"$in":[{LISTED}]}}}}}}', "times the parts"),
        ("[]", 100_000, r'{"$pull":{"a":{"$regex":"\\pL{1,3}"}}}', "too large for these patterns"),
        (
            "[]",
            10_000,
            f'{{"$set":{{"a.$[x]":1}},"arrayFilters":[{{"x":{{"$nin":[{LISTED}]}}}}]}}',
            "times the parts",
        ),
        # These updates have many arrays or levels, each of them small enough.
        ('{"b":[1,1,1,1]}', 1_000, f'{{"$pull":{{"a.$[].b":{{"$nin":[{LISTED}]}}}}}}', "times the parts"),
        (f'{{"b":["{"x" * 100}"]}}', 1_500, r'{"$pull":{"a.$[].b":{"$regex":"\\pL{1,3}"}}}', "for these patterns"),
        (
            "[[]]",
            2_000,
            f'{{"$set":{{"a.$[x].$[x]":1}},"arrayFilters":[{{"x":{{"$nin":[{",".join(["1"] * 100)}]}}}}]}}',
            "times the parts",
        ),
    ],
)
def test_the_work_of_an_update_is_limited(element: str, times: int, update: str, says: str) -> None:
    """Other writes have to wait during this work."""
    document = f'{{"a":[{",".join([element] * times)}]}}'

    with pytest.raises(InvalidUpdate) as refused:
        after(document, update)

    assert says in refused.value.extra["errors"][0]["message"]


def test_paths_with_the_same_position_test_each_element_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand paths would otherwise test a large element a thousand times."""
    tested: list[Any] = []

    def counted(test: ElementTest, element: Any) -> bool:
        tested.append(element)
        return passes(test, element)

    monkeypatch.setattr(positions, "passes", counted)
    sets = ",".join(f'"a.$[x].n{number}":1' for number in range(1000))

    result = after('{"a":[{"b":2},{"b":[1]}]}', f'{{"$set":{{{sets}}},"arrayFilters":[{{"x.b":1}}]}}')

    assert tested == [{"b": 2}, {"b": [1]}]
    assert result.startswith('{"a":[{"b":2},{"b":[1],"n0":1,')


def test_all_conditions_of_an_update_share_the_limits_of_a_filter() -> None:
    """A thousand conditions with ten patterns each would take seconds to compile."""
    pulls = ",".join(f'"a{number}":{{"$regex":"x"}}' for number in range(11))

    with pytest.raises(InvalidUpdate) as refused:
        after("{}", f'{{"$pull":{{{pulls}}}}}')

    assert refused.value.extra["errors"][0]["path"] == "/$pull/a10/$regex"


ELEMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, "", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)
TESTS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne"]), ELEMENTS).map(lambda drawn: {drawn[0]: drawn[1]}),
    st.lists(ELEMENTS, max_size=2).map(lambda values: {"$in": values}),
    st.sampled_from(["", "a", 0, 1]).map(lambda value: {"$gte": value}),
    st.sampled_from([{"$exists": True}, {"$size": 1}, {"$regex": "a"}, {"$not": {"$size": 0}}, {"$all": [1]}]),
)


@settings(max_examples=examples(150), deadline=None)
@given(elements=st.lists(ELEMENTS, max_size=4), test=TESTS, path=st.sampled_from(["", ".a", ".a.b"]))
def test_pull_and_array_filters_choose_the_elements_that_a_filter_would_find(
    elements: list[Any], test: dict[str, Any], path: str
) -> None:
    sought = parse_where(msgspec.json.encode({f"x{path}": test}))
    document = msgspec.json.encode({"c": elements}).decode()
    wanted = test if not path else {path[1:]: test}

    found = [matches(sought, {"x": element}) for element in elements]
    set_ = after(document, encoded({"$set": {"c.$[x]": "!"}, "arrayFilters": [{f"x{path}": test}]}))
    pulled = after(document, encoded({"$pull": {"c": wanted}}))

    assert msgspec.json.decode(set_) == {
        "c": ["!" if hit else element for element, hit in zip(elements, found, strict=True)]
    }
    left = [one for one, hit in zip(elements, found, strict=True) if not hit or (path and not isinstance(one, dict))]
    assert msgspec.json.decode(pulled) == {"c": left}


def encoded(update: dict[str, Any]) -> str:
    return msgspec.json.encode(update).decode()
