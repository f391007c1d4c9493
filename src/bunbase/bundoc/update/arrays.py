"""The operators of arrays. Elements are compared and sorted by the keys of `query.order`, as in queries."""

from __future__ import annotations

from typing import Any

import msgspec

from bunbase.bundoc.documents import read_all, write
from bunbase.bundoc.query.order import inverted, key
from bunbase.bundoc.query.predicate import single
from bunbase.bundoc.update.change import Additions, Change, ElementTest, Path, Unwanted
from bunbase.bundoc.update.conditions import passes
from bunbase.bundoc.update.costs import Tests

Elements = list[Any]  # A list of msgspec.Raw.


def pushed(array: Elements, add: Additions, tests: Tests) -> Elements:
    """Return the array after `$push`: first the values are added, then the array is sorted, then it is cut."""
    at = len(array) if add.position is None else add.position
    array[at:at] = add.values
    if add.sort:
        tests.keys(msgspec.Raw(write(array)), sorted=True)
        array.sort(key=lambda element: _sort_key(read_all(element), add.sort))
    if add.slice is None:
        return array
    return array[: add.slice] if add.slice >= 0 else array[add.slice :]


def united(array: Elements, values: tuple[msgspec.Raw, ...], tests: Tests) -> Elements:
    """Return the array after `$addToSet`: values that are already in the array are not added."""
    tests.keys(msgspec.Raw(write((*array, *values))))
    there = {key(read_all(element)) for element in array}
    for value in values:
        wanted = key(read_all(value))
        if wanted not in there:
            array.append(value)
            there.add(wanted)
    return array


def pulled(array: Elements, unwanted: ElementTest | Unwanted, change: Change, tests: Tests) -> Elements:
    """Return the array without the elements that meet the condition or equal a value. Raises: InvalidUpdate."""
    if isinstance(unwanted, Unwanted):
        tests.keys(msgspec.Raw(write(array)))
        return [element for element in array if key(read_all(element)) not in unwanted.keys]
    tests.add(msgspec.Raw(write(array)), unwanted, change)
    return [element for element in array if not passes(unwanted, read_all(element))]


def ended(array: Elements, end: int) -> Elements:
    """Return the array without its last element (if `end` is 1) or without its first element (-1)."""
    return array[:-1] if end == 1 else array[1:]


def _sort_key(value: Any, sort: tuple[tuple[Path, bool], ...]) -> bytes:
    """Return the keys of the fields, joined. No key is a prefix of another key."""
    keys = [(key(single(value, path)), descending) for path, descending in sort]
    return b"".join(inverted(one) if descending else one for one, descending in keys)
