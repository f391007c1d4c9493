"""The values that an aggregate reads, from documents or from the keys of an index. Both sources have the same values.

Numbers are canonical: a whole double within 64 bits is an integer, and an integer beyond 64 bits is a double. Index
keys do not distinguish 2 from 2.0, so an answer must not depend on the difference.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from bunbase.bundoc.query.filters import (
    MAX_INTEGER,
    MIN_INTEGER,
    And,
    Compare,
    Filter,
    IsNull,
    Not,
    Or,
    Path,
    Same,
    StartsWith,
    number,
)
from bunbase.bundoc.query.order import FALSE, INVERTED, KEPT, NULL, NUMBER, STRING, TRUE, key
from bunbase.bundoc.query.predicate import compares, elements, matches, single
from bunbase.bundoc.query.sort import SortField

ID: Final[Path] = ("_id",)
UNREADABLE: Final = object()

POSITIVE: Final = 0x80  # This is the first byte of a positive number in a key.
FLIPPED: Final = [bytes([byte ^ POSITIVE]) for byte in range(256)]
NO_REST: Final = 1 << 15
DOUBLE_AND_REST: Final = struct.Struct(">dH").unpack

HASHABLE: Final = frozenset((type(None), str, int, float, tuple))  # A tuple stands for a moment.
# One row has at most this many elements of an array of `$each`. Each element takes 1 to 3 µs.
ELEMENTS_IN_A_ROW: Final = 1000

Test = Callable[[tuple[Any, ...]], bool]


class Row(NamedTuple):
    """Equal values of one or more documents, or some elements of one document. `id`: the id of the first document."""

    values: tuple[Any, ...]
    documents: int
    id: str


class Reads(msgspec.Struct, frozen=True):
    """The paths whose values an aggregate needs.

    `each`: the index of the path whose arrays the aggregate needs as tuples of elements.
    `apart`: true if the aggregate needs a separate row for each document, because the order of documents matters.
    """

    paths: tuple[Path, ...] = ()
    each: int | None = None
    apart: bool = False

    def of(self, document: Any) -> tuple[Any, ...]:
        """Return the values of a document, in the order of the paths, without elements. A missing value is None."""
        return tuple([canonical(single(document, path)) for path in self.paths])

    def rows(self, document: Any, id: str) -> Iterator[Row]:
        """Yield the rows of a document.

        An array of `each` becomes several rows, so that the time can be checked between the rows. All rows together
        have each different element once, and some rows may have no element.
        """
        if self.each is None:
            yield Row(self.of(document), 1, id)
            return
        before = tuple([canonical(single(document, path)) for path in self.paths[: self.each]])
        after = tuple([canonical(single(document, path)) for path in self.paths[self.each + 1 :]])
        listed = list(elements(document, self.paths[self.each])) or [None]
        known: set[Any] = set()
        for start in range(0, len(listed), ELEMENTS_IN_A_ROW):
            part = [canonical(one) for one in listed[start : start + ELEMENTS_IN_A_ROW]]
            new = {mark: one for one in part if (mark := identity(one)) not in known}
            known |= new.keys()
            yield Row((*before, tuple(new.values()), *after), 1, id)


def identity(value: Any) -> Any:
    """Return something hashable that is equal for equal canonical values only. In Python, True equals 1."""
    if value.__class__ in HASHABLE:
        return value
    if value.__class__ is bool:
        return TRUE if value else FALSE
    return key(value)


def canonical(value: Any) -> Any:
    """Return the value with canonical numbers."""
    match value:
        case bool() | str() | None:
            return value
        case int() | float():
            found = number(value)  # An integer beyond 64 bits becomes a double.
            return _canonical_number(found) if isinstance(found, float) else found
        case dict():
            return {name: canonical(inner) for name, inner in value.items()}
        case _:
            return [canonical(inner) for inner in value]


def is_told_by_keys(where: Filter) -> bool:
    """True if the values in the keys of an index decide the filter.

    Keys do not distinguish a missing value from null, and they hold no arrays and no objects. Patterns are tested on
    documents, where their time is limited.
    """
    match where:
        case And() | Or():
            return all(is_told_by_keys(part) for part in where.parts)
        case Not():
            return is_told_by_keys(where.part)
        case _:
            return isinstance(where, Compare | IsNull | StartsWith | Same)


def test_of_values(where: Filter, slots: Mapping[Path, int]) -> Test:
    """Return the filter as a function of values. `slots`: the place of each path. See `is_told_by_keys`."""
    match where:
        case And():
            every = [test_of_values(part, slots) for part in where.parts]
            return lambda values: all(test(values) for test in every)
        case Or():
            some = [test_of_values(part, slots) for part in where.parts]
            return lambda values: any(test(values) for test in some)
        case Not():
            negated = test_of_values(where.part, slots)
            return lambda values: not negated(values)
        case Compare():
            slot, compared = slots[where.path], where
            return lambda values: compares(compared, values[slot])
        case IsNull() | StartsWith() | Same():
            slot, of_value = slots[where.path], msgspec.structs.replace(where, path=())
            return lambda values: matches(of_value, values[slot])
        case _:
            raise AssertionError("the keys of an index do not decide this filter")


def value_in_key(key: bytes, at: int, field: SortField) -> tuple[Any, int]:
    """Return the value of a field whose part of an index key starts at `at`, and the start of the next part.

    The value is UNREADABLE if the key does not hold it: an object, or a text so long that the key was cut. The value is
    also UNREADABLE if no value has such bytes, because a cursor from a caller may contain any bytes.
    """
    kind = key[at : at + 1]
    if field.descending:
        kind = kind.translate(INVERTED)
    if kind == STRING:
        end = key.find(b"\xff\xff" if field.descending else b"\x00\x00", at, at + KEPT)
        if end < 0:
            return UNREADABLE, at
        text = key[at + 1 : end]
        if field.descending:
            text = text.translate(INVERTED)
        try:
            return text.replace(b"\x00\xff", b"\x00").decode(), end + 2
        except UnicodeDecodeError:
            return UNREADABLE, at
    if kind == NUMBER:
        raw = key[at + 1 : at + 11]
        try:
            return _number(raw.translate(INVERTED) if field.descending else raw), at + 11
        except (
            IndexError,
            struct.error,
            ValueError,
            OverflowError,
        ):  # the bytes are too short, or stand for NaN or infinity
            return UNREADABLE, at
    if kind == NULL:
        return None, at + 1
    if kind in (FALSE, TRUE):
        return kind == TRUE, at + 1
    return UNREADABLE, at


def _canonical_number(value: float) -> int | float:
    return int(value) if value.is_integer() and MIN_INTEGER <= value < MAX_INTEGER else value


def _number(raw: bytes) -> int | float:
    """Return the number from which `order.key` made these bytes."""
    raw = raw[:8].translate(INVERTED) + raw[8:] if raw[0] < POSITIVE else FLIPPED[raw[0]] + raw[1:]
    nearest, rest = DOUBLE_AND_REST(raw)
    if rest != NO_REST:
        return int(nearest) + int(rest) - NO_REST
    return _canonical_number(nearest)
