"""If-Match and If-None-Match, read to the letter."""

from __future__ import annotations

import pytest

from bunbase.bundoc.routes.preconditions import precondition, unchanged
from bunbase.contracts.bundoc import NO_PRECONDITION, Precondition
from bunbase.pkg.errors import Malformed


def test_what_is_meant_is_read() -> None:
    assert precondition(None, None) == NO_PRECONDITION
    assert precondition('"3"', None) == Precondition(rev=3)
    assert precondition(None, "*") == Precondition(absent=True)


@pytest.mark.parametrize(
    "bad", ["", "3", '"3', '"03"', '"0"', 'W/"3"', '"3", "4"', "*", '"abc"', '"-1"', '"9e9"', '"٣"']
)
def test_a_condition_that_is_not_honoured_is_refused(bad: str) -> None:
    with pytest.raises(Malformed):
        precondition(bad, None)


@pytest.mark.parametrize("bad", ["", '"3"', "**", "* "])
def test_a_write_takes_no_other_if_none_match_than_a_star(bad: str) -> None:
    with pytest.raises(Malformed):
        precondition(None, bad)


def test_both_conditions_at_once_are_refused() -> None:
    with pytest.raises(Malformed):
        precondition('"1"', "*")


@pytest.mark.parametrize(
    ("sent", "rev", "expected"),
    [
        (None, 3, False),
        ('"3"', 3, True),
        ('"3"', 4, False),
        ('W/"3"', 3, True),
        ('"1", "3"', 3, True),
        ('"1","2"', 3, False),
        ("*", 3, True),
        ('"other-server-tag"', 3, False),
    ],
)
def test_a_read_compares_weakly(sent: str | None, rev: int, expected: bool) -> None:
    assert unchanged(sent, rev) is expected


@pytest.mark.parametrize("bad", ["", "3", '"3', '"3" "4"', "*, *", ","])
def test_a_read_refuses_what_are_no_tags(bad: str) -> None:
    with pytest.raises(Malformed):
        unchanged(bad, 3)
