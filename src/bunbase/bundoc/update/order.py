"""Equality and total order of JSON values: null, numbers, strings, objects, arrays, booleans, as in MongoDB.

The order is the one of `query/order.py`: objects are compared by their names and values, in the order in which they are
written. Equality ignores that order.
"""

from __future__ import annotations

from typing import Any, Final, cast

RANKS: Final[dict[type, int]] = {type(None): 0, int: 1, float: 1, str: 2, dict: 3, list: 4, bool: 5}

LARGE: Final = 1 << 53


def rank(value: Any) -> int:
    return RANKS[type(value)]


def same(left: Any, right: Any) -> bool:
    """True if the values are equal. 1 equals 1.0 but not true. The order of names in objects does not matter."""
    if rank(left) != rank(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return cast(bool, left == right)


def form(value: Any) -> Any:
    """Return a hashable form: two values are `same` if and only if their forms are equal."""
    match value:
        case bool():
            return ("boolean", value)
        case float() if value.is_integer():
            return form(int(value))
        case int() if abs(value) >= LARGE:
            return ("number", str(value))  # as a string, since a caller could choose large numbers with the same hash
        case dict():
            return ("object", frozenset([(name, form(inner)) for name, inner in value.items()]))
        case list():
            return ("array", tuple([form(inner) for inner in value]))
        case str():
            return ("string", value)
        case _:
            return value


def compare(left: Any, right: Any) -> int:
    """Return -1, 0 or 1 if `left` is smaller, equal or larger."""
    if rank(left) != rank(right):
        return -1 if rank(left) < rank(right) else 1
    if isinstance(left, dict):
        return compare(_pairs(left), _pairs(right))
    if isinstance(left, list):
        unequal = (order for order in map(compare, left, right) if order)
        return next(unequal, (len(left) > len(right)) - (len(left) < len(right)))
    return 0 if left is None else (left > right) - (left < right)


def _pairs(value: dict[str, Any]) -> list[Any]:
    return [part for name, inner in value.items() for part in (name, inner)]
