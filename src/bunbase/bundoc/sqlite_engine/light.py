"""Decide which searches the event loop may try: those with a short statement that calls no function of BunBase."""

from __future__ import annotations

from typing import Final, assert_never

from bunbase.bundoc.query.condition import MATCHES_FUNCTION
from bunbase.bundoc.query.filters import (
    And,
    Compare,
    Element,
    Exists,
    Filter,
    HasType,
    IsNull,
    Matches,
    Not,
    Or,
    Remainder,
    Same,
    Size,
    StartsWith,
)
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.sql import KEY_FUNCTION

# A filter has at most this many nodes, and names in its paths. Writing and parsing the SQL then take 0.2 ms each.
MOST_NODES: Final = 100
MOST_RULE_CHARACTERS: Final = 16 << 10  # The SQL of a rule has at most this many characters.


def is_light(search: Search) -> bool:
    """False for a search with a text search, a pattern, a comparison of objects or arrays, or a long filter or rule."""
    if search.text is not None or _nodes(search.where, MOST_NODES) < 0:
        return False
    if search.also is None:
        return True
    sql = search.also.sql
    return len(sql) <= MOST_RULE_CHARACTERS and MATCHES_FUNCTION not in sql and KEY_FUNCTION not in sql


def _nodes(where: Filter, left: int) -> int:
    """Return how many more nodes the filter may have.

    The result is below 0 if the filter has too many nodes, or a slow node.
    """
    match where:
        case And() | Or():
            left -= 1
            for part in where.parts:
                if left < 0:
                    break
                left = _nodes(part, left)
            return left
        case Not():
            return _nodes(where.part, left - 1)
        case Element():
            return _nodes(where.part, left - 1 - len(where.path))
        case Matches() | Same():
            return -1
        case Compare() | IsNull() | StartsWith() | Exists() | Size() | HasType() | Remainder():
            return left - 1 - len(where.path)
        case _:
            assert_never(where)
