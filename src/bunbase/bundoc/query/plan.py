"""Which index serves a query: fixed rules on filter, order and indexes alone, so that every engine decides alike.

An index is the better the more of its first fields the filter pins to a value; then a range on its next field; then
the result's order. An index of some documents serves only filters that imply its own.
Ranges are generous at their ends: the whole filter is checked again on every document they give.

A caller bound by a rule must not learn from how long a search takes what stands in documents that the rule denies. So
the filter and the order choose a place in an index only if every document there is one that the rule allows. Anywhere
else the rule alone chooses, with what the filter says of `_id` and `_created` and what it says in the rule's own words
(docs/decisions/0032).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from bunbase.bundoc.query.filters import EVERYTHING, Compare, Filter, Matches, Or, Path, StartsWith
from bunbase.bundoc.query.implies import conjuncts, implies
from bunbase.bundoc.query.order import END, FALSE, KEPT, NUMBER, STRING, TRUE, inverted, key, short_key
from bunbase.bundoc.query.sort import Order, SortField

ALL_ABOVE: Final = b"\xff" * 40
PRIMARY: Final = "_id"

# How many documents came into being between two moments shows in any walk by `_id`, which is the order of pages.
TOLD: Final = frozenset({("_id",), ("_created",)})

Rank = tuple[int, int, int, int]  # fields pinned, a range, only some documents, the order for nothing


class Bound(msgspec.Struct, frozen=True):
    """The rule that binds a caller: all that it allows fulfils `implied`. `exact`: of documents without an array on its
    paths, the rule allows those that fulfil it, and no other. `words`: the tests of single fields that the rule makes.
    """

    implied: Filter
    exact: bool
    words: tuple[Filter, ...] = ()


class Index(msgspec.Struct, frozen=True):
    """`many`: some document has met an array here, so that one document may stand in several places. `where`: which
    documents it knows; `plain`: none of them has met an array on a path of `where`, so that it says of each what a rule
    of the same words would.
    """

    name: str
    order: Order
    unique: bool = False
    many: bool = False
    where: Filter = EVERYTHING
    plain: bool = True


class Range(msgspec.Struct, frozen=True):
    """Keys from `low` on that are less than `high`."""

    low: bytes = b""
    high: bytes = ALL_ABOVE


class Plan(msgspec.Struct, frozen=True):
    """`index`: None is the order of ids. `pinned`: what all keys begin with. `ordered`: the result's order comes free;
    `backwards`: by reading the keys from the last to the first. `said`: what the keys there say of a document, if the
    index has met no array. `by_id`: the documents must not be met in the order of the keys: where a search stops would
    tell of the order of those that the caller may not see.
    """

    index: Index | None
    ranges: tuple[Range, ...]
    pinned: bytes = b""
    ordered: bool = False
    backwards: bool = False
    said: tuple[Filter, ...] = ()
    by_id: bool = False


def choose(where: Filter, order: Order, indexes: Iterable[Index], bound: Bound | None = None) -> Plan:
    tests, known = conjuncts(where), told(where, bound)
    best = _primary(known, order)
    if best.ranges != (Range(),):
        return best
    best_rank = (0, 0, 0, int(best.ordered))
    for index in sorted(indexes, key=lambda index: index.name):
        found = _with(index, tests, order) if bound is None else _bound_with(index, tests, known, order, bound)
        if found is not None and found[1] > best_rank:
            best, best_rank = found
    return best


def told(where: Filter, bound: Bound | None) -> list[Filter]:
    """Return what may choose a place that holds documents which the caller may not see."""
    if bound is None:
        return conjuncts(where)
    said = {repr(word) for word in bound.words}
    again = (test for test in conjuncts(where) if _path_of(test) in TOLD or repr(test) in said)
    return [*conjuncts(bound.implied), *again]


def admits(plan: Plan, bound: Bound) -> bool:
    """True if the rule allows every document that stands in the plan's ranges.

    The keys there, and the index's own filter, say it in the words of filters, which hold for "one of the elements" as
    well. A rule's words do not: no document of the index may have met an array on the paths of what says it.
    """
    index = plan.index
    if index is None or index.many or not bound.exact:
        return False
    return implies([*plan.said, *(conjuncts(index.where) if index.plain else ())], bound.implied)


def pinning(index: Index, tests: Sequence[Filter]) -> list[Compare]:
    """Give the tests that pin the first fields of the index to a value, in their order."""
    pins: list[Compare] = []
    for field in index.order.fields:
        pin = next((t for t in tests if isinstance(t, Compare) and t.op == "=" and t.path == field.path), None)
        if pin is None:
            break
        pins.append(pin)
    return pins


def listing(tests: Sequence[Filter], path: Path) -> Or | None:
    """Give the test that lists the values that ranges of the field are made of."""
    return next((test for test in tests if isinstance(test, Or) and _path_of(test) == path), None)


def wanted(where: Filter, order: Order, bound: Bound | None = None) -> tuple[str, ...]:
    """Name the fields of the index that would serve this query; none if no index can."""
    if bound is None:
        return _fields_for(conjuncts(where), order)
    tests = [*conjuncts(bound.implied), *conjuncts(where)]
    pins: list[Filter] = [test for test in tests if isinstance(test, Compare) and test.op == "="]
    listed = [test for test in conjuncts(bound.implied) if isinstance(test, Or) and _path_of(test) is not None][:1]
    if bound.exact and implies([*pins, *listed], bound.implied):
        return _fields_for(tests, order, tuple(path for test in listed if (path := _path_of(test)) is not None))
    return _fields_for(told(where, bound), order if _is_told(order.fields) else Order())


def _fields_for(tests: list[Filter], order: Order, listed: tuple[Path, ...] = ()) -> tuple[str, ...]:
    """`listed`: what must stand before the order, for the rule to be said by the keys."""
    pinned = [test.path for test in tests if isinstance(test, Compare) and test.op == "="]
    pinned += listed
    ranged = [path for test in tests if (path := _path_of(test)) is not None and path not in pinned]
    fields = [SortField(path) for path in dict.fromkeys(pinned) if path != (PRIMARY,)]
    fields += [field for field in order.fields if field.path not in pinned]
    fields += [SortField(path) for path in dict.fromkeys(ranged) if path not in [field.path for field in fields]][:1]
    return tuple(str(field) for field in fields[:8])


def _path_of(test: Filter) -> Path | None:
    """Give the one path that a range or a list of values is about."""
    if isinstance(test, Compare | StartsWith):
        return test.path
    if isinstance(test, Matches):
        return test.path if test.beginning else None
    if isinstance(test, Or) and test.parts:
        paths = {part.path if isinstance(part, Compare) and part.op == "=" else None for part in test.parts}
        return paths.pop() if len(paths) == 1 else None
    return None


def _primary(tests: list[Filter], order: Order) -> Plan:
    ids: set[str] | None = None
    for test in tests:
        if _path_of(test) == (PRIMARY,):
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
    """Let filter and order choose among what the rule allows, else only what is told to anybody."""
    found = _with(index, [*conjuncts(bound.implied), *tests], order)
    if found is not None and admits(found[0], bound):
        return found
    found = _with(index, known, order)
    if found is None:
        return None
    plan, (pinned, ranged, partial, ordered) = found
    if not _is_told(index.order.fields[pinned:]):
        plan, ordered = msgspec.structs.replace(plan, ordered=False, backwards=False, by_id=True), 0
    return plan, (pinned, ranged, partial, ordered)


def _is_told(fields: Sequence[SortField]) -> bool:
    return all(field.path in TOLD for field in fields)


def _with(index: Index, tests: list[Filter], order: Order) -> tuple[Plan, Rank] | None:
    """Return the place in the index where the documents stand that pass the tests, None if some may not be in it."""
    if not implies(tests, index.where):
        return None
    pins = pinning(index, tests)
    pinned, prefix = len(pins), b""
    for field, pin in zip(index.order.fields, pins, strict=False):
        value = short_key(pin.value)
        prefix += inverted(value) if field.descending else value
    rest = index.order.fields[pinned:]
    listed = listing(tests, rest[0].path) if rest else None
    ranges = _ranges(rest[0], tests, listed, prefix, index.many) if rest else None
    forwards = Order(rest, index.order.id_descending) == order
    backwards = _reversed(Order(rest, index.order.id_descending)) == order
    ordered = (forwards or backwards) and not index.many and (ranges is None or len(ranges) == 1)
    everything = (Range(prefix, prefix + ALL_ABOVE),)
    said: tuple[Filter, ...] = (*pins, listed) if listed is not None else tuple(pins)
    ranges_there = ranges if ranges is not None else everything
    plan = Plan(index, ranges_there, prefix, ordered, ordered and not forwards, said)
    return plan, (pinned, int(ranges is not None), int(index.where != EVERYTHING), int(ordered))


def _reversed(order: Order) -> Order:
    return Order(tuple(SortField(one.path, not one.descending) for one in order.fields), not order.id_descending)


def _ranges(
    field: SortField, tests: list[Filter], listed: Or | None, prefix: bytes, many: bool
) -> tuple[Range, ...] | None:
    """Give the ranges of one field that the filter allows, None if it allows all."""
    if listed is not None:
        points = {short_key(part.value) for part in listed.parts if isinstance(part, Compare)}
        return tuple(sorted((_range(field, point, point, prefix) for point in points), key=lambda one: one.low))
    about = [test for test in tests if _path_of(test) == field.path]
    compared = [test for test in about if isinstance(test, Compare | StartsWith | Matches)]
    if not compared:
        return None
    # each bound of an array may be met by another element: then only one of them can be used
    bounds = [_bounds(test) for test in (compared[:1] if many else compared)]
    return (_range(field, max(low for low, _ in bounds), min(high for _, high in bounds), prefix),)


def _bounds(test: Compare | StartsWith | Matches) -> tuple[bytes, bytes]:
    if isinstance(test, StartsWith | Matches):
        beginning = key(test.prefix if isinstance(test, StartsWith) else test.beginning)
        begins = beginning[: -len(END)][:KEPT]
        return begins, begins
    bound = short_key(test.value)[:KEPT]
    if isinstance(test.value, bool):
        least, most = FALSE, TRUE
    else:
        least = most = STRING if isinstance(test.value, str) else NUMBER
    most += b"\xff" * (len(most) == 1 and most != TRUE)
    return (bound if test.op in (">", ">=", "=") else least, bound if test.op in ("<", "<=", "=") else most)


def _range(field: SortField, low: bytes, high: bytes, prefix: bytes) -> Range:
    """Cover all keys that begin with `low`, with `high`, or lie between."""
    if field.descending:
        low, high = inverted(high), inverted(low)
    return Range(prefix + low, prefix + high + ALL_ABOVE)
