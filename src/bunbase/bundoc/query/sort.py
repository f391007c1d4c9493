"""The order of a result or of an index: fields, then `_id`, which goes the way of the last field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any, Final

import msgspec

from bunbase.bundoc.query.filters import Path
from bunbase.bundoc.query.order import NULL, inverted, short_key
from bunbase.bundoc.query.parse import parse_path, refuse
from bunbase.bundoc.query.predicate import MISSING, elements, reached, single
from bunbase.contracts.bundoc import InvalidDocument

MAX_FIELDS: Final = 8
MAX_ENTRIES: Final = 1000  # of one document in one index


class SortField(msgspec.Struct, frozen=True):
    path: Path
    descending: bool = False

    def __str__(self) -> str:
        return "-" * self.descending + ".".join(self.path)


class Order(msgspec.Struct, frozen=True):
    fields: tuple[SortField, ...] = ()
    id_descending: bool = False


def parse_sort(fields: Sequence[str], at: str = "/sort") -> Order:
    """Read `-_created`, `title`. What follows `_id` orders nothing more. Raises: InvalidQuery."""
    if len(fields) > MAX_FIELDS:
        refuse(at, f"At most {MAX_FIELDS} fields order a result.")
    found: list[SortField] = []
    for number, text in enumerate(fields):
        field = SortField(parse_path(text.removeprefix("-"), f"{at}/{number}"), text.startswith("-"))
        if field.path == ("_id",):
            return Order(tuple(found), field.descending)
        if field.path in [one.path for one in found]:
            refuse(f"{at}/{number}", "This field is named twice.")
        found.append(field)
    return Order(tuple(found), bool(found) and found[-1].descending)


def position(order: Order, document: Any) -> bytes:
    """Give where the document stands: bytes that compare as the order says, different for every document."""
    keys = (_directed(short_key(single(document, field.path)), field) for field in order.fields)
    return b"".join(keys) + id_key(order, document["_id"])


def id_key(order: Order, id: str) -> bytes:
    key = id.encode() + b"\x00"
    return inverted(key) if order.id_descending else key


def id_of(order: Order, key: bytes) -> str:
    return (inverted(key) if order.id_descending else key)[:-1].decode()


class Entries(msgspec.Struct, frozen=True):
    """The keys under which an index knows a document, without its id. `many`: it met an array. `own`: those that only
    one document may have where the index is unique.
    """

    keys: tuple[bytes, ...]
    many: bool
    own: tuple[bytes, ...] = ()


def entries(order: Order, document: Any, unique: bool = False, lenient: bool = False) -> Entries:
    """Return what an index keeps of the document: an array is known by each of its elements.

    Elements that are objects or arrays stand only in unique indexes: no filter looks for them by an index. A key with
    a null in it, be it missing, null or the place of an empty array, is nobody's own.
    `lenient`: where they are too many, leave such elements out; files of format 6 and less knew none of them.
    Raises: InvalidDocument when there are too many.
    """
    many = any(meets_array(document, field.path) for field in order.fields)
    keys = [_field_keys(field, document, whole=unique) for field in order.fields]
    if unique and lenient and _product(keys) > MAX_ENTRIES:
        keys = [_field_keys(field, document, whole=False) for field in order.fields]
    if (total := _product(keys)) > MAX_ENTRIES:
        message = f"This document would have {total} entries in one index; {MAX_ENTRIES} is the most."
        raise InvalidDocument(message, errors=[{"path": "", "message": message}])
    joined = tuple([b"".join(parts) for parts in product(*keys)])
    if not unique:
        return Entries(joined, many)
    nulls = [_directed(NULL, field) for field in order.fields]
    valued = [[key for key in one if key != null] for one, null in zip(keys, nulls, strict=True)]
    return Entries(joined, many, tuple([b"".join(parts) for parts in product(*valued)]))


def _product(keys: list[list[bytes]]) -> int:
    return math.prod(len(one) for one in keys)


def _field_keys(field: SortField, document: Any, whole: bool) -> list[bytes]:
    """`whole`: with those of objects and arrays that are elements."""
    if not meets_array(document, field.path):
        return [_directed(short_key(single(document, field.path)), field)]
    found = {short_key(one) for one in elements(document, field.path) if whole or not isinstance(one, dict | list)}
    return [_directed(key, field) for key in sorted(found or {NULL})]


def meets_array(document: Any, path: Path) -> bool:
    for length in range(1, len(path) + 1):
        found = next(reached(document, path[:length]), MISSING)
        if isinstance(found, list):
            return True
    return False


def _directed(key: bytes, field: SortField) -> bytes:
    return inverted(key) if field.descending else key
