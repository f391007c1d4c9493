"""The evaluation of a filter in Python.

This module defines the meaning of filters; the SQL must have the same results.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import eq, ge, gt, le, lt
from typing import Any, Final, assert_never

from bunbase.bundoc.query.filters import (
    MAX_INTEGER,
    MIN_INTEGER,
    And,
    Compare,
    Element,
    Exists,
    Filter,
    HasType,
    IsNull,
    Matches,
    Not,
    Or,
    Path,
    Remainder,
    Same,
    Scalar,
    Size,
    StartsWith,
    number,
)
from bunbase.bundoc.query.order import key
from bunbase.pkg.patterns import pattern

MISSING: Final = object()
MIN_INT: Final = -(1 << 31)
MAX_INT: Final = (1 << 31) - 1
COMPARE: Final = {"=": eq, "<": lt, "<=": le, ">": gt, ">=": ge}


def matches(where: Filter, value: Any) -> bool:
    """True if the value matches the filter. `value`: a document with its system fields, or a value in a document."""
    match where:
        case And():
            return all(matches(part, value) for part in where.parts)
        case Or():
            return any(matches(part, value) for part in where.parts)
        case Not():
            return not matches(where.part, value)
        case Compare():
            return any(compares(where, found) for found in candidates(value, where.path))
        case Same():
            return any(key(found) == where.key for found in candidates(value, where.path))
        case StartsWith():
            found = candidates(value, where.path)
            return any(isinstance(one, str) and one.startswith(where.prefix) for one in found)
        case Matches():
            sought = pattern(where.pattern)
            found = candidates(value, where.path)
            return any(isinstance(one, str) and sought.found_in(one.encode()) for one in found)
        case IsNull():
            return _is_null(value, where.path)
        case Exists():
            return any(found is not MISSING for found in reached(value, where.path))
        case Size():
            found = reached(value, where.path)
            return any(isinstance(one, list) and len(one) == where.length for one in found)
        case HasType():
            return any(type_of(found) in where.types for found in candidates(value, where.path))
        case Remainder():
            return any(_remains(where, found) for found in candidates(value, where.path))
        case Element():
            arrays = (one for one in reached(value, where.path) if isinstance(one, list))
            elements = (one for array in arrays for one in array if isinstance(one, dict) or not where.objects)
            return any(matches(where.part, one) for one in elements)
        case _:
            assert_never(where)


def reached(value: Any, path: Path) -> Iterator[Any]:
    """Yield the values at the path, which may lead through arrays of objects; MISSING if an object lacks the field."""
    if not path:
        yield value
        return
    if not isinstance(value, dict):
        return
    below = value.get(path[0], MISSING)
    if len(path) == 1:
        yield below
        return
    for one in below if isinstance(below, list) else (below,):
        yield from reached(one, path[1:])


def candidates(value: Any, path: Path) -> Iterator[Any]:
    """Yield the values that a comparison tests: the values at the path, and the elements of arrays there."""
    for found in reached(value, path):
        if found is MISSING:
            continue
        yield found
        if path and isinstance(found, list):
            yield from found


def elements(value: Any, path: Path) -> Iterator[Any]:
    """Yield the values under which an index finds a document: each value at the path, or the elements of an array."""
    for found in reached(value, path):
        if isinstance(found, list):
            yield from found
        elif found is not MISSING:
            yield found


def single(value: Any, path: Path) -> Any:
    """Return the value for sorting and grouping, whose path leads through objects only. None if there is no value."""
    for part in path:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def compares(test: Compare, found: Any) -> bool:
    """True if one value passes the comparison.

    Elements of an array do not count here, because `candidates` yields them separately.
    """
    return same_type(found, test.value) and bool(COMPARE[test.op](comparable(found), test.value))


def same_type(found: Any, value: Scalar) -> bool:
    if isinstance(value, bool) or isinstance(found, bool):
        return isinstance(value, bool) and isinstance(found, bool)
    if isinstance(value, str):
        return isinstance(found, str)
    return isinstance(found, int | float)


def comparable(found: Any) -> Any:
    return number(found) if isinstance(found, int | float) and not isinstance(found, bool) else found


def type_of(value: Any) -> str:
    """Return the name of the type, as `$type` has it. A number is `int` (32 bits), `long` (64 bits) or `double`."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int() if MIN_INT <= value <= MAX_INT:
            return "int"
        case int() if MIN_INTEGER <= value <= MAX_INTEGER:
            return "long"
        case int() | float():
            return "double"
        case str():
            return "string"
        case dict():
            return "object"
        case _:
            return "array"


def _remains(test: Remainder, found: Any) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float) or not MIN_INTEGER <= found <= MAX_INTEGER:
        return False
    whole = int(found)
    rest = abs(whole) % abs(test.divisor)
    return (-rest if whole < 0 else rest) == test.remainder


def _is_null(value: Any, path: Path) -> bool:
    if not path:
        return value is None
    if not isinstance(value, dict):
        return False
    below = value.get(path[0])
    if len(path) == 1:
        return below is None or (isinstance(below, list) and any(one is None for one in below))
    if isinstance(below, dict | list):
        return any(_is_null(one, path[1:]) for one in (below if isinstance(below, list) else (below,)))
    return True


def paths_of(where: Filter, above: Path = ()) -> Iterator[Path]:
    """Yield every path that a filter reads."""
    match where:
        case And() | Or():
            for part in where.parts:
                yield from paths_of(part, above)
        case Not():
            yield from paths_of(where.part, above)
        case Element():
            yield above + where.path
            yield from paths_of(where.part, above + where.path)
        case Compare() | Same() | IsNull() | StartsWith() | Matches() | Exists() | Size() | HasType() | Remainder():
            yield above + where.path
        case _:
            assert_never(where)
