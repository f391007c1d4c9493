"""Whether a filter implies another: certain when it says yes; where it says no, that may be for want of cleverness."""

from __future__ import annotations

from collections.abc import Sequence
from operator import ge, gt, le, lt
from typing import Final

from bunbase.bundoc.query.filters import And, Compare, Element, Exists, Filter, Matches, Or, Same, Size, StartsWith
from bunbase.bundoc.query.predicate import COMPARE, same_type

# a value that passes the first sign and its bound also passes the second, if the bounds compare so
TIGHTER: Final = {
    (">", ">"): ge, (">", ">="): ge, (">=", ">="): ge, (">=", ">"): gt,
    ("<", "<"): le, ("<", "<="): le, ("<=", "<="): le, ("<=", "<"): lt,
}  # fmt: skip


def conjuncts(where: Filter) -> list[Filter]:
    if isinstance(where, And):
        return [test for part in where.parts for test in conjuncts(part)]
    return [where]


def implies(tests: Sequence[Filter], wanted: Filter) -> bool:
    """Say whether every document that passes all tests fulfils what is wanted."""
    return all(_follows(tests, one) for one in conjuncts(wanted))


def _follows(tests: Sequence[Filter], wanted: Filter) -> bool:
    if isinstance(wanted, Or) and any(implies(tests, part) for part in wanted.parts):
        return True
    return any(_one_implies(test, wanted) for test in tests)


def _one_implies(test: Filter, wanted: Filter) -> bool:
    if repr(test) == repr(wanted):  # == takes true for 1
        return True
    match test:
        case Or():
            return all(implies(conjuncts(part), wanted) for part in test.parts)
        case Compare() if isinstance(wanted, Compare):
            return test.path == wanted.path and _within(test, wanted)
        case Compare(op="=", value=str(value)) | StartsWith(prefix=value) if isinstance(wanted, StartsWith):
            return test.path == wanted.path and value.startswith(wanted.prefix)
        case Compare() | Same() | StartsWith() | Matches() | Size() | Element():
            return isinstance(wanted, Exists) and test.path == wanted.path
        case _:
            return False


def _within(test: Compare, wanted: Compare) -> bool:
    """The same value that passes one passes the other, so arrays change nothing."""
    if not same_type(test.value, wanted.value):
        return False
    if test.op == "=":
        return bool(COMPARE[wanted.op](test.value, wanted.value))
    compare = TIGHTER.get((test.op, wanted.op))
    return compare is not None and bool(compare(test.value, wanted.value))
