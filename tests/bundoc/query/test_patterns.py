"""Regular expressions: the literal text at their beginning, and the time that they take."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.bundoc.query.condition import MATCHES_FUNCTION
from bunbase.bundoc.sqlite_engine.sql_functions import prepare
from bunbase.pkg.patterns import InvalidPattern, literal_beginning, pattern
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
def test_the_literal_beginning_of_a_pattern_is_found(text: str, beginning: str) -> None:
    assert literal_beginning(text) == beginning


@settings(max_examples=examples(200), deadline=None)
@given(text=st.text("ab^$.|()[]?*+{1}\\-é", max_size=8).map("^".__add__), of=st.text("ab.1é\n", max_size=5))
def test_every_match_of_a_pattern_starts_with_its_literal_beginning(text: str, of: str) -> None:
    try:
        sought = pattern(text)
    except InvalidPattern:
        return

    if sought.found_in(of.encode()):
        assert of.startswith(literal_beginning(text))


def test_a_pattern_that_takes_exponential_time_in_other_engines_is_fast() -> None:
    hostile = pattern("(a*)*(a|aa)+$")

    assert not hostile.found_in(b"a" * 200_000 + b"b")


def test_a_pattern_over_long_texts_stays_within_the_time_limit_of_a_search() -> None:
    connection = apsw.Connection(":memory:")
    prepare(connection)
    sql = f"SELECT {MATCHES_FUNCTION}('a', CAST(value AS BLOB)) FROM json_each('[1, 2, 3]')"

    with pytest.raises(apsw.InterruptError):
        Scan(until=0.0).do(lambda: connection.execute(sql).fetchall())
    connection.close()
