"""Turn the tests of a filter into ranges of an index's keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from bunbase.bundoc.query.filters import Compare, Filter, Matches, Or, Path, StartsWith
from bunbase.bundoc.query.order import END, FALSE, KEPT, NUMBER, STRING, TRUE, inverted, key, short_key
from bunbase.bundoc.query.sort import SortField

ALL_ABOVE: Final = b"\xff" * 40
# A plan has at most this many ranges: one for each combination of listed values.
MOST_RANGES: Final = 200


class Range(msgspec.Struct, frozen=True):
    """The keys from `low` (included) to `high` (excluded).

    `base`: the common prefix of all keys in the range. The prefix holds the values for which the filter has tests of
    equality or lists.
    """

    low: bytes = b""
    high: bytes = ALL_ABOVE
    base: bytes = b""


class KeyPrefixes(msgspec.Struct, frozen=True):
    """The prefixes of keys that tests of equality and lists of values choose.

    `pins`: the number of fields that must equal one value. `lists`: the number of fields that must equal one of several
    values. `said`: the tests that led to the prefixes. `first`: the tests of the first fields that must equal one
    value. `pinned`: the prefix that follows from the tests of `first`.
    """

    bases: tuple[bytes, ...]
    pins: int
    lists: int
    said: tuple[Filter, ...]
    first: tuple[Compare, ...]
    pinned: bytes


def prefixes(fields: Sequence[SortField], tests: list[Filter], many: bool) -> KeyPrefixes:
    """Return the prefixes of keys that follow from the tests of the index's first fields. The bases are sorted."""
    bases, pins, lists = [b""], 0, 0
    said: list[Filter] = []
    first: list[Compare] = []
    pinned = b""
    equal = {test.path: test for test in reversed(tests) if isinstance(test, Compare) and test.op == "="}
    for field in fields:
        pin = equal.get(field.path)
        if pin is not None:
            key_of_pin = pin_point(field, pin)
            bases = [base + key_of_pin for base in bases]
            said.append(pin)
            pins += 1
            if not lists:
                first.append(pin)
                pinned += key_of_pin
            continue
        listed = [test for test in tests if isinstance(test, Or) and path_of(test) == field.path]
        found = _agreeing(field, listed, many)
        keys = points(field, found)
        if not found or len(bases) * len(keys) > MOST_RANGES:
            break
        bases = [base + point for base in bases for point in keys]
        said += found
        lists += 1
    return KeyPrefixes(tuple(bases), pins, lists, tuple(said), tuple(first), pinned)


def _agreeing(field: SortField, listed: list[Or], many: bool) -> list[Filter]:
    """Return the lists that limit the field together.

    These are all lists that share a value, or only the first list if the field may be an array.
    """
    if many or not points(field, listed):
        return [*listed[:1]]
    return [*listed]


def pin_point(field: SortField, pin: Compare) -> bytes:
    """Return the key of the one value that the test allows."""
    point = short_key(pin.value)
    return inverted(point) if field.descending else point


def points(field: SortField, tests: Sequence[Filter]) -> list[bytes]:
    """Return the sorted keys of the values of a field that pass all tests. Each test names one value or lists
    values.
    """
    found: set[bytes] | None = None
    for test in tests:
        parts = test.parts if isinstance(test, Or) else (test,)
        named = {short_key(part.value) for part in parts if isinstance(part, Compare)}
        found = named if found is None else found & named
    return sorted(inverted(point) if field.descending else point for point in found or ())


def bounded(field: SortField, tests: list[Filter], many: bool) -> tuple[bytes, bytes] | None:
    """Return the prefixes of the first and the last key of a field; None if the tests do not limit the field."""
    about = [test for test in tests if path_of(test) == field.path]
    compared = [test for test in about if isinstance(test, Compare | StartsWith | Matches)]
    if not compared:
        return None
    # One element of an array may pass the lower bound and another the upper bound, so only one bound can be used.
    bounds = [_bounds(test) for test in (compared[:1] if many else compared)]
    low, high = max(low for low, _ in bounds), min(high for _, high in bounds)
    return (inverted(high), inverted(low)) if field.descending else (low, high)


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


def range_of(base: bytes, bounds: tuple[bytes, bytes] | None) -> Range:
    """Return the range from the first key that begins with the first bound to the last key that begins with the last
    bound.
    """
    low, high = bounds or (b"", b"")
    return Range(base + low, base + high + ALL_ABOVE, base)


def path_of(test: Filter) -> Path | None:
    """Return the path of a test that limits ranges: a comparison, or a list of values for one path. Otherwise None."""
    if isinstance(test, Compare):
        return test.path
    if isinstance(test, StartsWith):
        return test.path
    if isinstance(test, Matches):
        return test.path if test.beginning else None
    if isinstance(test, Or) and test.parts:
        paths = {part.path if isinstance(part, Compare) and part.op == "=" else None for part in test.parts}
        return paths.pop() if len(paths) == 1 else None
    return None
