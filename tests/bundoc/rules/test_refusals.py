"""An invalid rule is refused when it is saved, with the place of the mistake."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.pkg.rules.refusal import InvalidRule
from tests.seeds import examples

ALL_OPERATIONS = ("list", "get", "create", "update", "delete")


@pytest.mark.parametrize(
    ("source", "operation", "column", "says"),
    [
        ("", "get", 1, "empty"),
        ("   ", "get", 1, "empty"),
        ("user.id == 'x'", "get", 1, "user is not defined"),
        ("auth.uid == next.owner", "get", 13, "no document is written"),
        ("auth.uid == doc.owner", "create", 13, "no stored document"),
        ("auth.name == 'x'", "get", 1, "uid, email, role, claims"),
        ("doc._owner == 'x'", "get", 1, "_id, _rev"),
        ("request.id == 'x'", "list", 1, "doc._id"),
        ("'a' && true", "get", 1, "this is string"),
        ("true || 1", "get", 9, "this is int"),
        ("!auth.uid", "get", 2, "this is string"),
        ("doc.owner == auth.uid ? 'a' : 'b'", "get", 1, "this is string"),
        ("size(doc.tags)", "get", 1, "true or false"),
        ("auth.uid == 1", "get", 1, "never equal"),
        ("'a' < 1", "get", 1, "cannot be compared with < or >"),
        ("null < 1", "get", 1, "no order"),
        ("[1] < [2]", "get", 1, "no order"),
        ("'a' - 'b' == doc.x", "get", 1, "no meaning"),
        ("1.5 % 2.0 == 1.0", "get", 1, "no meaning"),
        ("now - 1 == doc.x", "get", 1, "no meaning"),
        ("'a' in 'abc'", "get", 1, "a list or a map"),
        ("doc.name.matches('(a')", "get", 18, "missing )"),
        ("doc.name.matches('(?=a)')", "get", 18, "linear time"),
        ("doc.name.matches(doc.pattern)", "get", 18, "literal string"),
        ("doc.name.matches('a' + 'b')", "get", 18, "literal string"),
        ("doc.name.matches(1)", "get", 18, "takes string"),
        ("doc.name.lower() == 'a'", "get", 1, "no function lower"),
        ("get('posts') == doc", "get", 1, "takes 2"),
        ("exists(1, 'a')", "get", 8, "takes string"),
        ("size(1) == 1", "get", 6, "no size"),
        ("duration(5) > duration('1s')", "get", 10, "takes string"),
        ("doc.tags.exists(doc, true)", "get", 1, "another name"),
        ("doc.tags.exists(1, true)", "get", 17, "names each element"),
        ("doc.tags.all(t, 1)", "get", 17, "this is int"),
        ("[t].exists(x, x == t)", "get", 2, "t is not defined"),
        ("has(doc)", "get", 1, "one field"),
        ("{1: true}['a']", "get", 2, "keys of a map"),
        ("doc.a = 1", "get", 7, "=="),
        ("doc.a & doc.b", "get", 7, "&&"),
        ("doc.a == 'x", "get", 10, "does not end"),
        ("doc.a == 'x\\q'", "get", 12, "not an escape"),
        ("doc.a == '\\ud800'", "get", 11, "not a Unicode character"),
        ("doc.a == 9223372036854775808", "get", 10, "64 bits"),
        ("doc.a == 99999999999999999999999999999", "get", 10, "64 bits"),
        ("doc.a == 1e999", "get", 10, "too large"),
        ("doc.a == 12u", "get", 10, "without letters"),
        ("doc.a == b'x'", "get", 11, "an operator or the end"),
        ("doc.a == 1 2", "get", 12, "Expected"),
        ("(doc.a", "get", 7, "Expected )"),
        ("doc.", "get", 5, "name of a field"),
        ("doc.a[1.5]", "get", 7, "int or string"),
        ("while == 1", "get", 1, "as in doc.while"),
        ("doc.tags.all(for, true)", "get", 14, "reserved"),
        ("doc.in == 1", "get", 5, "name of a field"),
        ("string(null) == ''", "get", 8, "string takes string or int"),
        ("int(true) == 1", "get", 5, "int takes int or double"),
        ("bool(1)", "get", 6, "bool takes bool or string"),
        ("now.getHours('Mars/Base') == 1", "get", 14, "no time zone"),
        ("now.getHours(1) == 1", "get", 14, "takes string"),
        ("now.getHours('UTC', 'UTC') == 1", "get", 1, "takes 1 or 2"),
        ("duration('1h').getFullYear() == 1", "get", 1, "takes timestamp"),
        ("'a'.getHours() == 1", "get", 1, "takes timestamp or duration"),
        ("doc.diff(doc)", "get", 1, "this is diff"),
        ("doc.diff(doc) == doc.diff(doc)", "get", 1, "no operators"),
        ("doc.affectedKeys() == []", "get", 1, "takes diff"),
        ("'a'.hasOnly(['a'])", "get", 1, "takes list"),
        ("(" * 100 + "true" + ")" * 100, "get", 49, "nested"),
        ("1" + " + 1" * 100 + " == 1", "get", 1, "nested"),
        ("!" * 100 + "true", "get", 49, "nested"),
        ("true || " * 600 + "true", "get", 1, "at most 4096 bytes"),
    ],
)
def test_an_invalid_rule_is_refused_with_its_place(source: str, operation: str, column: int, says: str) -> None:
    with pytest.raises(InvalidRule) as caught:
        CompiledRule(source, operation)

    assert says in caught.value.detail
    assert (caught.value.extra["line"], caught.value.extra["column"]) == (1, column)


def test_the_refusal_of_a_rule_names_the_line() -> None:
    with pytest.raises(InvalidRule) as caught:
        CompiledRule("// who may read\nauth != null &&\n  dog.public", "get")

    assert (caught.value.extra["line"], caught.value.extra["column"]) == (3, 3)


def test_many_alternatives_do_not_count_as_nesting() -> None:
    rule = CompiledRule(" || ".join(["doc.a == 1"] * 250), "get")

    assert len(rule.source) > 3000


FRAGMENTS = st.sampled_from(
    ["auth", "doc", "next", ".", "uid", "==", "!=", "&&", "||", "!", "-", "(", ")", "[", "]", "{", "}", ",", ":", "?",
     "in", "has", "size", "exists", "map", "'a'", '"', "'", "\\", "1", "9223372036854775808", "1.5", "0x1F", "true",
     "null", " ", "\n", "//", "r'x'", "é", "\x00", "%", "+", "<", "now", "get"]
)  # fmt: skip


@settings(max_examples=examples(300), deadline=None)
@given(st.text() | st.lists(FRAGMENTS, max_size=25).map("".join), st.sampled_from(ALL_OPERATIONS))
@example("\ud800", "get")
@example("0x", "get")
@example("٣ == 3", "get")
@example("-" * 60 + "9223372036854775808 == 1", "get")
def test_every_text_is_a_valid_rule_or_is_refused_with_its_place(source: str, operation: str) -> None:
    place = refusal(source, operation)

    assert place is None or (place["line"] >= 1 and place["column"] >= 1)


def refusal(source: str, operation: str) -> dict[str, Any] | None:
    try:
        CompiledRule(source, operation)
    except InvalidRule as refused:
        return refused.extra
    return None
