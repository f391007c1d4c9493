"""Patterns: what they all begin with is said only where it is certain."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.bundoc.query.patterns import MATCHES_FUNCTION, InvalidPattern, literal_beginning, pattern
from bunbase.bundoc.sqlite_engine.searching import prepare
from bunbase.pkg.sealed_sqlite.scanners import Scan
from tests.seeds import examples


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        ("^abc", "abc"),
        ("^abc$", "abc"),
        ("^ab?c", "a"),
        ("^ab*", "a"),
        ("^ab{0}", "a"),
        ("^ab+", "ab"),
        (r"^a\.b\d", "a.b"),
        ("^(?i)abc", ""),
        ("^a(?i)bc", "a"),
        ("^a|b", ""),
        ("abc", ""),
        (r"^\Qa.b\E", ""),
        ("^", ""),
    ],
)
def test_a_literal_beginning_is_read_from_the_pattern(text: str, beginning: str) -> None:
    assert literal_beginning(text) == beginning


@settings(max_examples=examples(500), deadline=None)
@given(text=st.text("ab^$.|()[]?*+{1}\\-é", max_size=8).map("^".__add__), of=st.text("ab.1é\n", max_size=5))
def test_whatever_matches_begins_so(text: str, of: str) -> None:
    try:
        sought = pattern(text)
    except InvalidPattern:
        return

    if sought.found_in(of.encode()):
        assert of.startswith(literal_beginning(text))


def test_a_pattern_that_makes_other_engines_wait_is_answered() -> None:
    hostile = pattern("(a*)*(a|aa)+$")

    assert not hostile.found_in(b"a" * 200_000 + b"b")


def test_a_pattern_in_long_texts_keeps_within_the_time_of_a_search() -> None:
    connection = apsw.Connection(":memory:")
    prepare(connection)
    sql = f"SELECT {MATCHES_FUNCTION}('a', CAST(value AS BLOB)) FROM json_each('[1, 2, 3]')"

    with pytest.raises(apsw.InterruptError):
        Scan(until=0.0).do(lambda: connection.execute(sql).fetchall())
    connection.close()
