"""The order of a result or an index: by fields, then by `_id` in the direction of the last field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any, Final

import msgspec

from bunbase.bundoc.query.filters import Path
from bunbase.bundoc.query.order import NULL, inverted, short_key
from bunbase.bundoc.query.parse import parse_path, refuse
from bunbase.bundoc.query.predicate import elements, single
from bunbase.contracts.bundoc.problems import InvalidDocument
from bunbase.pkg.cursors import UNCHANGED, InvalidCursor

MAX_FIELDS: Final = 8
MAX_ENTRIES: Final = 1000  # One document has at most this many entries in one index.


class SortField(msgspec.Struct, frozen=True):
    path: Path
    descending: bool = False

    def __str__(self) -> str:
        return "-" * self.descending + ".".join(self.path)

    @property
    def is_named(self) -> bool:
        """True if `parse_sort` reads this field back from its text.

        `parse_sort` would read a field named `-a` as the field `a` in descending order.
        """
        return self.descending or not self.path[0].startswith("-")


class Order(msgspec.Struct, frozen=True):
    fields: tuple[SortField, ...] = ()
    id_descending: bool = False


def parse_sort(fields: Sequence[str], at: str = "/sort") -> Order:
    """Parse fields such as `-_created` or `title`. Fields after `_id` are ignored, since ids are unique.

    Raises: InvalidQuery.
    """
    if len(fields) > MAX_FIELDS:
        refuse(at, f"There can be at most {MAX_FIELDS} fields.")
    found: list[SortField] = []
    for number, text in enumerate(fields):
        field = SortField(parse_path(text.removeprefix("-"), f"{at}/{number}"), text.startswith("-"))
        if field.path in [one.path for one in found]:
            refuse(f"{at}/{number}", "This field is named twice.")
        found.append(field)
        if field.path == ("_id",):
            break
    return order_by(found)


def order_by(fields: Sequence[SortField]) -> Order:
    """Return the order by different fields. Fields after `_id` are ignored."""
    for at, field in enumerate(fields):
        if field.path == ("_id",):
            return Order(tuple(fields[:at]), field.descending)
    return Order(tuple(fields), bool(fields) and fields[-1].descending)


def position(order: Order, document: Any) -> bytes:
    """Return the position of the document in the order: unique bytes that compare like the documents."""
    keys = (_directed(short_key(single(document, field.path)), field) for field in order.fields)
    return b"".join(keys) + id_key(order, document["_id"])


def id_key(order: Order, id: str) -> bytes:
    key = id.encode() + b"\x00"
    return inverted(key) if order.id_descending else key


def id_of(order: Order, key: bytes) -> str:
    """Return the id at a position in the order by ids. Raises: InvalidCursor if the position holds no text."""
    try:
        return (inverted(key) if order.id_descending else key)[:-1].decode()
    except UnicodeDecodeError:
        raise InvalidCursor(UNCHANGED) from None


class Entries(msgspec.Struct, frozen=True):
    """The keys of a document in an index, without its id.

    `many`: true if the document has an array on a path of the index. `own`: the keys that no other document may have if
    the index is unique.
    """

    keys: tuple[bytes, ...]
    many: bool
    own: tuple[bytes, ...] = ()


def entries(order: Order, document: Any, unique: bool = False, lenient: bool = False) -> Entries:
    """Return the entries of the document in an index. An array has one entry for each of its elements.

    Elements that are objects or arrays have entries only in unique indexes, because no filter finds such elements with
    an index. A key that contains a null need not be unique: two documents may both lack the field, or both have null or
    an empty array.
    `lenient`: true to leave out, if there are too many entries, the entries of elements that are objects or arrays.
    Files of format 6 and earlier did not have these entries.
    Raises: InvalidDocument if there are too many entries.
    """
    many = any(meets_array(document, field.path) for field in order.fields)
    if not many:
        keys = [[_directed(short_key(single(document, field.path)), field)] for field in order.fields]
    else:
        keys = [_field_keys(field, document, whole=unique) for field in order.fields]
    if unique and lenient and _product(keys) > MAX_ENTRIES:
        keys = [_field_keys(field, document, whole=False) for field in order.fields]
    if (total := _product(keys)) > MAX_ENTRIES:
        message = f"This document would have {total} entries in one index; the maximum is {MAX_ENTRIES}."
        raise InvalidDocument.at("", message)
    joined = tuple([b"".join(parts) for parts in product(*keys)])
    if not unique:
        return Entries(joined, many)
    nulls = [_directed(NULL, field) for field in order.fields]
    valued = [[key for key in one if key != null] for one, null in zip(keys, nulls, strict=True)]
    return Entries(joined, many, tuple([b"".join(parts) for parts in product(*valued)]))


def _product(keys: list[list[bytes]]) -> int:
    return math.prod(len(one) for one in keys)


def _field_keys(field: SortField, document: Any, whole: bool) -> list[bytes]:
    """Return the keys of one field. `whole`: true to include the keys of elements that are objects or arrays."""
    if not meets_array(document, field.path):
        return [_directed(short_key(single(document, field.path)), field)]
    found = {short_key(one) for one in elements(document, field.path) if whole or not isinstance(one, dict | list)}
    return [_directed(key, field) for key in sorted(found or {NULL})]


def meets_array(document: Any, path: Path) -> bool:
    """True if the path leads to an array, or through one."""
    found = document
    for part in path:
        if not isinstance(found, dict):
            return False
        found = found.get(part)
        if isinstance(found, list):
            return True
    return False


def _directed(key: bytes, field: SortField) -> bytes:
    return inverted(key) if field.descending else key
