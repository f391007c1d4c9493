"""Filters have the same meaning in SQL, in Python and in MongoDB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.query.order import key
from bunbase.bundoc.query.parse import MAX_PATTERNS, parse_where
from bunbase.bundoc.query.predicate import matches
from bunbase.bundoc.query.sql import condition
from bunbase.bundoc.sqlite_engine.sql_functions import prepare
from bunbase.contracts.bundoc.problems import InvalidQuery
from tests.bundoc.query.generated import documents, filters, values
from tests.seeds import examples


@pytest.fixture(scope="module")
def sqlite() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    prepare(connection)
    yield connection
    connection.close()


def by_sql(connection: apsw.Connection, where: Any, document: dict[str, Any]) -> bool:
    test = condition(parse_where(msgspec.json.encode(where)))
    body = msgspec.json.encode(document).decode()
    row = "SELECT 'd1' AS id, 3 AS rev, 'x' AS created, 'y' AS updated, ? AS body"
    answer = connection.execute(f"SELECT {test.sql} FROM ({row}) AS d", (*test.params, body)).get
    assert answer in (0, 1)
    return bool(answer)


def by_python(where: Any, document: dict[str, Any]) -> bool:
    system = {"_id": "d1", "_rev": 3, "_created": "x", "_updated": "y"}
    return matches(parse_where(msgspec.json.encode(where)), {**system, **document})


@settings(max_examples=examples(200), deadline=None)
@given(where=filters, document=documents)
def test_a_filter_has_the_same_result_in_sql_and_in_python(
    sqlite: apsw.Connection, where: Any, document: dict[str, Any]
) -> None:
    assume(str(where).count("$regex") <= MAX_PATTERNS)

    assert by_sql(sqlite, where, document) == by_python(where, document)


@settings(max_examples=examples(150), deadline=None)
@given(document=documents.filter(bool), data=st.data())
def test_a_filter_finds_a_document_by_any_of_its_values(
    sqlite: apsw.Connection, document: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(document)))

    assert by_sql(sqlite, {name: {"$eq": document[name]}}, document)


@pytest.mark.parametrize("value", ["v", ["v"], {"v": 1}])
def test_a_long_list_of_values_becomes_one_short_sql_condition(value: Any) -> None:
    """SQLite parses the condition again for each range of an index: 140 ranges of 140 comparisons took seconds."""
    listed = condition(parse_where(msgspec.json.encode({"a": {"$in": [value] * 140}})))

    assert len(listed.sql) < 5_000


@pytest.mark.parametrize(
    ("where", "document", "expected"),
    [
        ({}, {}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": [2, 1]}, True),
        ({"a": [2, 1]}, {"a": [2, 1]}, True),
        ({"a": [2, 1]}, {"a": [[2, 1]]}, True),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}, False),
        ({"a": {"$ne": 1}}, {"a": [2, 1]}, False),
        ({"a": {"$ne": 1}}, {}, True),
        ({"a": {"$gt": 1}}, {"a": "z"}, False),
        ({"a": {"$gt": 1, "$lt": 3}}, {"a": [0, 4]}, True),
        ({"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}}, {"a": [0, 4]}, False),
        ({"a.b": 2}, {"a": [{"b": 1}, {"b": 2}]}, True),
        ({"a": {"$elemMatch": {"b": 2, "c": 3}}}, {"a": [{"b": 2}, {"c": 3}]}, False),
        ({"a": None}, {}, True),
        ({"a": None}, {"a": [None]}, True),
        ({"a.b": None}, {"a": 5}, True),
        ({"a.b": None}, {"a": [{"b": 1}, {}]}, True),
        ({"a": {"$exists": True}}, {"a": None}, True),
        ({"a": {"$exists": False}}, {"a": None}, False),
        ({"a": {"$size": 0}}, {"a": []}, True),
        ({"a": {"$all": [1, 2]}}, {"a": [2, 1, 3]}, True),
        ({"a": {"$all": []}}, {"a": []}, False),
        ({"a": {"$in": []}}, {"a": 1}, False),
        ({"a": {"$nin": [1]}}, {}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": {"$not": {"$gt": 1}}}, {"a": "x"}, True),
        ({"$nor": [{"a": 1}, {"b": 2}]}, {"a": 2, "b": 2}, False),
        ({"_id": "d1", "_rev": {"$gt": 2}}, {}, True),
        ({"a": {"$startsWith": "B"}}, {"a": ["x", "By"]}, True),
        ({"a": 9007199254740993}, {"a": 9007199254740992}, False),
        ({"a": {"$regex": "b.d"}}, {"a": "abcde"}, True),
        ({"a": {"$regex": "^b"}}, {"a": ["x", "by"]}, True),
        ({"a": {"$regex": "1"}}, {"a": 1}, False),
        ({"a": {"$regex": "B"}}, {"a": "b"}, False),
        ({"a": {"$regex": "B", "$options": "i"}}, {"a": "b"}, True),
        ({"a": {"$regex": "^b$"}}, {"a": "a\nb"}, False),
        ({"a": {"$regex": "^b$", "$options": "m"}}, {"a": "a\nb"}, True),
        ({"a": {"$regex": "a.b"}}, {"a": "a\nb"}, False),
        ({"a": {"$regex": "a.b", "$options": "s"}}, {"a": "a\nb"}, True),
        ({"a": {"$not": {"$regex": "b", "$options": "i"}}}, {"a": "B"}, False),
        ({"a": {"$not": {"$regex": "b"}}}, {}, True),
        ({"a": {"$elemMatch": {"$regex": "^b", "$ne": "bc"}}}, {"a": ["bc", "bd"]}, True),
        ({"a": {"$exists": 1}}, {"a": None}, True),
        ({"a": {"$exists": 0.0}}, {}, True),
        ({"a": {"$size": 2.0}}, {"a": [1, 2]}, True),
        ({"a": {"$in": [1, {"$regex": "^B", "$options": "i"}]}}, {"a": "bc"}, True),
        ({"a": {"$in": [1, {"$regex": "^B"}]}}, {"a": ["x", 1]}, True),
        ({"a": {"$nin": [{"$regex": "^b"}]}}, {"a": ["x", "bc"]}, False),
        ({"a": {"$all": [{"$regex": "^b"}, "c"]}}, {"a": ["c", "bc"]}, True),
        ({"a": {"$all": [{"$regex": "^b"}, "c"]}}, {"a": ["c", "d"]}, False),
        ({"a": {"$type": "string"}}, {"a": [1, "x"]}, True),
        ({"a": {"$type": "array"}}, {"a": []}, True),
        ({"a": {"$type": "array"}}, {"a": 1}, False),
        ({"a": {"$type": 4}}, {"a": [[]]}, True),
        ({"a": {"$type": "null"}}, {}, False),
        ({"a": {"$type": ["null", "bool"]}}, {"a": None}, True),
        ({"a": {"$type": "number"}}, {"a": True}, False),
        ({"a": {"$type": "int"}}, {"a": 2**31}, False),
        ({"a": {"$type": "long"}}, {"a": 2**31}, True),
        ({"a": {"$type": "double"}}, {"a": 1.0}, True),
        ({"a": {"$type": "double"}}, {"a": 2**63}, True),
        ({"a.b": {"$type": "object"}}, {"a": [{"b": 1}, {"b": {}}]}, True),
        ({"_rev": {"$type": "int"}, "_id": {"$not": {"$type": "array"}}}, {}, True),
        ({"a": {"$mod": [4, 1]}}, {"a": [2, 5]}, True),
        ({"a": {"$mod": [4, 1]}}, {"a": -5}, False),
        ({"a": {"$mod": [4, -1]}}, {"a": -5.9}, True),
        ({"a": {"$mod": [-4.0, 1.0]}}, {"a": 5}, True),
        ({"a": {"$mod": [2, 1]}}, {"a": "1"}, False),
        ({"a": {"$mod": [10, 7]}}, {"a": 2**63 - 1}, True),
        ({"a": {"$mod": [2, 0]}}, {"a": 1e300}, False),
    ],
)
def test_filters_have_the_meaning_of_mongodb(
    sqlite: apsw.Connection, where: Any, document: dict[str, Any], expected: bool
) -> None:
    assert by_python(where, document) is expected
    assert by_sql(sqlite, where, document) is expected


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("[]", "/where"),
        ("nonsense", "/where"),
        ('{"$where":"1"}', "/where/$where"),
        ('{"a":{"$near":1}}', "/where/a/$near"),
        ('{"a":{"$gt":1,"b":2}}', "/where/a/b"),
        ('{"a":{"$gt":null}}', "/where/a/$gt"),
        ('{"a":{"$regex":3}}', "/where/a/$regex"),
        ('{"a":{"$regex":"(?=a)"}}', "/where/a/$regex"),
        ('{"a":{"$regex":"a)(b","$options":"i"}}', "/where/a/$regex"),
        ('{"a":{"$regex":"(a)\\\\1"}}', "/where/a/$regex"),
        ('{"a":{"$regex":"' + "a" * 1001 + '"}}', "/where/a/$regex"),
        ('{"a":{"$regex":"x","$options":"x"}}', "/where/a/$options"),
        ('{"a":{"$options":"i"}}', "/where/a/$options"),
        ('{"$and":[' + ",".join(['{"a":{"$regex":"x"}}'] * 11) + "]}", "/where/$and/10/a/$regex"),
        ('{"$or":[]}', "/where/$or"),
        ('{"$or":[{"a":1},{"b":{"$x":1}}]}', "/where/$or/1/b/$x"),
        ('{"a":{"$size":1.5}}', "/where/a/$size"),
        ('{"a":{"$size":true}}', "/where/a/$size"),
        ('{"a":{"$exists":2}}', "/where/a/$exists"),
        ('{"a":{"$exists":"yes"}}', "/where/a/$exists"),
        ('{"a":{"$in":[{"$gt":1}]}}', "/where/a/$in/0"),
        ('{"a":{"$in":[1,{"$regex":"(a"}]}}', "/where/a/$in/1/$regex"),
        ('{"a":{"$in":[{"$options":"i"}]}}', "/where/a/$in/0/$options"),
        ('{"a":{"$type":"date"}}', "/where/a/$type"),
        ('{"a":{"$type":[]}}', "/where/a/$type"),
        ('{"a":{"$type":[true]}}', "/where/a/$type"),
        ('{"a":{"$mod":[0,1]}}', "/where/a/$mod"),
        ('{"a":{"$mod":[2]}}', "/where/a/$mod"),
        ('{"a":{"$mod":[2.5,1]}}', "/where/a/$mod"),
        ('{"a":{"$mod":[9223372036854775808,1]}}', "/where/a/$mod"),
        ('{"a":{"$in":3}}', "/where/a/$in"),
        ('{"_secret":1}', "/where/_secret"),
        ('{"a..b":1}', "/where/a..b"),
        ('{"a/b":{"$x":1}}', "/where/a~1b/$x"),
        ('{"a":{"$not":3}}', "/where/a/$not"),
        ('{"a":{"$in":[' + ",".join("1" * 201) + "]}}", "/where/a/$in/200"),
    ],
)
def test_an_unknown_part_of_a_filter_is_refused_with_its_path(where: str, path: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse_where(where.encode())

    assert refused.value.extra["path"] == path


@pytest.mark.parametrize("sought", ["", "a", "ab", "\x00", "é"])
@pytest.mark.parametrize("value", ["", "a", "\x00", ["", 1], [["", "a"]], {"b": ""}, {"": ""}, None, [], {}])
@pytest.mark.parametrize("path", ["a", "a.b"])
def test_the_empty_string_is_treated_like_other_strings(
    sqlite: apsw.Connection, path: str, value: Any, sought: str
) -> None:
    """In SQLite, substr of an empty blob is NULL; neither `t` nor `$not t` was true."""
    for test in (
        *({"$startsWith": sought}, {"$regex": f"^{sought}"}, {"$eq": sought}, {"$gte": sought}, {"$lt": sought}),
        *({"$in": [sought]}, {"$size": 0}, {"$eq": {"b": sought}}, {"$elemMatch": {"$startsWith": sought}}),
    ):
        for where in ({path: test}, {path: {"$not": test}}, {"$nor": [{path: test}]}):
            assert by_sql(sqlite, where, {"a": value}) == by_python(where, {"a": value})


def test_the_depth_of_a_filter_is_limited() -> None:
    where = '{"$and":[' * 17 + '{"a":1}' + "]}" * 17

    with pytest.raises(InvalidQuery):
        parse_where(where.encode())


@settings(max_examples=examples(200), deadline=None)
@given(left=values, right=values)
def test_the_sort_order_is_total_and_equal_keys_mean_equal_values(left: Any, right: Any) -> None:
    less, more = sorted([left, right], key=key)

    assert key(less) <= key(more)
    if isinstance(left, int | float) and isinstance(right, int | float) and bool not in (type(left), type(right)):
        assert (key(left) < key(right)) == (left < right)
    if isinstance(left, str) and isinstance(right, str):
        assert (key(left) < key(right)) == (left < right)


def test_types_are_ordered_as_in_mongodb() -> None:
    ordered: list[Any] = [
        None,
        -1e300,
        -1,
        0,
        0.5,
        2**53,
        2**53 + 1,
        2**63 - 1,
        1e300,
        "",
        "a",
        "a\x00",
        "ab",
        {},
        [],
        [1],
        False,
        True,
    ]

    assert sorted(sorted(ordered, key=repr), key=key) == ordered
