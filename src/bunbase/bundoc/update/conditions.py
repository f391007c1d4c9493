"""Decide which elements `$pull` removes: the elements that equal a value or meet a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from bunbase.bundoc.documents import read_all
from bunbase.bundoc.update.order import compare, form, rank, same
from bunbase.contracts.bundoc.problems import InvalidUpdate

ElementTest = Callable[[Any], bool]

OPERATORS: Final = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin")

MISSING: Final = object()


def condition(sent: msgspec.Raw, at: tuple[str, ...]) -> ElementTest:
    """Return the test for elements.

    A comparison of values of different types is false. An object without operators lists the fields that an element
    must have.
    Raises: InvalidUpdate.
    """
    value = read_all(sent)
    if not isinstance(value, dict):
        return lambda element: same(element, value)
    if any(name.startswith("$") for name in value):
        return _all_of(value, at)
    fields = {name: _field(name, wanted, (*at, name)) for name, wanted in value.items()}
    return lambda element: (
        isinstance(element, dict) and all(meets(element.get(name, MISSING)) for name, meets in fields.items())
    )


def _field(name: str, wanted: Any, at: tuple[str, ...]) -> ElementTest:
    if "." in name:
        raise _invalid(at, "Dotted paths are not supported in the condition of $pull.")
    if isinstance(wanted, dict) and any(inner.startswith("$") for inner in wanted):
        return _all_of(wanted, at)
    return lambda found: _equals(found, wanted)


def _all_of(operators: dict[str, Any], at: tuple[str, ...]) -> ElementTest:
    meets = [_operator(name, operand, (*at, name)) for name, operand in operators.items()]
    return lambda found: all(one(found) for one in meets)


def _operator(name: str, operand: Any, at: tuple[str, ...]) -> ElementTest:
    if name in ("$in", "$nin") and not isinstance(operand, list):
        raise _invalid(at, f"{name} takes an array.")
    match name:
        case "$eq":
            return lambda found: _equals(found, operand)
        case "$ne":
            return lambda found: not _equals(found, operand)
        case "$in":
            return _among(operand)
        case "$nin":
            among = _among(operand)
            return lambda found: not among(found)
        case "$gt":
            return lambda found: _ordered(found, operand, (1,))
        case "$gte":
            return lambda found: _ordered(found, operand, (0, 1))
        case "$lt":
            return lambda found: _ordered(found, operand, (-1,))
        case "$lte":
            return lambda found: _ordered(found, operand, (-1, 0))
    raise _invalid(at, f"The operator {name} is not known in $pull; the operators are {', '.join(OPERATORS)}.")


def _among(listed: list[Any]) -> ElementTest:
    """Return a test that is true if `_equals` is true for one of the values. It is fast for any number of values."""
    forms = {form(one) for one in listed}

    def among(found: Any) -> bool:
        if found is MISSING:
            return form(None) in forms
        return form(found) in forms or (isinstance(found, list) and any(form(one) in forms for one in found))

    return among


def _equals(found: Any, wanted: Any) -> bool:
    """True if the values are equal. A missing field equals null. An array also equals `wanted` if an element does."""
    if found is MISSING:
        return wanted is None
    return same(found, wanted) or (isinstance(found, list) and any(same(element, wanted) for element in found))


def _ordered(found: Any, operand: Any, orders: tuple[int, ...]) -> bool:
    """True if `found`, or an element of it, has one of these orders to `operand`. Inner arrays are not searched."""
    if found is MISSING:
        return False
    values = found if isinstance(found, list) and not isinstance(operand, list) else [found]
    return any(rank(value) == rank(operand) and compare(value, operand) in orders for value in values)


def _invalid(at: tuple[str, ...], message: str) -> InvalidUpdate:
    pointer = "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in at)
    return InvalidUpdate.at(pointer, message)
