"""Choose the index for a query. The choice depends only on the filter, the order and the indexes, so all engines make
the same choice.

How an index is chosen:

1. If the filter sets `_id` equal to one or more values, these documents are read directly, without an index.
2. Otherwise, the best index has the most "pins": first fields that the filter sets equal to a value. If two indexes
   have equally many pins, the first difference in this list decides: a range on the next field; a partial index (the
   query must imply the filter of the index); the order of the result; the order of the result with further fields after
   it. In the last case, documents that tie in the order of the result are sorted by `_id`.
3. A field may also be one of several listed values (`$in`, or `doc.f in list` of a rule). For a list, there is one
   range for each value, and an engine merges the ranges if each of them has the order of the result. `[household,
   -date]` serves a list of some households, newest first, and reads little more than the page.
4. The ranges of keys are slightly wider than the filter. So the whole filter is checked on every document in the
   ranges.

The duration of a search must not reveal the content of denied documents to a caller bound by rules. The danger: with an
index on `salary`, a query for `salary = 5000` is slow only if a denied document has this salary, even though the answer
is empty. So the filter and the order of such a caller may choose ranges in an index only if the rule allows every
document in these ranges (`admits`). Otherwise, only some tests may choose ranges (`told`): the tests of the rule, tests
of `_id` and `_created`, and tests that the filter and the rule have in common. The price is that some queries need
another index (docs/decisions/0032-the-rule-is-asked-first.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from bunbase.bundoc.query.filters import EVERYTHING, Compare, Filter, Or, Path, StartsWith
from bunbase.bundoc.query.implies import conjuncts, implies
from bunbase.bundoc.query.ranges import (
    Range,
    bounded,
    path_of,
    pin_point,
    prefixes,
    range_of,
)
from bunbase.bundoc.query.sort import Order, SortField
from bunbase.pkg import effort

PRIMARY: Final = "_id"

# Tests of these fields reveal nothing new: pages are in the order of `_id`, which already reveals when documents were
# created.
TOLD: Final = frozenset({("_id",), ("_created",)})

MOST_PINS: Final = 8  # An index has at most this many fields.
# The work for one test and one index, in the unit of `effort`. This work takes 0.5 to 1 µs.
BYTES_FOR_A_TEST: Final = 20

# The number of pins; the number of lists and ranges; 1 for a partial index; and 2 for the order of the result, or 1 if
# only documents that tie have another order.
Rank = tuple[int, int, int, int]


class Bound(msgspec.Struct, frozen=True):
    """The list rule that binds a caller.

    `implied`: a filter that all allowed documents match. `exact`: true if the rule allows exactly the documents that
    match `implied`, among documents without an array on its paths. `words`: the tests of single fields in the rule.
    """

    implied: Filter
    exact: bool
    words: tuple[Filter, ...] = ()


class Index(msgspec.Struct, frozen=True):
    """The properties of an index that matter when a plan is chosen.

    `many`: true if a document in the index has an array on a path of the fields, and therefore several entries.
    `where`: the filter of a partial index. `plain`: true if no document in the index has an array on a path of `where`.
    If `plain` is true, `where` means the same as a rule with the same tests.
    """

    name: str
    order: Order
    unique: bool = False
    many: bool = False
    where: Filter = EVERYTHING
    plain: bool = True


class Plan(msgspec.Struct, frozen=True):
    """The index and the ranges that serve a search.

    `index`: None for the table itself, which is sorted by id. `pinned`: the common prefix of all keys in the ranges.
    `ordered`: true if the keys have the order of the result. `backwards`: true if the keys have this order when they
    are read from last to first; then the last range comes first. `merged`: true if the keys have this order only within
    one range, without their `base`, so that the ranges must be merged. `said`: tests that every document in the ranges
    passes, if the index has no arrays (`many`).
    `lead`: the common prefix of all positions in the result, from the first fields of the order that the filter sets
    equal. `tied`: the other fields of the order, if documents with equal values in them are not sorted by their ids.
    `by_id`: true if documents must be read in the order of their ids, and not of the keys. With the order of the keys,
    the point at which a search stops would reveal the order of documents that the caller may not see.
    """

    index: Index | None
    ranges: tuple[Range, ...]
    pinned: bytes = b""
    ordered: bool = False
    backwards: bool = False
    merged: bool = False
    said: tuple[Filter, ...] = ()
    by_id: bool = False
    lead: bytes = b""
    tied: tuple[SortField, ...] = ()

    def base(self, range: Range) -> bytes:
        """Return the prefix of the range's keys.

        In each key, the position of a document in the result follows this prefix.
        """
        return range.base if self.merged else self.pinned


def choose(where: Filter, order: Order, indexes: Iterable[Index], bound: Bound | None = None) -> Plan:
    """Return the best plan for a search."""
    return _ranked(where, order, indexes, bound)[0]


def choose_covering(where: Filter, covering: Sequence[Index], indexes: Iterable[Index], bound: Bound | None) -> Plan:
    """Return the best plan for a search that only needs the keys of a covering index, in any order.

    A covering index wins over another index that narrows the search equally well, and over the table itself. If a
    rule binds the caller, a covering index is used only if its keys and its filter prove that the rule allows every
    document in the ranges.
    """
    best, (*narrowing, _, _) = _ranked(where, Order(), indexes, bound)
    tests = conjuncts(where) if bound is None else [*conjuncts(bound.implied), *conjuncts(where)]
    for index in sorted(covering, key=lambda index: index.name):
        found = _with(index, tests, Order())
        if found is None or (bound is not None and not admits(found[0], bound)):
            continue
        plan, (*narrowed, _, _) = found
        if narrowed > narrowing or (narrowed == narrowing and best.index not in covering):
            best, narrowing = plan, narrowed
    return best


def _ranked(where: Filter, order: Order, indexes: Iterable[Index], bound: Bound | None) -> tuple[Plan, Rank]:
    tests, known = conjuncts(where), told(where, bound)
    all_tests = tests if bound is None else [*conjuncts(bound.implied), *tests]
    indexes = sorted(indexes, key=lambda index: index.name)
    effort.note((len(tests) + len(known)) * (1 + len(indexes)) * BYTES_FOR_A_TEST)
    best = _primary(known, order)
    if best.ranges != (Range(),):
        return best, (len(best.ranges) + MOST_PINS, 0, 0, 0)
    best_rank = (0, 0, 0, 2 * int(best.ordered))
    for index in indexes:
        found = _with(index, tests, order) if bound is None else _bound_with(index, all_tests, known, order, bound)
        if found is not None and found[1] > best_rank:
            best, best_rank = found
    return best, best_rank


def told(where: Filter, bound: Bound | None) -> list[Filter]:
    """Return the tests that may choose ranges in which some documents are hidden from the caller."""
    if bound is None:
        return conjuncts(where)
    if where == EVERYTHING:
        return conjuncts(bound.implied)
    said = {repr(word) for word in bound.words}
    again = (test for test in conjuncts(where) if path_of(test) in TOLD or repr(test) in said)
    return [*conjuncts(bound.implied), *again]


def admits(plan: Plan, bound: Bound) -> bool:
    """True if the rule allows every document in the ranges of the plan.

    The keys and the filter of the index must prove that the rule allows the documents. Arrays are a problem: the filter
    `tags = "a"` matches an array that contains "a", but the same test in a rule does not. So no document of the index
    may have an array on the paths of these tests.
    """
    index = plan.index
    if index is None or index.many or not bound.exact:
        return False
    return implies([*plan.said, *(conjuncts(index.where) if index.plain else ())], bound.implied)


def narrows(plan: Plan, where: Filter) -> bool:
    """True if nearly all documents in the ranges match.

    This is true if all remaining tests are tests of the range.
    """
    index = plan.index
    if index is None:
        return plan.ranges != (Range(),) or where == EVERYTHING
    said = [*plan.said, *conjuncts(index.where)]
    left = [test for test in conjuncts(where) if not implies(said, test)]
    ranged = ranged_path(plan)
    return all(isinstance(test, Compare | StartsWith) and test.path == ranged for test in left)


def ranged_path(plan: Plan) -> Path | None:
    """Return the path of the field that may have a range: the first field without one value or a list of values."""
    rest = _rest(plan.index, plan.said) if plan.index else ()
    return rest[0].path if rest else None


def pinning(index: Index, tests: Sequence[Filter]) -> list[Compare]:
    """Return the tests that set the first fields of the index equal to a value, in the order of the fields."""
    pins: list[Compare] = []
    for field in index.order.fields:
        pin = next((t for t in tests if isinstance(t, Compare) and t.op == "=" and t.path == field.path), None)
        if pin is None:
            break
        pins.append(pin)
    return pins


def _rest(index: Index, said: Sequence[Filter]) -> tuple[SortField, ...]:
    """Return the fields of the index that follow the fields for which `said` has one value or several values."""
    paths = {path_of(test) for test in said}
    placed = next((at for at, field in enumerate(index.order.fields) if field.path not in paths), MOST_PINS)
    return index.order.fields[placed:]


def _primary(tests: list[Filter], order: Order) -> Plan:
    ids: set[str] | None = None
    for test in tests:
        if path_of(test) == (PRIMARY,):
            parts = test.parts if isinstance(test, Or) else (test,)
            if all(isinstance(part, Compare) and part.op == "=" for part in parts):
                named = {part.value for part in parts if isinstance(part, Compare) and isinstance(part.value, str)}
                ids = named if ids is None else ids & named
    ordered = not order.fields
    if ids is None:
        return Plan(None, (Range(),), ordered=ordered, backwards=ordered and order.id_descending)
    ranges = tuple(Range(id.encode() + b"\x00", id.encode() + b"\x01") for id in sorted(ids))
    return Plan(None, ranges, ordered=False)


def _bound_with(
    index: Index, tests: list[Filter], known: list[Filter], order: Order, bound: Bound
) -> tuple[Plan, Rank] | None:
    """Return the plan with this index for a caller bound by a rule.

    `tests`: the tests of the rule and of the filter. These tests and the order choose the ranges if the rule allows
    every document in the ranges. Otherwise, only the tests `known` choose them.
    """
    found = _with(index, tests, order)
    if found is not None and admits(found[0], bound):
        return found
    found = _with(index, known, order)
    if found is None:
        return None
    plan, (pinned, ranged, partial, ordered) = found
    if not is_told(_rest(index, plan.said)):
        unordered = {"ordered": False, "backwards": False, "merged": False, "tied": (), "lead": b""}
        plan, ordered = msgspec.structs.replace(plan, **unordered, by_id=True), 0
    return plan, (pinned, ranged, partial, ordered)


def is_told(fields: Sequence[SortField]) -> bool:
    """True if the order by these fields reveals nothing new about hidden documents (`TOLD`)."""
    return all(field.path in TOLD for field in fields)


def _with(index: Index, tests: list[Filter], order: Order) -> tuple[Plan, Rank] | None:
    """Return the plan with the ranges of the index for these tests. None if the index may lack matching documents."""
    if not implies(tests, index.where):
        return None
    fields, id_descending = index.order.fields, index.order.id_descending
    found = prefixes(index.order.fields, tests, index.many)
    used = found.pins + found.lists
    ranged = bounded(fields[used], tests, index.many) if used < len(fields) else None
    ranges = tuple([range_of(base, ranged) for base in found.bases])
    lead, rest = _without_pins(order, found.first)
    at, tied = (None, False)
    if not index.many:
        whole = Order(fields[len(found.first) :], id_descending)
        at, tied = (0, False) if rest == whole else _order_among(whole, Order(fields[used:], id_descending), rest)
    backwards = at in (1, 3)
    plan = Plan(
        index,
        ranges[::-1] if backwards else ranges,
        found.pinned,
        ordered=at is not None,
        backwards=backwards,
        merged=at in (2, 3),
        said=found.said,
        lead=b"" if at is None else lead,
        tied=rest.fields if tied else (),
    )
    rank = (
        found.pins,
        found.lists + int(ranged is not None),
        int(index.where != EVERYTHING),
        0 if at is None else 2 - int(tied),
    )
    return plan, rank


def _without_pins(order: Order, pins: Sequence[Compare]) -> tuple[bytes, Order]:
    """Return the order without its first fields that have one value, and the beginning that all positions share."""
    if not order.fields:
        return b"", order
    values = {pin.path: pin for pin in pins}
    lead = b""
    for at, field in enumerate(order.fields):
        if field.path not in values:
            return lead, Order(order.fields[at:], order.id_descending)
        lead += pin_point(field, values[field.path])
    return lead, Order((), order.id_descending)


def _order_among(whole: Order, each: Order, order: Order) -> tuple[int | None, bool]:
    """Return which order of keys is the order of the result, and whether ties have another order in it.

    0 stands for `whole` and 2 for `each`; 1 and 3 stand for the reverse orders.
    """
    orders = [whole, _reversed(whole), each, _reversed(each)]
    if order in orders:
        return orders.index(order), False
    number = len(order.fields)
    begins = (at for at, one in enumerate(orders) if number and one.fields[:number] == order.fields)
    at = next(begins, None)
    return at, at is not None


def _reversed(order: Order) -> Order:
    return Order(tuple(SortField(one.path, not one.descending) for one in order.fields), not order.id_descending)
