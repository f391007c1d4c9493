"""Selected fields keep their bytes and their order, however the paths overlap."""

from __future__ import annotations

import pytest

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.query.select import parse_select, selected

BODY = b'{"a":{"b":1.50,"c":{"d":2}},"l":[{"x":1,"y":2},[{"x":3}],4,[]],"z":null,"t":"text"}'
DOCUMENT = StoredDocument("d1", 1, "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z", BODY)


@pytest.mark.parametrize(
    ("select", "found"),
    [
        ((), b""),
        (("missing", "a.missing.deep"), b',"a":{}'),
        (("t", "a.b"), b',"a":{"b":1.50},"t":"text"'),
        (("a.c", "a"), b',"a":{"b":1.50,"c":{"d":2}}'),
        (("a.b", "a.c.d", "a.c"), b',"a":{"b":1.50,"c":{"d":2}}'),
        (("a.b.c", "z.y", "t.u"), b',"a":{}'),
        (("l.x",), b',"l":[{"x":1},[{"x":3}],[]]'),
        (("l.y", "z"), b',"l":[{"y":2},[{}],[]],"z":null'),
        (("_rev", "_id"), b',"_rev":1'),
    ],
)
def test_a_selection_has_the_named_values_in_the_order_of_the_document(select: tuple[str, ...], found: bytes) -> None:
    assert selected(DOCUMENT, parse_select(select)) == b'{"_id":"d1"' + found + b"}"


def test_without_a_selection_the_whole_document_is_shown() -> None:
    assert selected(DOCUMENT, parse_select(None)).endswith(BODY[1:])
