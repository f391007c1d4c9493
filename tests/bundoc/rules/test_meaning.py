"""A table of rules and their results: True allows, False denies. None stands for an error, which also denies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bunbase.bundoc.rules.masks import masked
from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.pkg.rules.inputs import MAX_LOOKUPS, Inputs, json_value
from bunbase.pkg.rules.values import Failed

AUTH = {"uid": "ada", "email": "ada@example.com", "role": "user", "claims": {"teams": ["red"]}}
DOC = {
    "_id": "d1", "_rev": 3, "_created": "2026-01-01T00:00:00.000Z", "_updated": "2026-01-02T00:00:00.000Z",
    "owner": "ada", "n": 7, "half": 1.5, "yes": True, "nil": None, "tags": ["x", "y", 1], "in_": {"a": {"b": 1}},
    "min": -(1 << 63), "package": 1, "for": {"if": 2}, "big": 1e300, "zone": "Europe/Berlin", "text": "ÄbC1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "means"),
    [
        # An error does not matter if the other side of && or || decides the result.
        ("doc.gone == 1", None),
        ("doc.gone == 1 || true", True),
        ("true || doc.gone == 1", True),
        ("doc.gone == 1 && false", False),
        ("doc.gone == 1 || false", None),
        ("doc.gone == 1 && true", None),
        ("!(doc.gone == 1)", None),
        ("doc.n && false", False),
        ("doc.n && true", None),
        ("has(doc.gone) && doc.gone == 1", False),
        ("doc.gone == 1 ? true : true", None),
        ("doc.yes ? true : doc.gone == 1", True),
        # Values of different types are never equal and have no order. All numbers have one common order.
        ("doc.n == '7'", False),
        ("doc.n != '7'", True),
        ("doc.n < '8'", None),
        ("doc.n == 7.0", True),
        ("doc.n > 6.5", True),
        ("doc.yes == 1", False),
        ("doc.nil == null", True),
        ("doc.nil == false", False),
        ("doc.yes > false", True),
        ("doc.nil < 1", None),
        ("[1, 'a'] == [1.0, 'a']", True),
        ("{'a': [1]} == doc.in_", False),
        ("{'a': {'b': 1}} == doc.in_", True),
        # Fields and elements.
        ("has(doc.nil)", True),
        ("has(doc.in_.a.b)", True),
        ("has(doc.gone.a)", None),
        ("has(doc.n.a)", None),
        ("doc.tags[0] == 'x'", True),
        ("doc.tags[3] == 'x'", None),
        ("doc.tags[-1] == 'x'", None),
        ("doc['owner'] == auth.uid", True),
        ("'x' in doc.tags", True),
        ("1.0 in doc.tags", True),
        ("true in doc.tags", False),
        ("'a' in doc.in_", True),
        ("'a' in doc.n", None),
        ("'red' in auth.claims.teams", True),
        # Arithmetic.
        ("doc.n / 2 == 3 && -doc.n / 2 == -3 && -doc.n % 2 == -1", True),
        ("doc.n / 0 == 1", None),
        ("doc.n + doc.half == 8.5", True),
        ("doc.min - 1 < 0", None),
        ("-doc.min > 0", None),
        ("-9223372036854775808 == doc.min", True),
        ("1.0 / 0.0 > 9e300 && 0.0 / 0.0 != 0.0 / 0.0", True),
        ("1 + 2 * 3 - 4 == 3 && (1 + 2) * 3 == 9", True),
        ("doc.owner + 'x' == 'adax' && [1] + [2] == [1, 2]", True),
        ("doc.owner + 1 == 'ada1'", None),
        # Text, also with characters beyond U+FFFF.
        ("size('é😀') == 2 && size(doc.tags) == 3 && size(doc.in_) == 1", True),
        ("size(doc.n) == 1", None),
        ("doc.owner.startsWith('a') && doc.owner.endsWith('da') && doc.owner.contains('d')", True),
        ("doc.n.contains('7')", None),
        (r"'\u00e9\x41\101\n' == 'éAA' + '\n' && r'\n' != '\n'", True),
        (r"'\X4a' == 'J'", True),
        # Time.
        ("timestamp(doc._created) + duration('24h') == timestamp(doc._updated)", True),
        ("now - timestamp(doc._created) > duration('1h30m')", True),
        ("timestamp('2026-01-01T02:00:00+02:00') == timestamp(doc._created)", True),
        ("timestamp(doc.owner) < now", None),
        ("timestamp('2026-02-30T00:00:00Z') < now", None),
        ("duration('soon') < duration('1s')", None),
        ("timestamp('9999-12-31T23:59:59Z') + duration('24h') > now", None),
        # Loops.
        ("doc.tags.exists(t, t == 'y') && !doc.tags.all(t, t == 'y')", True),
        ("doc.tags.exists_one(t, t == 'y')", True),
        ("doc.tags.exists(t, t > 'a')", True),
        ("doc.tags.all(t, t > 'a')", None),
        ("doc.tags.filter(t, t != 1) == ['x', 'y']", True),
        ("[1, 2].map(n, n * 2) == [2, 4] && [1, 2].map(n, n > 1, n * 2) == [4]", True),
        ("doc.in_.all(key, key == 'a')", True),
        ("[[1], [2]].exists(l, l.exists(n, n == 2))", True),
        ("doc.n.exists(t, true)", None),
        # Conversions.
        ("string(doc.n) == '7' && string(7.0) == '7' && string(doc.half) == '1.5' && string(doc.yes) == 'true'", True),
        ("string(doc.owner) == doc.owner && string(1e300) == '1e+300' && string(-0.5) == '-0.5'", True),
        ("string(timestamp('2026-01-01T02:00:00.50+02:00')) == '2026-01-01T00:00:00.5Z'", True),
        ("string(duration('1h1ms')) == '3600.001s' && string(duration('-90s')) == '-90s'", True),
        ("string(doc.nil) == ''", None),
        ("string(doc.tags) == ''", None),
        ("int('-12') == -12 && int('+9223372036854775807') == 9223372036854775807 && int(doc.n) == 7", True),
        ("int(1.9) == 1 && int(-1.9) == -1 && int(timestamp('1970-01-01T00:01:00.9Z')) == 60", True),
        ("int('9223372036854775808') > 0", None),
        ("int('1.0') == 1", None),
        ("int('') == 0", None),
        ("int(doc.owner) == 0", None),
        ("int(doc.big) > 0", None),
        ("int(-9223372036854775808.0) == doc.min", True),  # the exact value allows, although CEL has an error here
        ("int(9223372036854775807.0) > 0", None),
        ("int(doc.yes) == 1", None),
        ("double('1.5e1') == 15.0 && double(doc.n) == 7.0 && double('.5') == 0.5", True),
        ("double('1e999') > 0.0", None),
        ("double('NaN') != 0.0", None),
        ("double(doc.yes) == 1.0", None),
        ("bool('true') && bool('t') && bool('1') && !bool('FALSE') && bool(doc.yes)", True),
        ("bool('yes')", None),
        ("bool(doc.n)", None),
        ("doc.text.lowerAscii() == 'Äbc1' && doc.text.upperAscii() == 'ÄBC1' && 'AZ[@a'.lowerAscii() == 'az[@a'", True),
        ("doc.n.lowerAscii() == '7'", None),
        # Parts of times.
        ("now.getFullYear() == 2026 && now.getMonth() == 0 && now.getDate() == 3 && now.getDayOfMonth() == 2", True),
        ("now.getDayOfWeek() == 6 && now.getDayOfYear() == 2 && now.getHours() == 0", True),
        ("timestamp('2026-12-31T23:59:58.765Z').getMinutes() == 59", True),
        ("timestamp('2026-12-31T23:59:58.765Z').getSeconds() == 58", True),
        ("timestamp('2026-12-31T23:59:58.765Z').getMilliseconds() == 765", True),
        ("timestamp('2026-12-31T23:59:58.765Z').getFullYear('Europe/Berlin') == 2027", True),
        ("timestamp('2026-07-01T12:00:00Z').getHours('Europe/Berlin') == 14", True),
        ("timestamp('2026-01-01T12:00:00Z').getHours(doc.zone) == 13", True),
        ("timestamp('2026-01-01T12:00:00Z').getHours('-08:30') == 3", True),
        ("timestamp('2026-01-01T12:00:00Z').getMinutes('05:45') == 45", True),
        ("now.getHours(doc.owner) == 0", None),
        ("now.getHours(doc.n) == 0", None),
        ("timestamp('0001-01-01T00:00:00Z').getHours('-01:00') == 23", None),
        ("duration('25h30m').getHours() == 25 && duration('-90m').getHours() == -1", True),
        ("duration('90m').getMinutes() == 90 && duration('1m1.5s').getSeconds() == 61", True),
        ("duration('123.321456s').getMilliseconds() == 321", True),
        ("duration('1h').getHours('Europe/Berlin') == 1", None),
        ("doc.n.getHours() == 1", None),
        # Names that are reserved words, and whole doubles as indexes.
        ("doc.package == 1 && has(doc.for.if) && doc.for.if == 2 && !has(doc.import)", True),
        ("{'as': 1}.as == 1", True),
        ("doc.tags[0.0] == 'x' && doc.tags[doc.half * 2.0 - 2.0] == 'y'", True),
        ("doc.tags[doc.half] == 'x'", None),
        ("doc.tags[3.0] == 'x'", None),
        ("doc.tags[doc.big] == 'x'", None),
        # Differences of maps.
        ("{'a': 1, 'b': 2, 'd': 4}.diff({'a': 1.0, 'b': 3, 'c': 3}).affectedKeys() == ['b', 'd', 'c']", True),
        ("{'a': 1, 'b': 2, 'd': 4}.diff({'a': 1.0, 'b': 3, 'c': 3}).changedKeys() == ['b']", True),
        ("{'a': 1, 'b': 2, 'd': 4}.diff({'a': 1.0, 'b': 3, 'c': 3}).addedKeys() == ['d']", True),
        ("{'a': 1, 'b': 2, 'd': 4}.diff({'a': 1.0, 'b': 3, 'c': 3}).removedKeys() == ['c']", True),
        ("{'a': 1, 'b': 2, 'd': 4}.diff({'a': 1.0, 'b': 3, 'c': 3}).unchangedKeys() == ['a']", True),
        ("next.diff(doc).changedKeys() == [] && next.diff(doc).removedKeys().hasAll(['n', 'tags'])", True),
        ("next.diff(doc).affectedKeys().hasOnly(['n'])", False),
        ("doc.diff(doc).affectedKeys().hasOnly(['n']) && !doc.diff(doc).affectedKeys().hasAny(['n'])", True),
        ("doc.in_.diff({'a': {'b': 2}}).affectedKeys() == ['a']", True),
        ("next.diff(doc.n).addedKeys() == []", None),
        ("[1, 2].hasOnly([2.0, 1, 3]) && [1, 2].hasAny([3, 2]) && [1, 2].hasAll([2]) && [].hasOnly([])", True),
        ("['a'].hasAll(['a', 'b']) || ['a'].hasAny(['b']) || ['a', 'b'].hasOnly(['a'])", False),
        ("doc.n.hasAny([1])", None),
        # Look-ups of other documents.
        ("get('teams', 'red').lead == auth.uid", True),
        ("get('teams', 'blue').lead == auth.uid", None),
        ("exists('teams', 'red') && !exists('teams', 'blue')", True),
        ("exists('teams', doc.n)", None),
        ("request.op == 'update' && request.id == doc._id", True),
        ("next.owner == doc.owner", True),
    ],
)
def test_rules_have_the_meaning_in_the_table(source: str, means: bool | None) -> None:
    teams = {"red": {"lead": "ada"}}
    request = {"op": "update", "collection": "posts", "id": "d1"}
    rule = CompiledRule(source, "update")
    given = Inputs(AUTH, DOC, {"owner": "ada"}, datetime(2026, 1, 3, tzinfo=UTC), request, lambda _, id: teams.get(id))

    try:
        result: Any = rule.evaluate(given)
    except Failed:
        result = None

    assert result is means
    assert rule.allows(given) is (means is True)


def test_the_system_fields_of_two_documents_are_no_difference() -> None:
    rule = CompiledRule("next.diff(doc).affectedKeys().hasOnly(['n'])", "update")
    after = {**DOC, "_rev": 4, "_updated": "2026-01-03T00:00:00.000Z", "n": 8}

    assert rule.allows(Inputs(doc=DOC, next=after))
    assert not rule.allows(Inputs(doc=DOC, next={**after, "owner": "eve"}))
    assert not rule.allows(Inputs(doc=DOC, next={name: value for name, value in after.items() if name != "owner"}))
    allowed, steps = rule.trace(Inputs(doc=DOC, next=after))
    assert allowed
    assert [step.value for step in steps if step.expr.endswith("affectedKeys()")] == [["n"]]


def test_auth_is_null_without_a_signed_in_user() -> None:
    rule = CompiledRule("auth.uid == doc.owner", "get")

    assert not rule.allows(Inputs(auth=None, doc={"owner": None}))


def test_the_number_of_lookups_of_a_rule_is_limited() -> None:
    asked: list[str] = []

    def lookup(collection: str, id: str) -> None:
        asked.append(id)

    rule = CompiledRule("[1,2,3,4,5,6,7,8,9,10,11].all(n, !exists('teams', 'x'))", "get")

    assert not rule.allows(Inputs(lookup=lookup))
    assert len(asked) == MAX_LOOKUPS


def test_a_rule_that_loops_too_long_denies() -> None:
    rule = CompiledRule("doc.l.all(a, doc.l.all(b, doc.l.all(c, true)))", "get")

    assert not rule.allows(Inputs(doc={"l": [0] * 1000}))
    assert rule.allows(Inputs(doc={"l": [0] * 20}))


def test_an_integer_of_more_than_64_bits_is_a_double() -> None:
    doc = json_value(b'{"n":123456789012345678901,"l":[-18446744073709551616,true]}')

    assert CompiledRule("doc.n == 123456789012345678901.0 && doc.l[0] < 0 && doc.l[1]", "get").allows(Inputs(doc=doc))


def test_a_trace_shows_the_value_of_each_part() -> None:
    rule = CompiledRule("doc.gone == 1 || (auth.uid == doc.owner && now > timestamp(doc._created))", "get")

    allowed, steps = rule.trace(Inputs(auth=AUTH, doc={**DOC, "owner": "eve"}, now=datetime(2026, 1, 3, tzinfo=UTC)))

    assert not allowed
    shown = {step.expr: step.error if isinstance(step.error, str) else step.value for step in steps}
    assert shown["doc.gone"] == "there is no field gone"
    assert shown["auth.uid"] == "ada"
    assert shown["doc.owner"] == "eve"
    assert shown["auth.uid == doc.owner"] is False
    assert "now" not in shown


def test_the_size_of_a_trace_is_limited() -> None:
    rule = CompiledRule("doc.l.all(t, t == doc.s)", "get")

    _, steps = rule.trace(Inputs(doc={"l": ["x" * 1000] * 1000, "s": "x" * 1000}))

    assert len(steps) == 200
    assert all(len(str(step.value)) < 300 for step in steps)


@pytest.mark.parametrize(
    ("hidden", "left"),
    [
        ([], b'{"a":1.0,"b":{"c":1,"d":[{"e":1}]},"f":"x"}'),
        (["a"], b'{"b":{"c":1,"d":[{"e":1}]},"f":"x"}'),
        (["b.c", "f"], b'{"a":1.0,"b":{"d":[{"e":1}]}}'),
        (["b", "b.c"], b'{"a":1.0,"f":"x"}'),
        (["gone", "a.b", "b.d.f"], b'{"a":1.0,"b":{"c":1,"d":[{"e":1}]},"f":"x"}'),
        (["b.d.e"], b'{"a":1.0,"b":{"c":1,"d":[{}]},"f":"x"}'),
    ],
)
def test_hidden_fields_are_removed_and_other_bytes_stay_the_same(hidden: list[str], left: bytes) -> None:
    assert masked(b'{"a":1.0,"b":{"c":1,"d":[{"e":1}]},"f":"x"}', hidden) == left


@pytest.mark.parametrize("before", range(20))
def test_a_long_integer_is_a_double_in_every_position(before: int) -> None:
    text = b'{"t":"' + b"x" * before + b'","n":9223372036854775808}'

    assert json_value(text)["n"].__class__ is float


@pytest.mark.parametrize(
    ("source", "means"),
    [
        # A field that neither document has is unchanged. A field that only one document has is changed.
        ("next.gone == doc.gone", True),
        ("next.gone != doc.gone", False),
        ("doc['gone'].below == next.gone.below", True),
        ("next.owner == doc.owner", True),
        ("next.n == doc.n", False),
        ("next.new == doc.new", False),
        ("next.new != doc.new", True),
        ("next.half == doc.half", False),
        ("!(next.half == doc.half)", True),
        ("next.gone == doc.owner", False),
        # All other missing fields are errors, and so are fields of values that have no fields.
        ("next.gone == auth.uid", None),
        ("next.gone == next.gone", None),
        ("doc.gone == doc.gone", None),
        ("next.gone == null", None),
        ("next.owner.below == doc.gone", None),
        ("next.gone < doc.gone", None),
        ("next.tags[9] == doc.tags[9]", None),
    ],
)
def test_a_field_that_is_missing_before_and_after_a_write_is_unchanged(source: str, means: bool | None) -> None:
    after = {**{name: value for name, value in DOC.items() if name != "half"}, "n": 8, "new": 1}
    inputs = Inputs(auth=AUTH, doc=DOC, next=after)
    rule = CompiledRule(source, "update")

    try:
        found: object = rule.evaluate(inputs)
    except Failed:
        found = None

    assert found is means
    assert rule.allows(inputs) is (means is True)
