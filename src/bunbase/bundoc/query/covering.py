"""Whether an index alone answers a filter: then no document need be asked, and counting reads nothing but keys."""

from __future__ import annotations

from bunbase.bundoc.query.filters import Filter
from bunbase.bundoc.query.implies import conjuncts
from bunbase.bundoc.query.plan import Plan, listing, pinning


def covered(plan: Plan, where: Filter) -> bool:
    """Say whether the plan's ranges hold exactly the documents that fulfil the filter that it was chosen by.

    Only pins are exact: the bounds of a range are generous, and a document that met an array stands in several places.
    """
    index = plan.index
    if index is None or index.many:
        return False
    tests = conjuncts(where)
    pins = pinning(index, tests)
    rest = index.order.fields[len(pins) :]
    listed = listing(tests, rest[0].path) if rest else None
    said = {repr(test) for test in (*pins, listed, *conjuncts(index.where))}  # == takes true for 1
    return all(repr(test) in said for test in tests)
