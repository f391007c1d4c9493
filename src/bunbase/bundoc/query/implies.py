"""Decide whether one filter implies another. A result of True is certain. False may only mean that no proof was
found.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import ge, gt, le, lt
from typing import Final

from bunbase.bundoc.query.filters import (
    And,
    Compare,
    Element,
    Exists,
    Filter,
    HasType,
    Matches,
    Or,
    Path,
    Remainder,
    Same,
    Size,
    StartsWith,
)
from bunbase.bundoc.query.predicate import COMPARE, same_type

# The key is a pair: the sign of the first test and the sign of the second test. The value compares their bounds. If
# this comparison is true, the first test implies the second test.
TIGHTER: Final = {
    (">", ">"): ge, (">", ">="): ge, (">=", ">="): ge, (">=", ">"): gt,
    ("<", "<"): le, ("<", "<="): le, ("<=", "<="): le, ("<=", "<"): lt,
}  # fmt: skip


def conjuncts(where: Filter) -> list[Filter]:
    if isinstance(where, And):
        return [test for part in where.parts for test in conjuncts(part)]
    return [where]


def implies(tests: Sequence[Filter], wanted: Filter) -> bool:
    """True if every document that passes all tests certainly matches the filter `wanted`."""
    return all(_follows(tests, one) for one in conjuncts(wanted))


def contradicts(rule: Filter, where: Filter) -> bool:
    """True if the rule and the filter certainly set a field to different texts, so that no allowed document matches the
    filter.

    `rule`: the filter that a rule implies. A test for equality in a rule never matches an array. In a filter, the same
    test would also match an array that contains the value. False may only mean that no proof was found.
    """
    wanted = [found for test in conjuncts(where) if (found := _texts(test)) is not None]
    if not wanted:
        return False
    for test in conjuncts(rule):
        if (allowed := _texts(test)) is None:
            continue
        if any(path == allowed[0] and not values & allowed[1] for path, values in wanted):
            return True
    return False


def _texts(test: Filter) -> tuple[Path, frozenset[str]] | None:
    """Return the path and the texts if the test lists texts that one field may equal."""
    tests = test.parts if isinstance(test, Or) else (test,)
    found = [(one.path, one.value) for one in tests if isinstance(one, Compare) and one.op == "="]
    texts = frozenset(value for _, value in found if isinstance(value, str))
    if len(found) < len(tests) or not texts or len({path for path, _ in found}) > 1:
        return None
    return (found[0][0], texts) if all(isinstance(value, str) for _, value in found) else None


def _follows(tests: Sequence[Filter], wanted: Filter) -> bool:
    if isinstance(wanted, Or) and any(implies(tests, part) for part in wanted.parts):
        return True
    return any(_one_implies(test, wanted) for test in tests)


def _one_implies(test: Filter, wanted: Filter) -> bool:
    if test is wanted or repr(test) == repr(wanted):  # With ==, True would equal 1, so the texts are compared.
        return True
    match test:
        case Or():
            return all(implies(conjuncts(part), wanted) for part in test.parts)
        case Compare() if isinstance(wanted, Compare):
            return test.path == wanted.path and _within(test, wanted)
        case Compare(op="=", value=str(value)) | StartsWith(prefix=value) if isinstance(wanted, StartsWith):
            return test.path == wanted.path and value.startswith(wanted.prefix)
        case Compare() | Same() | StartsWith() | Matches() | Size() | HasType() | Remainder() | Element():
            return isinstance(wanted, Exists) and test.path == wanted.path
        case _:
            return False


def _within(test: Compare, wanted: Compare) -> bool:
    """True if every value that passes `test` also passes `wanted`. This also holds for each element of an array."""
    if not same_type(test.value, wanted.value):
        return False
    if test.op == "=":
        return bool(COMPARE[wanted.op](test.value, wanted.value))
    compare = TIGHTER.get((test.op, wanted.op))
    return compare is not None and bool(compare(test.value, wanted.value))
