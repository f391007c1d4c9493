"""The place of a key may already say enough of its document: then neither filter nor rule need be asked."""

from __future__ import annotations

from bunbase.bundoc.query.filters import Filter
from bunbase.bundoc.query.implies import conjuncts, implies
from bunbase.bundoc.query.plan import Plan


def covered(plan: Plan, where: Filter) -> bool:
    """True if every document that stands in the plan's ranges fulfils the filter.

    Only pins are exact: the bounds of a range are generous, and a document that met an array stands in several places.
    """
    index = plan.index
    return index is not None and not index.many and implies([*plan.said, *conjuncts(index.where)], where)
