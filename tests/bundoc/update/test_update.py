"""Update operators: tables of results and refusals, and agreement with mingo on generated documents."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.documents import MAX_LEVELS, fields_of, write
from bunbase.bundoc.query.order import key
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.predicate import matches
from bunbase.bundoc.update.apply import updated
from bunbase.bundoc.update.costs import CommitWork
from bunbase.bundoc.update.parse import parse_update
from bunbase.contracts.bundoc.problems import InvalidUpdate
from bunbase.pkg.bun import find_bun
from tests.seeds import examples

NOW = "2026-01-01T00:00:00.000Z"
ORACLE = Path(__file__).with_name("mingo_oracle.cjs")


def after(document: str, update: str) -> str:
    return write(
        updated(fields_of(document.encode()), parse_update(fields_of(update.encode())), NOW, CommitWork())
    ).decode()


@pytest.mark.parametrize(
    ("document", "update", "result"),
    [
        ('{"a":1.00}', '{"$set":{"b":2.50}}', '{"a":1.00,"b":2.50}'),
        ("{}", '{"$set":{"a.b.c":null}}', '{"a":{"b":{"c":null}}}'),
        ('{"a":[1,2.0]}', '{"$set":{"a.0":9}}', '{"a":[9,2.0]}'),
        ('{"a":[1]}', '{"$set":{"a.3":4}}', '{"a":[1,null,null,4]}'),
        ("{}", '{"$set":{"a.0":1}}', '{"a":{"0":1}}'),
        ('{"a":[{"b":1}]}', '{"$set":{"a.0.b":2}}', '{"a":[{"b":2}]}'),
        ('{"a":{"b":1,"c":2}}', '{"$unset":{"a.b":"","x.y":""}}', '{"a":{"c":2}}'),
        ('{"a":[1,2],"s":1}', '{"$unset":{"a.0":"","a.7":"","s.x":""}}', '{"a":[null,2],"s":1}'),
        ('{"n":9223372036854775806}', '{"$inc":{"n":1}}', '{"n":9223372036854775807}'),
        ('{"n":1}', '{"$inc":{"n":0.5,"m":3}}', '{"n":1.5,"m":3}'),
        ('{"n":3,"x":2.5}', '{"$mul":{"n":-2,"x":2,"no":5,"d":1.5}}', '{"n":-6,"x":5.0,"no":0,"d":0.0}'),
        ('{"a":5,"b":"x"}', '{"$min":{"a":3,"b":9,"c":1}}', '{"a":3,"b":9,"c":1}'),
        ('{"a":5,"b":1.0}', '{"$max":{"a":9,"b":1}}', '{"a":9,"b":1.0}'),
        ('{"a":[1.0]}', '{"$push":{"a":[2],"b":1}}', '{"a":[1.0,[2]],"b":[1]}'),
        ('{"a":[1,2]}', '{"$push":{"a":{"$each":[8,9],"$position":1}}}', '{"a":[1,8,9,2]}'),
        ('{"a":[1,2]}', '{"$push":{"a":{"$each":[8],"$position":-1}}}', '{"a":[1,8,2]}'),
        ('{"a":[1]}', '{"$push":{"a":{"$each":[8],"$position":9223372036854775807}}}', '{"a":[1,8]}'),
        ('{"a":[1]}', '{"$push":{"a":{"$each":[8],"$slice":-9223372036854775808}}}', '{"a":[1,8]}'),
        ('{"a":[1,2]}', '{"$push":{"a":{"$each":[3,4],"$slice":-3}}}', '{"a":[2,3,4]}'),
        ('{"a":[1,2]}', '{"$push":{"a":{"$each":[],"$slice":0}}}', '{"a":[]}'),
        ('{"a":[1]}', '{"$addToSet":{"a":{"$each":[1.0,true,2,2]}}}', '{"a":[1,true,2]}'),
        ('{"a":[{"x":1}]}', '{"$addToSet":{"a":{"$each":[{"x":1.0},{"x":2}]}}}', '{"a":[{"x":1},{"x":2}]}'),
        ('{"a":[{"x":1,"y":2}]}', '{"$addToSet":{"a":{"y":2,"x":1}}}', '{"a":[{"x":1,"y":2},{"y":2,"x":1}]}'),
        ('{"a":[1,2.50,3]}', '{"$pull":{"a":{"$gte":3},"no":1}}', '{"a":[1,2.50]}'),
        ('{"a":[{"x":1,"y":1},{"x":2}]}', '{"$pull":{"a":{"x":1}}}', '{"a":[{"x":2}]}'),
        ('{"a":[{"x":[1,2]},{"x":[]}]}', '{"$pull":{"a":{"x":{"$size":0}}}}', '{"a":[{"x":[1,2]}]}'),
        ('{"a":[{"x":{"y":1}},3,{}]}', '{"$pull":{"a":{"x.y":{"$exists":true}}}}', '{"a":[3,{}]}'),
        ('{"a":["ab","b",1]}', '{"$pull":{"a":{"$not":{"$regex":"^A","$options":"i"}}}}', '{"a":["ab"]}'),
        ('{"a":[{"x":1},{"y":2},{}]}', '{"$pull":{"a":{"$or":[{"x":1},{"y":{"$gt":1}}]}}}', '{"a":[{}]}'),
        ('{"a":[[1,5],[2,3]]}', '{"$pull":{"a":{"$elemMatch":{"$gt":4}}}}', '{"a":[[2,3]]}'),
        ('{"a":[[1,5],[2]]}', '{"$pull":{"a":{"$all":[5,1]}}}', '{"a":[[2]]}'),
        ('{"a":[{"x":1,"y":2}]}', '{"$pull":{"a":{"$in":[{"y":2,"x":1}]}}}', '{"a":[{"x":1,"y":2}]}'),
        ('{"a":1.00,"b":2}', '{"$rename":{"a":"c.d","no":"b"}}', '{"b":2,"c":{"d":1.00}}'),
        ('{"a":{"b":1},"c":2}', '{"$rename":{"a.b":"c"}}', '{"a":{},"c":1}'),
        ('{"a":1,"s":{}}', '{"$rename":{"s.x":"b","no.x":"c"}}', '{"a":1,"s":{}}'),
        ('{"a":[{"x":1}],"s":"x"}', '{"$unset":{"a.x":"","s.x":""}}', '{"a":[{"x":1}],"s":"x"}'),
        ('{"a":[1,2.0,3]}', '{"$pop":{"a":1}}', '{"a":[1,2.0]}'),
        ('{"a":[1,2.0],"b":[]}', '{"$pop":{"a":-1.0,"b":1,"no.x":1}}', '{"a":[2.0],"b":[]}'),
        ('{"a":[1,"x",[2],{"y":1}]}', '{"$pullAll":{"a":[1.0,[2],{"y":1}],"no":[]}}', '{"a":["x"]}'),
        ('{"a":[[2]]}', '{"$pullAll":{"a":[2]}}', '{"a":[[2]]}'),
        ('{"a":13}', '{"$bit":{"a":{"and":10},"b":{"or":3,"xor":1.0},"c":{"and":7}}}', '{"a":8,"b":2,"c":0}'),
        (
            '{"a":9223372036854775807,"b":-1.0}',
            '{"$bit":{"a":{"xor":-1},"b":{"and":9007199254740993}}}',
            '{"a":-9223372036854775808,"b":9007199254740993}',
        ),
        ('{"a":[3,1]}', '{"$push":{"a":{"$each":[2],"$sort":1}}}', '{"a":[1,2,3]}'),
        (
            '{"a":[null,"b",2,{},[],true,false,"a"]}',
            '{"$push":{"a":{"$each":[],"$sort":-1.0}}}',
            '{"a":[true,false,[],{},"b","a",2,null]}',
        ),
        (
            '{"a":[{"n":1,"t":"b"},{"n":2}]}',
            '{"$push":{"a":{"$each":[{"n":1,"t":"a"}],"$sort":{"n":-1,"t":1},"$slice":2.0,"$position":0.0}}}',
            '{"a":[{"n":2},{"n":1,"t":"a"}]}',
        ),
        (
            '{"a":[{"x":{"n":2}},{"x":3},{"x":{"n":1}}]}',
            '{"$push":{"a":{"$each":[],"$sort":{"x.n":1}}}}',
            '{"a":[{"x":3},{"x":{"n":1}},{"x":{"n":2}}]}',
        ),
        ("{}", '{"$currentDate":{"a":true,"b":{"$type":"date"}}}', f'{{"a":"{NOW}","b":"{NOW}"}}'),
        ('{"a":1}', '{"$setOnInsert":{"a":2,"b":3},"$set":{"c":4}}', '{"a":1,"c":4}'),
        ("{}", '{"$now":{"at":true}}', f'{{"at":"{NOW}"}}'),
        ("{}", '{"$set":{}}', "{}"),
    ],
)
def test_each_update_operator_has_the_same_result_as_in_mongodb(document: str, update: str, result: str) -> None:
    assert after(document, update) == result


@pytest.mark.parametrize(
    ("update", "path"),
    [
        ('{"$set":{"a":1},"title":2}', "/title"),
        ('{"$upsert":{"a":"b"}}', "/$upsert"),
        ('{"$rename":{"a":1}}', "/$rename/a"),
        ('{"$rename":{"a":"a"}}', "/$rename/a"),
        ('{"$rename":{"a":"a.b"}}', "/$rename/a"),
        ('{"$rename":{"a":"b"},"$set":{"b":1}}', "/$set/b"),
        ('{"$rename":{"a":"_rev"}}', "/$rename/a"),
        ('{"$rename":{"a":"b\\u0000"}}', "/$rename/a"),
        ('{"$rename":{"a":"b..c"}}', "/$rename/a"),
        ('{"$rename":{"a":"b.$[]"}}', "/$rename/a"),
        ('{"$rename":{"list.0":"b"}}', "/$rename/list.0"),
        ('{"$rename":{"s":"list.0"}}', "/$rename/s"),
        ('{"$rename":{"s":"null.x"}}', "/$rename/s"),
        ('{"$pop":{"list":2}}', "/$pop/list"),
        ('{"$pop":{"list":true}}', "/$pop/list"),
        ('{"$pop":{"s":1}}', "/$pop/s"),
        # No value can be below a string, and the elements of an array have numbers.
        ('{"$rename":{"s.x":"b"}}', "/$rename/s.x"),
        ('{"$pop":{"s.x":1}}', "/$pop/s.x"),
        ('{"$pop":{"list.x":1}}', "/$pop/list.x"),
        ('{"$pull":{"list.x":1}}', "/$pull/list.x"),
        ('{"$pullAll":{"list.x":[1]}}', "/$pullAll/list.x"),
        ('{"$pull":{"list.x.y":1}}', "/$pull/list.x.y"),
        ('{"$pullAll":{"list":1}}', "/$pullAll/list"),
        ('{"$pullAll":{"s":[1]}}', "/$pullAll/s"),
        ('{"$bit":{"most":1}}', "/$bit/most"),
        ('{"$bit":{"most":{}}}', "/$bit/most"),
        ('{"$bit":{"most":{"not":1}}}', "/$bit/most"),
        ('{"$bit":{"most":{"and":1.5}}}', "/$bit/most/and"),
        ('{"$bit":{"most":{"and":9223372036854775808}}}', "/$bit/most/and"),
        ('{"$bit":{"huge":{"and":1}}}', "/$bit/huge"),
        ('{"$bit":{"list":{"and":1}}}', "/$bit/list"),
        ('{"$currentDate":{"a":false}}', "/$currentDate/a"),
        ('{"$currentDate":{"a":{"$type":"timestamp"}}}', "/$currentDate/a"),
        ('{"$setOnInsert":{"_id":1}}', "/$setOnInsert/_id"),
        ('{"$setOnInsert":{"a":1},"$set":{"a":1}}', "/$set/a"),
        ('{"$push":{"a":{"$each":[],"$sort":2}}}', "/$push/a/$sort"),
        ('{"$push":{"a":{"$each":[],"$sort":{}}}}', "/$push/a/$sort"),
        ('{"$push":{"a":{"$each":[],"$sort":{"b":"asc"}}}}', "/$push/a/$sort/b"),
        ('{"$push":{"a":{"$each":[],"$sort":{"b..c":1}}}}', "/$push/a/$sort/b..c"),
        ('{"$pull":{"a":{"x":{"$size":"a"}}}}', "/$pull/a/x/$size"),
        ('{"$set":1}', "/$set"),
        ('{"$set":{"_id":"x"}}', "/$set/_id"),
        ('{"$set":{"_rev.x":1}}', "/$set/_rev.x"),
        ('{"$set":{"a..b":1}}', "/$set/a..b"),
        ('{"$set":{"":1}}', "/$set/"),
        ('{"$set":{"a.$.b":1}}', "/$set/a.$.b"),
        ('{"$set":{"a":1},"$inc":{"a":1}}', "/$inc/a"),
        ('{"$set":{"a.b":1},"$unset":{"a":1}}', "/$set/a.b"),
        ('{"$inc":{"a":"1"}}', "/$inc/a"),
        ('{"$inc":{"new":9223372036854775808}}', "/$inc/new"),
        ('{"$inc":{"s":1}}', "/$inc/s"),
        ('{"$inc":{"most":1}}', "/$inc/most"),
        ('{"$mul":{"most":2}}', "/$mul/most"),
        ('{"$mul":{"huge":1e300}}', "/$mul/huge"),
        ('{"$push":{"s":1}}', "/$push/s"),
        ('{"$push":{"a":{"$sort":1}}}', "/$push/a/$each"),
        ('{"$push":{"a":{"$slice":1}}}', "/$push/a/$each"),
        ('{"$push":{"a":{"$each":[],"$slice":1.5}}}', "/$push/a/$slice"),
        ('{"$addToSet":{"a":{"$each":1}}}', "/$addToSet/a/$each"),
        ('{"$pull":{"a":{"$where":1}}}', "/$pull/a/$where"),
        ('{"$pull":{"a":{"$in":1}}}', "/$pull/a/$in"),
        ('{"$pull":{"s":1}}', "/$pull/s"),
        ('{"$set":{"s.x":1}}', "/$set/s.x"),
        ('{"$set":{"null.x":1}}', "/$set/null.x"),
        ('{"$set":{"list.x":1}}', "/$set/list.x"),
        ('{"$set":{"list.99999999":1}}', "/$set/list.99999999"),
        ('{"$now":{"a":false}}', "/$now/a"),
    ],
)
def test_an_update_that_cannot_be_applied_is_refused_with_its_path(update: str, path: str) -> None:
    document = '{"s":"text","most":9223372036854775807,"huge":1e300,"null":null,"list":[]}'

    with pytest.raises(InvalidUpdate) as refused:
        after(document, update)

    assert refused.value.extra["errors"][0]["path"] == path


def test_an_update_cannot_nest_a_document_too_deeply() -> None:
    path = ".".join("a" * (MAX_LEVELS - 1))
    assert after("{}", f'{{"$set":{{"{path}":{{}}}}}}').count("{") == MAX_LEVELS

    with pytest.raises(InvalidUpdate):
        after("{}", f'{{"$set":{{"{path}":[{{}}]}}}}')


VALUES = st.recursive(
    st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1.5]) | st.sampled_from(["", "x", "y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "n": st.integers(-9, 9) | st.sampled_from([0.5, 2.5]),
        "list": st.lists(st.integers(0, 4) | st.sampled_from(["x", "y"]), max_size=5),
        "objects": st.lists(st.fixed_dictionaries({"k": st.integers(0, 3), "v": VALUES}), max_size=3),
        "deep": st.fixed_dictionaries({"n": st.integers(-9, 9), "list": st.lists(st.integers(0, 4), max_size=4)}),
    }
)
NUMBERS = st.integers(-9, 9) | st.sampled_from([0.5, -1.5])
LISTS = st.sampled_from(["list", "deep.list"])
COUNTS = st.sampled_from(["n", "deep.n", "new", "deep.new"])
BITS = ["and", "or", "xor"]
WHOLE = st.integers(-(1 << 31), (1 << 31) - 1)  # Bit operators of JavaScript have only these bits.
EACH = st.lists(st.integers(0, 4), max_size=3)


def only(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({name: values})


def one(operator: str, paths: st.SearchStrategy[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(paths, values, min_size=1, max_size=1).map(lambda operands: {operator: operands})


UPDATES = st.one_of(
    one("$set", st.sampled_from(["n", "new", "deep.n", "deep.x.y", "deep.list"]), VALUES),
    one("$unset", st.sampled_from(["n", "deep.n", "no", "deep.no"]), st.just("")),
    one("$inc", COUNTS, NUMBERS),
    one("$mul", COUNTS, NUMBERS),
    one("$min", COUNTS, NUMBERS),
    one("$max", COUNTS, NUMBERS),
    one("$push", LISTS, st.integers(0, 4)),
    one(
        "$push",
        LISTS,
        st.fixed_dictionaries({"$each": EACH}, optional={"$position": st.integers(0, 4), "$slice": st.integers(-4, 4)}),
    ),
    one("$addToSet", LISTS, st.integers(0, 4)),
    one("$addToSet", LISTS, st.fixed_dictionaries({"$each": EACH})),
    one("$pull", LISTS, st.integers(0, 4)),
    one("$pull", LISTS, st.fixed_dictionaries({"$in": EACH})),
    one(
        "$pull", LISTS, st.dictionaries(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), st.integers(0, 4), min_size=1)
    ),
    one("$pull", st.just("objects"), st.fixed_dictionaries({"k": st.integers(0, 3)})),
    one("$pull", st.just("objects"), st.fixed_dictionaries({"v": st.fixed_dictionaries({"$exists": st.booleans()})})),
    one("$push", LISTS, st.fixed_dictionaries({"$each": EACH, "$sort": st.sampled_from([1, -1])})),
    one("$rename", st.sampled_from(["n", "deep.n", "no"]), st.sampled_from(["new", "deep.list", "x.y"])),
    one("$pop", LISTS, st.sampled_from([1, -1])),
    one("$pullAll", LISTS, st.lists(st.integers(0, 4) | st.just("x"), max_size=3)),
    one(
        "$bit", st.sampled_from(["n", "deep.n"]), st.dictionaries(st.sampled_from(BITS), WHOLE, min_size=1, max_size=1)
    ),
    one("$inc", st.sampled_from(["objects.$[].k", "deep.list.$[]"]), NUMBERS),
    st.tuples(st.sampled_from(["$set", "$max"]), st.integers(0, 3), st.integers(0, 9)).map(
        lambda drawn: {
            drawn[0]: {"objects.$[x].k": drawn[2], "deep.list.$[y]": drawn[2]},
            "arrayFilters": [{"x.k": {"$gte": drawn[1]}}, {"y": {"$lt": drawn[1]}}],
        }
    ),
)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(DOCUMENTS, UPDATES), min_size=20, max_size=40))
def test_updates_agree_with_mingo(cases: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    expected = by_mingo(cases)

    for (document, update), wanted in zip(cases, expected, strict=True):
        if "$addToSet" in update and has_duplicates(document):
            continue  # mingo removes these values. MongoDB's manual and Bundoc keep them.
        if "$bit" in update and not all(isinstance(n, int) for n in (document["n"], document["deep"]["n"])):
            continue  # mingo cuts fractions off. MongoDB and Bundoc refuse the update.
        ours = msgspec.json.decode(after(write(document).decode(), write(update).decode()))
        assert ours == wanted["document"], (document, update)


@given(NUMBERS, NUMBERS)
def test_update_operators_calculate_numbers_exactly(left: float, right: float) -> None:
    document = msgspec.json.encode({"n": left}).decode()

    for operator, result in (("$inc", left + right), ("$mul", left * right)):
        found = msgspec.json.decode(after(document, msgspec.json.encode({operator: {"n": right}}).decode()))["n"]
        assert type(found) is type(result)
        assert math.isclose(found, result)


def has_duplicates(document: dict[str, Any]) -> bool:
    return any(len(set(array)) < len(array) for array in (document["list"], document["deep"]["list"]))


def by_mingo(cases: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    lines = b"\n".join(msgspec.json.encode({"document": document, "update": update}) for document, update in cases)
    done = subprocess.run([find_bun(), ORACLE], input=lines, capture_output=True, timeout=30, check=True)
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]


def test_many_conditions_on_many_elements_are_refused() -> None:
    """Other writes wait while the conditions are evaluated."""
    nothing, conditions = ",".join(["{}"] * 2000), ",".join(f'"n{number}":null' for number in range(1000))
    document, update = f'{{"a":[{nothing}]}}', f'{{"$pull":{{"a":{{{conditions}}}}}}}'

    with pytest.raises(InvalidUpdate):
        after(document, update)


SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, -0.0, 1e300, "", "a", "b\x00", "é"])
)
ORDERED: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(100), deadline=None)
@given(ORDERED, ORDERED)
def test_min_and_max_use_the_order_of_sort(left: Any, right: Any) -> None:
    stored, sent = msgspec.json.encode({"v": left}).decode(), msgspec.json.encode({"v": right}).decode()

    smaller, larger = after(stored, f'{{"$min":{sent}}}'), after(stored, f'{{"$max":{sent}}}')

    assert smaller == (sent if key(right) < key(left) else stored)
    assert larger == (sent if key(right) > key(left) else stored)


def test_add_to_set_does_not_compare_each_value_with_each_element() -> None:
    """100,000 times 100,000 comparisons would take an hour."""
    numbers = ",".join(map(str, range(100_000)))

    document = f'{{"a":[{numbers}]}}'

    added = after(document, f'{{"$addToSet":{{"a":{{"$each":[{numbers},-1]}}}}}}')
    pulled = after(document, f'{{"$pullAll":{{"a":[{numbers}]}}}}')

    assert added.endswith(",99999,-1]}")
    assert pulled == '{"a":[]}'


SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, "", "a", "b"])
NESTED = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=6)


@pytest.mark.parametrize(
    ("document", "update", "result"),
    [
        ('{"c":[[1,[""]]]}', '{"$pull":{"c":{"$lt":"b"}}}', '{"c":[[1,[""]]]}'),
        ('{"c":[[1,""]]}', '{"$pull":{"c":{"$lt":"b"}}}', '{"c":[]}'),
        ('{"c":[{"x":[[3]]}]}', '{"$pull":{"c":{"x":{"$gte":3}}}}', '{"c":[{"x":[[3]]}]}'),
    ],
)
def test_pull_compares_elements_of_only_one_level_of_arrays(document: str, update: str, result: str) -> None:
    """Before, $pull deleted elements that no filter would have matched."""
    assert after(document, update) == result


@settings(max_examples=examples(200))
@given(
    elements=st.lists(NESTED, max_size=4),
    operator=st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin"]),
    operand=SCALARS,
)
def test_pull_removes_the_elements_that_a_filter_would_match(elements: list[Any], operator: str, operand: Any) -> None:
    """The test covers all operators, on arrays inside arrays."""
    assume(operand is not None or operator in ("$eq", "$ne", "$in", "$nin"))
    condition = {operator: [operand] if operator in ("$in", "$nin") else operand}
    found = parse_where(msgspec.json.encode({"c": condition}))

    pulled = after(
        msgspec.json.encode({"c": elements}).decode(), msgspec.json.encode({"$pull": {"c": condition}}).decode()
    )

    left = [element for element in elements if not matches(found, {"c": element})]
    assert msgspec.json.decode(pulled) == {"c": left}
