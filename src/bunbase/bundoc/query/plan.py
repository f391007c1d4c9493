"""Choose the index for a query. The choice depends only on filter, order and indexes, so all engines make the same.

How an index is chosen:

1. If the filter sets `_id` equal to one or more values, these documents are read directly, without an index.
2. Otherwise, the best index has the most "pins": first fields that the filter sets equal to a value. Between indexes
   with equally many pins, an index wins that has a range on its next field; then a partial index, whose own filter the
   query must imply; then an index that has the order of the result.
3. The ranges of keys are slightly wider than the filter. So the whole filter is checked on every document in them.

The duration of a search must not reveal the content of denied documents to a caller bound by rules. The danger: with an
index on `salary`, a query for `salary = 5000` is slow only if a denied document has this salary, even though the answer
is empty. So the filter and the order of such a caller may choose ranges in an index only if the rule allows every
document in these ranges (`admits`). Otherwise, only these tests may choose: the tests of the rule, tests of `_id` and
`_created`, and tests in the filter that the rule makes too (`told`). The price is that some queries need another index
(docs/decisions/0032-the-rule-is-asked-first.md).
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

# Tests of these fields reveal nothing new: pages are in the order of `_id`, which already tells when documents were
# created.
TOLD: Final = frozenset({("_id",), ("_created",)})

MOST_PINS: Final = 8  # the fields of an index

Rank = tuple[int, int, int, int]  # number of pins; 1 for a range; 1 for a partial index; 1 for the result's order


class Bound(msgspec.Struct, frozen=True):
    """The list rule that binds a caller.

    `implied`: a filter that all allowed documents match. `exact`: among documents that have no array on its paths, the
    rule allows exactly those that match `implied`. `words`: the tests of single fields in the rule.
    """

    implied: Filter
    exact: bool
    words: tuple[Filter, ...] = ()


class Index(msgspec.Struct, frozen=True):
    """The properties of an index that matter for its choice.

    `many`: some document in the index has an array on a path of the fields, and so several entries.
    `where`: the filter of a partial index. `plain`: no document in the index has an array on a path of `where`, so
    `where` means the same as a rule with the same tests.
    """

    name: str
    order: Order
    unique: bool = False
    many: bool = False
    where: Filter = EVERYTHING
    plain: bool = True


class Range(msgspec.Struct, frozen=True):
    """The keys from `low` (included) to `high` (excluded)."""

    low: bytes = b""
    high: bytes = ALL_ABOVE


class Plan(msgspec.Struct, frozen=True):
    """The index and the ranges that serve a search.

    `index`: None for the table itself, which is sorted by id. `pinned`: the beginning of all keys in the ranges.
    `ordered`: the keys have the order of the result. `backwards`: they have this order if read from last to first.
    `said`: tests that every document in the ranges passes, unless the index has arrays (`many`).
    `by_id`: documents must be read in the order of their ids, not of the keys. Otherwise, the point at which a search
    stops would reveal the order of documents that the caller may not see.
    """

    index: Index | None
    ranges: tuple[Range, ...]
    pinned: bytes = b""
    ordered: bool = False
    backwards: bool = False
    said: tuple[Filter, ...] = ()
    by_id: bool = False


def choose(where: Filter, order: Order, indexes: Iterable[Index], bound: Bound | None = None) -> Plan:
    """Return the best plan for a search."""
    return _ranked(where, order, indexes, bound)[0]


def choose_covering(where: Filter, covering: Sequence[Index], indexes: Iterable[Index], bound: Bound | None) -> Plan:
    """Return the best plan for a search that only needs the keys of a covering index, in any order.

    A covering index wins over another index that narrows the search equally well, and over the table itself. For a
    caller bound by a rule, it must also prove that the rule allows every document in the ranges.
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
    best = _primary(known, order)
    if best.ranges != (Range(),):
        return best, (len(best.ranges) + MOST_PINS, 0, 0, 0)
    best_rank = (0, 0, 0, int(best.ordered))
    for index in sorted(indexes, key=lambda index: index.name):
        found = _with(index, tests, order) if bound is None else _bound_with(index, tests, known, order, bound)
        if found is not None and found[1] > best_rank:
            best, best_rank = found
    return best, best_rank


def told(where: Filter, bound: Bound | None) -> list[Filter]:
    """Return the tests that may choose ranges in which some documents are hidden from the caller."""
    if bound is None:
        return conjuncts(where)
    said = {repr(word) for word in bound.words}
    again = (test for test in conjuncts(where) if _path_of(test) in TOLD or repr(test) in said)
    return [*conjuncts(bound.implied), *again]


def admits(plan: Plan, bound: Bound) -> bool:
    """True if the rule allows every document in the ranges of the plan.

    The keys and the filter of the index must prove this. Arrays are a problem: the filter `tags = "a"` matches an array
    that contains "a", but the same test in a rule does not. So no document of the index may have an array on the paths
    of these tests.
    """
    index = plan.index
    if index is None or index.many or not bound.exact:
        return False
    return implies([*plan.said, *(conjuncts(index.where) if index.plain else ())], bound.implied)


def narrows(plan: Plan, where: Filter) -> bool:
    """True if the ranges leave out nearly all documents that do not match: no test is left but one of the range."""
    index = plan.index
    if index is None:
        return plan.ranges != (Range(),) or where == EVERYTHING
    said = [*plan.said, *conjuncts(index.where)]
    left = [test for test in conjuncts(where) if not implies(said, test)]
    pinned = len(pinning(index, plan.said))
    ranged = index.order.fields[pinned].path if pinned < len(index.order.fields) else None
    return all(isinstance(test, Compare | StartsWith) and test.path == ranged for test in left)


def pinning(index: Index, tests: Sequence[Filter]) -> list[Compare]:
    """Return the tests that set the first fields of the index equal to a value, in the order of the fields."""
    pins: list[Compare] = []
    for field in index.order.fields:
        pin = next((t for t in tests if isinstance(t, Compare) and t.op == "=" and t.path == field.path), None)
        if pin is None:
            break
        pins.append(pin)
    return pins


def listing(tests: Sequence[Filter], path: Path) -> Or | None:
    """Return the test that lists values for the path, each of which becomes a range. None if there is no such test."""
    return next((test for test in tests if isinstance(test, Or) and _path_of(test) == path), None)


def wanted(where: Filter, order: Order, bound: Bound | None = None) -> tuple[str, ...]:
    """Return the fields of an index that would help this query; () if no index can."""
    if bound is None:
        return _fields_for(conjuncts(where), order)
    tests = [*conjuncts(bound.implied), *conjuncts(where)]
    if may_be_proved(where, bound):
        listed = _listed(bound)
        return _fields_for(tests, order, tuple(path for test in listed if (path := _path_of(test)) is not None))
    return _fields_for(told(where, bound), order if _is_told(order.fields) else Order())


def may_be_proved(where: Filter, bound: Bound) -> bool:
    """True if the keys of some index would prove the rule for all documents in the ranges (`admits`)."""
    tests = [*conjuncts(bound.implied), *conjuncts(where)]
    pins: list[Filter] = [test for test in tests if isinstance(test, Compare) and test.op == "="]
    return bound.exact and implies([*pins, *_listed(bound)], bound.implied)


def _listed(bound: Bound) -> list[Or]:
    """Return the first test of the rule that lists values for one path, or nothing."""
    return [test for test in conjuncts(bound.implied) if isinstance(test, Or) and _path_of(test) is not None][:1]


def narrowing(where: Filter, bound: Bound | None = None) -> tuple[str, ...]:
    """Return the fields of an index that would narrow a search by words; () if the search sets no field to a value."""
    tests = told(where, bound)
    if bound is not None and bound.exact:
        tests = [*tests, *conjuncts(where)]
    pinned = [test.path for test in tests if isinstance(test, Compare) and test.op == "="]
    listed = [path for test in tests if isinstance(test, Or) and (path := _path_of(test)) is not None]
    paths = dict.fromkeys([*pinned, *(path for path in listed[:1] if path not in pinned)])
    return tuple(str(SortField(path)) for path in paths if path not in TOLD)[:8]


def _fields_for(tests: list[Filter], order: Order, listed: tuple[Path, ...] = ()) -> tuple[str, ...]:
    """Return the fields of the wanted index.

    `listed`: fields that must come before the fields of the order, so that the keys prove the rule.
    """
    pinned = [test.path for test in tests if isinstance(test, Compare) and test.op == "="]
    pinned += listed
    ranged = [path for test in tests if (path := _path_of(test)) is not None and path not in pinned]
    fields = [SortField(path) for path in dict.fromkeys(pinned) if path != (PRIMARY,)]
    fields += [field for field in order.fields if field.path not in pinned]
    fields += [SortField(path) for path in dict.fromkeys(ranged) if path not in [field.path for field in fields]][:1]
    return tuple(str(field) for field in fields[:8])


def _path_of(test: Filter) -> Path | None:
    """Return the path of a test that limits ranges: a comparison, or a list of values for one path. Otherwise None."""
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
    """Return the plan with this index for a caller bound by a rule.

    All tests and the order choose the ranges if the rule allows every document in them; otherwise only `known` does.
    """
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
    """Return the plan with the ranges of the index for these tests. None if the index may lack matching documents."""
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
    """Return the ranges of one field that contain all matches; None if the tests do not limit the field."""
    if listed is not None:
        points = {short_key(part.value) for part in listed.parts if isinstance(part, Compare)}
        return tuple(sorted((_range(field, point, point, prefix) for point in points), key=lambda one: one.low))
    about = [test for test in tests if _path_of(test) == field.path]
    compared = [test for test in about if isinstance(test, Compare | StartsWith | Matches)]
    if not compared:
        return None
    # one element of an array may pass the lower bound and another the upper bound, so only one bound can be used
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
    """Return the range of all keys from those that begin with `low` to those that begin with `high`."""
    if field.descending:
        low, high = inverted(high), inverted(low)
    return Range(prefix + low, prefix + high + ALL_ABOVE)
