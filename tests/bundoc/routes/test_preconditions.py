"""Parsing of If-Match and If-None-Match."""

from __future__ import annotations

import pytest

from bunbase.bundoc.routes.preconditions import etag, precondition, unchanged
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Document, Precondition
from bunbase.pkg.errors import Malformed


def test_valid_preconditions_are_parsed() -> None:
    assert precondition(None, None) == NO_PRECONDITION
    assert precondition('"3"', None) == Precondition(rev=3)
    assert precondition(None, "*") == Precondition(absent=True)


@pytest.mark.parametrize(
    "bad", ["", "3", '"3', '"03"', '"0"', 'W/"3"', '"3", "4"', "*", '"abc"', '"-1"', '"9e9"', '"٣"']
)
def test_an_unsupported_precondition_is_refused(bad: str) -> None:
    with pytest.raises(Malformed):
        precondition(bad, None)


@pytest.mark.parametrize("bad", ["", '"3"', "**", "* "])
def test_a_write_accepts_only_a_star_in_if_none_match(bad: str) -> None:
    with pytest.raises(Malformed):
        precondition(None, bad)


def test_two_preconditions_are_refused() -> None:
    with pytest.raises(Malformed):
        precondition('"1"', "*")


@pytest.mark.parametrize(
    ("sent", "tag", "expected"),
    [
        (None, '"3"', False),
        ('"3"', '"3"', True),
        ('"3"', '"4"', False),
        ('W/"3"', '"3"', True),
        ('"1", "3"', '"3"', True),
        ('"1","2"', '"3"', False),
        ("*", '"3"', True),
        ('"3"', '"3-5c1f"', False),
        ('"3-5c1f"', '"3-5c1f"', True),
        ('"3-5c1f"', '"3"', False),
        ('"other-server-tag"', '"3"', False),
    ],
)
def test_a_read_compares_entity_tags_weakly(sent: str | None, tag: str, expected: bool) -> None:
    assert unchanged(sent, tag) is expected


@pytest.mark.parametrize("bad", ["", "3", '"3', '"3" "4"', "*, *", ","])
def test_a_read_refuses_invalid_entity_tags(bad: str) -> None:
    with pytest.raises(Malformed):
        unchanged(bad, '"3"')


def test_a_write_accepts_the_entity_tag_of_every_view_of_a_document() -> None:
    """A caller who does not see all fields gets a different tag, and a write must accept this tag."""
    seen = Document("d1", 3, b"{}", view="5c1f")

    assert etag(seen) == '"3-5c1f"'
    assert precondition(etag(seen), None) == precondition('"3"', None) == Precondition(rev=3)


@pytest.mark.parametrize("bad", ['"3-"', '"3-x"', '"-5c"', '"3-5c-5c"', '"3-' + "5" * 33 + '"', '"' + "3" * 5000 + '"'])
def test_a_write_refuses_entity_tags_that_bundoc_never_sends(bad: str) -> None:
    with pytest.raises(Malformed):
        precondition(bad, None)
