"""Conditions in SQL over the rows of a collection, made from filters and from rules."""

from __future__ import annotations

from typing import Any, Final

import msgspec

MATCHES_FUNCTION: Final = "bundoc_matches"  # pattern, text as a blob → 0 or 1


class Condition(msgspec.Struct, frozen=True):
    """SQL that stands behind WHERE, over a row `d` with the columns id, rev, created, updated and body.

    Its value is 1, 0 or NULL. A condition made from a rule is NULL where the rule fails (CEL's error).
    """

    sql: str
    params: tuple[Any, ...] = ()


TRUE: Final = Condition("1")
FALSE: Final = Condition("0")
