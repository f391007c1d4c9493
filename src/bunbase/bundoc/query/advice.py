"""Advise how to make a search cheaper.

Each advice is tested first: `choose` plans the search with the advised index. The advice then tells how well this plan
serves the search.

An index serves a page if it has the order of the result and leaves out all documents that do not match. With such an
index, a page examines little more than its own documents, however large the collection is. Often no index does both:
for a range of one field, the result must be sorted by this field. In this case, the advice is to sort by this field, or
the advice tells which documents must be examined even with the index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

from bunbase.bundoc.query.filters import Compare, Filter, Matches, Path, StartsWith
from bunbase.bundoc.query.implies import conjuncts, implies
from bunbase.bundoc.query.plan import Bound, Index, Plan, admits, choose, narrows, ranged_path
from bunbase.bundoc.query.predicate import paths_of
from bunbase.bundoc.query.ranges import ALL_ABOVE, Range
from bunbase.bundoc.query.rows import ID, Reads, is_told_by_keys
from bunbase.bundoc.query.search import Advice, Search
from bunbase.bundoc.query.sort import MAX_FIELDS, Order, SortField, order_by
from bunbase.bundoc.query.wanted import may_be_proved, narrowing, wanted

ADVISED: Final = "~advised"  # This name sorts after every name of an index, so an existing index wins if it is as good.
# At most this many fields with a range are tried as the order. The planner makes up to four plans for each field.
MOST_RANGED: Final = 4


class Indexes(msgspec.Struct, frozen=True):
    """The indexes of a collection. `building`: the fields of the indexes that are not ready.

    `alone`: true if the keys of an index can answer an aggregate without the documents. The value is true only if
    documents do not expire.
    """

    ready: tuple[Index, ...] = ()
    building: frozenset[tuple[str, ...]] = frozenset()
    alone: bool = True


NO_INDEXES: Final = Indexes()


def advice(search: Search, plan: Plan, indexes: Indexes = NO_INDEXES, many_ties: bool = False) -> Advice:
    """Return advice to make the search cheaper. `plan`: the present plan of the search.

    `many_ties`: true if many documents have the same place in the order of the result. With many ties, an index with
    exactly this order is better than a longer index.
    """
    if search.text is not None:
        return _narrowing_advice(search, plan)
    if not search.wants_page:
        return _advice_for_totals(search, plan, indexes)
    fields = wanted(search.where, search.order, search.bound)
    plan = plan if many_ties else msgspec.structs.replace(plan, tied=())
    # True if the rule denies some of the documents that the plan reads.
    denies = search.bound is not None and not admits(plan, search.bound)
    if denies or not serves(plan, search.where):
        if _names(fields) in indexes.building:
            return Advice(f"The index on {_listed(fields)} is being built: send the query again when it is ready.")
        if _served_with(search, search.order, fields, indexes):
            return _add(fields)
        if (sorted := _sorted_otherwise(search, indexes)) is not None:
            return sorted
        for helping in (fields, wanted(search.where, Order(), search.bound)):
            found = _plan_with(search, search.order, helping, indexes)
            if found is not None and _is_better(found, plan):
                rest = _rest(search, found)
                return Advice(f"{_add(helping).text} The query is then cheaper, but it still {rest}", _names(helping))
    return Advice(_no_index(search, plan))


def _is_better(plan: Plan, now: Plan) -> bool:
    """True if `plan` proves more of the filter or order than `now`, or has a range that `now` lacks."""
    before, after = (
        (len(one.said), any(_is_bounded(range) for range in one.ranges), one.ordered, one.ordered and not one.tied)
        for one in (now, plan)
    )
    return any(new > old for old, new in zip(before, after, strict=True))


def _is_bounded(range: Range) -> bool:
    return range != Range(range.base, range.base + ALL_ABOVE, range.base)


def serves(plan: Plan, where: Filter) -> bool:
    """True if a page examines little more than its own documents. Documents that the rule denies do not count."""
    return plan.ordered and not plan.tied and narrows(plan, where)


def _served_with(search: Search, order: Order, fields: tuple[SortField, ...], indexes: Indexes) -> bool:
    plan = _plan_with(search, order, fields, indexes)
    return plan is not None and serves(plan, search.where)


def _plan_with(search: Search, order: Order, fields: tuple[SortField, ...], indexes: Indexes) -> Plan | None:
    """Return the plan that the search would have with an index on the fields; None if the plan would not use this
    index.
    """
    if not fields:
        return None
    of = order_by(fields)
    paths = {field.path for field in of.fields}
    # If another index has found an array in these fields, the new index would find the same array.
    many = any(one.many and paths >= {field.path for field in one.order.fields} for one in indexes.ready)
    plan = choose(search.where, order, [*indexes.ready, Index(ADVISED, of, many=many)], search.bound)
    return plan if plan.index is not None and plan.index.name == ADVISED else None


def _sorted_otherwise(search: Search, indexes: Indexes) -> Advice | None:
    """Return the advice to sort by the field of a range, if the search would then be served."""
    now = _order_name(search.order)
    for order in _other_orders(search):
        name = str(order.fields[0])
        path = ".".join(order.fields[0].path)
        why = f"No index has the order by {now} and leaves out what the condition on {path} excludes."
        plan = choose(search.where, order, indexes.ready, search.bound)
        if plan.index is not None and serves(plan, search.where):
            return Advice(f'{why} Send "sort":["{name}"]: the index {plan.index.name} then serves the query.')
        fields = wanted(search.where, order, search.bound)
        if _served_with(search, order, fields, indexes):
            return Advice(f'{why} Send "sort":["{name}"], and add an index on {_listed(fields)} to the collection.')
    return None


def _other_orders(search: Search) -> Iterator[Order]:
    """Yield an order by each field for which the filter or the rule sets a range."""
    bound = search.bound
    tests = conjuncts(search.where) + ([] if bound is None else conjuncts(bound.implied))
    ranged = dict.fromkeys(path for test in tests if (path := _ranged_path(test)) is not None)
    for path in islice((path for path in ranged if SortField(path).is_named), MOST_RANGED):
        for descending in (False, True):
            order = Order((SortField(path, descending),), descending)
            if order != search.order:
                yield order


def _ranged_path(test: Filter) -> Path | None:
    if isinstance(test, StartsWith | Matches) or (isinstance(test, Compare) and test.op != "="):
        return test.path
    return None


def _advice_for_totals(search: Search, plan: Plan, indexes: Indexes) -> Advice:
    """Return the advice for an aggregate or a count: the index whose keys answer it, or the index that narrows it."""
    covering = _covering_fields(search) if indexes.alone else ()
    usual = wanted(search.where, Order(), search.bound)
    if covering and not _has(covering, indexes):
        return _add(covering)
    if _names(covering) in indexes.building or _names(usual) in indexes.building:
        return Advice("An index that serves the query is being built: send the query again when it is ready.")
    found = _plan_with(search, Order(), usual, indexes)
    if found is not None and _is_better(found, plan):
        return Advice(
            f"{_add(usual).text} The query is then cheaper, but it still {_rest(search, found)}", _names(usual)
        )
    return Advice(_no_index(search, plan))


def _has(fields: tuple[SortField, ...], indexes: Indexes) -> bool:
    return any(one.order.fields == fields for one in indexes.ready) or _names(fields) in indexes.building


def _covering_fields(search: Search) -> tuple[SortField, ...]:
    """Return the fields of an index that answers the aggregate without documents; () if no index can."""
    reads, bound = search.reads or Reads(), search.bound
    if reads.each is not None or search.residual is not None:
        return ()
    if not all(is_told_by_keys(test) for test in conjuncts(search.where)):
        return ()
    if bound is not None and not may_be_proved(search.where, bound):
        return ()
    fields = [*wanted(search.where, Order(), bound), *map(SortField, paths_of(search.where))]
    fields += map(SortField, reads.paths)
    needed = tuple(dict.fromkeys(field for field in fields if field.path != ID))
    return needed if len(needed) <= MAX_FIELDS and all(field.is_named for field in needed) else ()


def _no_index(search: Search, plan: Plan) -> str:
    """Return the reason why no index helps, and another remedy."""
    if search.bound is not None and not admits(plan, search.bound):
        return _because_of_the_rule(search, search.bound)
    counts = " or leave out count" if search.count and search.limit else ""
    return f"No index can help: the query {_rest(search, plan)} Use a narrower filter{counts}."


def _because_of_the_rule(search: Search, bound: Bound) -> str:
    if bound.exact and not may_be_proved(search.where, bound):
        return (
            "No index can help here, because the list rule applies as well: add the comparisons of the rule to the "
            "filter, or compare _id or _created."
        )
    if bound.exact:
        return (
            "No index can help here: a document has an array in a field that the list rule compares, or the query "
            "excludes too few documents. Use a narrower filter."
        )
    return (
        "No index can help here, because a part of the list rule is evaluated for each document: compare _id or "
        "_created in the filter, set the fields in the key of a look-up to one value, or write the rule with == and in."
    )


def _rest(search: Search, plan: Plan) -> str:
    """Return a text about the documents that must be examined even with the plan.

    The text is the end of a sentence that begins with "the query".
    """
    left = _left(search, plan)
    conditions = f"the conditions on {', '.join(left)}" if left else "the filter"
    if not search.wants_page:
        return f"examines all documents in the range of the index, or those that do not match {conditions}."
    if plan.tied:
        ties = ", ".join(str(field) for field in plan.tied)
        return f"examines all documents that have the same values of {ties} as the last document of the page."
    if plan.ordered:
        return f"examines documents that do not match {conditions}, until its page is full."
    order = _order_name(search.order)
    also = f" and all documents that do not match {conditions}" if left else ""
    return f"examines all matching documents{also}, to sort them by {order}."


def _left(search: Search, plan: Plan) -> list[str]:
    """Return the fields that occur in conditions outside the ranges of the plan."""
    said = [*plan.said, *(conjuncts(plan.index.where) if plan.index else ())]
    ranged = ranged_path(plan)
    tests = [test for test in conjuncts(search.where) if not implies(said, test)]
    tests = [test for test in tests if ranged is None or _ranged_path(test) != ranged]
    return list(dict.fromkeys(".".join(path) for test in tests for path in paths_of(test)))


def _narrowing_advice(search: Search, plan: Plan) -> Advice:
    """Return the index that would narrow a search by words to fewer documents."""
    fields = narrowing(search.where, search.bound)
    if not fields:
        return Advice("Add words to the search, or a field that must equal a value.")
    if plan.index is not None and len(plan.said) >= len(fields):
        return Advice(f"Add words to the search: it is within {_listed(fields)} already.")
    return Advice(
        f"Add an index on {_listed(fields)} to the collection, to search only within these fields.", _names(fields)
    )


def _add(fields: Sequence[SortField]) -> Advice:
    return Advice(f"Add an index on {_listed(fields)} to the collection.", _names(fields))


def _names(fields: Sequence[SortField]) -> tuple[str, ...]:
    return tuple(str(field) for field in fields)


def _listed(fields: Sequence[SortField]) -> str:
    return f"[{', '.join(_names(fields))}]"


def _order_name(order: Order) -> str:
    return ", ".join(str(field) for field in order.fields) or "_id"
