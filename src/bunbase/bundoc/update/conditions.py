"""Conditions on elements of arrays, for `$pull` and `arrayFilters`. These conditions are filters, as in a query."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from bunbase.bundoc.documents import read_all
from bunbase.bundoc.query.filters import Filter
from bunbase.bundoc.query.order import key
from bunbase.bundoc.query.parse import Reader, tests_value
from bunbase.bundoc.query.predicate import matches
from bunbase.bundoc.update.change import POSITION, ElementTest, Filters, Path, invalid, pointer
from bunbase.contracts.bundoc.problems import InvalidQuery, InvalidUpdate

MAX_FILTERS: Final = 20
ELEMENT: Final = "element"


def condition(sent: msgspec.Raw, at: Path, reader: Reader) -> ElementTest:
    """Return the condition of `$pull`.

    An object is a filter of operators or fields. If the condition is another value, elements must equal this value.
    `reader`: the Reader that counts the terms and patterns of all conditions of the update. Raises: InvalidUpdate.
    """
    value = read_all(sent)
    if not isinstance(value, dict):
        return ElementTest(equal=key(value))
    before = _size(reader)
    name = ELEMENT if tests_value(value) else ""
    with _as_update():
        where = reader.field((ELEMENT,), value, pointer(at), 1) if name else reader.document(value, pointer(at), 1)
    return _test(where, name, reader, before)


def array_filters(sent: msgspec.Raw, reader: Reader) -> Filters:
    """Return the filters of `arrayFilters` by the name that their paths begin with. Raises: InvalidUpdate."""
    listed = read_all(sent)
    if not isinstance(listed, list) or len(listed) > MAX_FILTERS:
        raise invalid(("arrayFilters",), f'This must be a list of at most {MAX_FILTERS} filters, such as [{{"x":1}}].')
    found: Filters = {}
    for number, one in enumerate(listed):
        at = ("arrayFilters", str(number))
        filter = _array_filter(one, at, reader)
        if filter.name in found:
            raise invalid(at, f"There are two filters for {filter.name}; join them with $and.")
        found[filter.name] = filter
    return found


def passes(condition: ElementTest, element: Any) -> bool:
    """True if the element meets the condition."""
    if condition.where is None:
        return key(element) == condition.equal
    if condition.name:
        return matches(condition.where, {condition.name: element})
    return isinstance(element, dict) and matches(condition.where, element)


def _array_filter(sent: Any, at: Path, reader: Reader) -> ElementTest:
    before = _size(reader)
    with _as_update():
        where = reader.document(sent, pointer(at), 1)
    names = {path.partition(".")[0] for path in _fields(sent)}
    if len(names) != 1 or not POSITION.fullmatch(f"$[{(name := min(names))}]"):
        why = "All paths of an array filter begin with the same name: a small letter, then letters and digits"
        raise invalid(at, f'{why}, such as {{"x.done":true}} for $[x].')
    return _test(where, name, reader, before)


def _size(reader: Reader) -> tuple[int, int]:
    """Return the number of parts, and of instructions of patterns, that the reader has read."""
    return reader.terms + reader.nodes, reader.program


def _test(where: Filter, name: str, reader: Reader, before: tuple[int, int]) -> ElementTest:
    parts, program = _size(reader)
    return ElementTest(where, name=name, parts=parts - before[0], program=program - before[1])


def _fields(where: dict[str, Any]) -> Iterator[str]:
    """Yield the paths of a filter that was parsed."""
    for name, value in where.items():
        if name.startswith("$"):
            for part in value:
                yield from _fields(part)
        else:
            yield name


@contextmanager
def _as_update() -> Iterator[None]:
    try:
        yield
    except InvalidQuery as refused:
        raise InvalidUpdate.at(refused.extra["path"], refused.detail) from None
