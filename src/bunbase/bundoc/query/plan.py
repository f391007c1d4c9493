"""Which index serves a query: fixed rules on filter, order and indexes alone, so that every engine decides alike.

An index is the better the more of its first fields the filter pins to a value; then a range on its next field; then
the result's order. An index of some documents serves only filters that imply its own.
Ranges are generous at their ends: the whole filter is checked again on every document they give.
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

Rank = tuple[int, int, int, int]  # fields pinned, a range, only some documents, the order for nothing


class Index(msgspec.Struct, frozen=True):
    """`many`: some document has met an array here, so that one document may stand in several places. `where`: which
    documents it knows.
    """

    name: str
    order: Order
    unique: bool = False
    many: bool = False
    where: Filter = EVERYTHING


class Range(msgspec.Struct, frozen=True):
    """Keys from `low` on that are less than `high`."""

    low: bytes = b""
    high: bytes = ALL_ABOVE


class Plan(msgspec.Struct, frozen=True):
    """`index`: None is the order of ids. `pinned`: what all keys begin with. `ordered`: the result's order comes free;
    `backwards`: by reading the keys from the last to the first.
    """

    index: Index | None
    ranges: tuple[Range, ...]
    pinned: bytes = b""
    ordered: bool = False
    backwards: bool = False


def choose(where: Filter, order: Order, indexes: Iterable[Index]) -> Plan:
    tests = conjuncts(where)
    best = _primary(tests, order)
    if best.ranges != (Range(),):
        return best
    best_rank = (0, 0, 0, int(best.ordered))
    for index in sorted(indexes, key=lambda index: index.name):
        if not implies(tests, index.where):
            continue
        plan, rank = _with(index, tests, order)
        if rank > best_rank:
            best, best_rank = plan, rank
    return best


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


def wanted(where: Filter, order: Order) -> tuple[str, ...]:
    """Name the fields of the index that would serve this query; none if no index can."""
    tests = conjuncts(where)
    pinned = [test.path for test in tests if isinstance(test, Compare) and test.op == "="]
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


def _with(index: Index, tests: list[Filter], order: Order) -> tuple[Plan, Rank]:
    pins = pinning(index, tests)
    pinned, prefix = len(pins), b""
    for field, pin in zip(index.order.fields, pins, strict=False):
        value = short_key(pin.value)
        prefix += inverted(value) if field.descending else value
    rest = index.order.fields[pinned:]
    ranges = _ranges(rest[0], tests, prefix, index.many) if rest else None
    forwards = Order(rest, index.order.id_descending) == order
    backwards = _reversed(Order(rest, index.order.id_descending)) == order
    ordered = (forwards or backwards) and not index.many and (ranges is None or len(ranges) == 1)
    everything = (Range(prefix, prefix + ALL_ABOVE),)
    plan = Plan(index, ranges if ranges is not None else everything, prefix, ordered, ordered and not forwards)
    return plan, (pinned, int(ranges is not None), int(index.where != EVERYTHING), int(ordered))


def _reversed(order: Order) -> Order:
    return Order(tuple(SortField(one.path, not one.descending) for one in order.fields), not order.id_descending)


def _ranges(field: SortField, tests: list[Filter], prefix: bytes, many: bool) -> tuple[Range, ...] | None:
    """Give the ranges of one field that the filter allows, None if it allows all."""
    listed = listing(tests, field.path)
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
