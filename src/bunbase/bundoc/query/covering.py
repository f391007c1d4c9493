"""Decide whether the keys of an index prove that a document matches.

If the keys prove a match, the search need not read the document.
"""

from __future__ import annotations

from bunbase.bundoc.query.filters import Filter
from bunbase.bundoc.query.implies import conjuncts, implies
from bunbase.bundoc.query.plan import Plan


def covered(plan: Plan, where: Filter) -> bool:
    """True if every document in the ranges of the plan matches the filter.

    Only tests of equality are exact: the bounds of a range are wider than the filter. An index with arrays proves
    nothing, since a document with an array has several keys.
    """
    index = plan.index
    return index is not None and not index.many and implies([*plan.said, *conjuncts(index.where)], where)
