"""SQL conditions on the rows of a collection. Filters and rules are translated to such conditions."""

from __future__ import annotations

from typing import Any, Final

import msgspec

MATCHES_FUNCTION: Final = "bundoc_matches"  # The arguments are a pattern, and a text as a blob. The result is 0 or 1.


class Condition(msgspec.Struct, frozen=True):
    """SQL for WHERE, on a row `d` with the columns id, rev, created, updated and body.

    The condition has the value 1, 0 or NULL. The condition of a rule is NULL if CEL evaluates the rule to an error.
    """

    sql: str
    params: tuple[Any, ...] = ()


TRUE: Final = Condition("1")
FALSE: Final = Condition("0")
