"""The fields of an index that would help a query, for advice and warnings."""

from __future__ import annotations

from bunbase.bundoc.query.filters import Compare, Filter, Or, Path
from bunbase.bundoc.query.implies import conjuncts, implies
from bunbase.bundoc.query.plan import MOST_PINS, PRIMARY, TOLD, Bound, is_told, told
from bunbase.bundoc.query.ranges import MOST_RANGES, path_of
from bunbase.bundoc.query.sort import Order, SortField


def wanted(where: Filter, order: Order, bound: Bound | None = None) -> tuple[SortField, ...]:
    """Return the fields of an index that would help this query; () if no index can.

    Fields whose name begins with "-" are left out, because an index cannot name them.
    """
    if bound is None:
        return _fields_for(conjuncts(where), order)
    tests = [*conjuncts(bound.implied), *conjuncts(where)]
    if may_be_proved(where, bound):
        return _fields_for(tests, order)
    return _fields_for(told(where, bound), order if is_told(order.fields) else Order())


def may_be_proved(where: Filter, bound: Bound) -> bool:
    """True if the keys of some index would prove the rule for all documents in the ranges (`admits`)."""
    tests = [*conjuncts(bound.implied), *conjuncts(where)]
    pins: list[Filter] = [test for test in tests if isinstance(test, Compare) and test.op == "="]
    return bound.exact and implies([*pins, *_listed(bound)], bound.implied)


def _listed(bound: Bound) -> list[Or]:
    """Return the first test of the rule that lists values for one path; an empty list if there is none."""
    return [test for test in conjuncts(bound.implied) if isinstance(test, Or) and path_of(test) is not None][:1]


def narrowing(where: Filter, bound: Bound | None = None) -> tuple[SortField, ...]:
    """Return the fields of an index that would narrow a search by words; () if the search sets no field to a value."""
    tests = told(where, bound)
    if bound is not None and bound.exact:
        tests = [*tests, *conjuncts(where)]
    pinned = [test.path for test in tests if isinstance(test, Compare) and test.op == "="]
    listed = [path for test in tests if isinstance(test, Or) and (path := path_of(test)) is not None]
    paths = dict.fromkeys([*pinned, *(path for path in listed[:1] if path not in pinned)])
    fields = [SortField(path) for path in paths if path not in TOLD]
    return tuple(field for field in fields if field.is_named)[:MOST_PINS]


def _fields_for(tests: list[Filter], order: Order) -> tuple[SortField, ...]:
    """Return the fields of the best index: first the fields with one value, then the fields with several values, the
    order, and one range.
    """
    pinned = [test.path for test in tests if isinstance(test, Compare) and test.op == "="]
    pinned += _listed_paths(tests, pinned)
    ranged = [path for test in tests if (path := path_of(test)) is not None and path not in pinned]
    fields = [SortField(path) for path in dict.fromkeys(pinned) if path != (PRIMARY,)]
    fields += [field for field in order.fields if field.path not in pinned]
    fields += [SortField(path) for path in dict.fromkeys(ranged) if path not in [field.path for field in fields]][:1]
    return tuple(field for field in fields if field.is_named)[:MOST_PINS]


def _listed_paths(tests: list[Filter], pinned: list[Path]) -> list[Path]:
    """Return the paths for which the tests list values. Stop before their combinations exceed MOST_RANGES."""
    found: list[Path] = []
    ranges = 1
    for test in tests:
        path = path_of(test)
        if isinstance(test, Or) and path is not None and path not in (*pinned, *found):
            ranges *= len(test.parts)
            if ranges > MOST_RANGES:
                break
            found.append(path)
    return found
