"""Check the indexes that a caller sends, and name the indexes without a name."""

from __future__ import annotations

import hashlib
import math
from typing import Final, NoReturn

import msgspec

from bunbase.bundoc.documents import COLLECTION
from bunbase.bundoc.query.parse import SYSTEM, parse_path, parse_where
from bunbase.bundoc.query.sort import parse_sort
from bunbase.bundoc.query.sql import condition
from bunbase.bundoc.query.text import MAX_FIELDS
from bunbase.contracts.bundoc.collections import IndexSpec
from bunbase.contracts.bundoc.problems import InvalidQuery
from bunbase.pkg.errors import InvalidInput

MAX_INDEXES: Final = 32
# A collection has at most this many text indexes, because each write splits the text into words for each of them.
MAX_TEXT_INDEXES: Final = 4
MAX_WEIGHT: Final = 1000.0


def named_indexes(indexes: tuple[IndexSpec, ...]) -> tuple[IndexSpec, ...]:
    """Return the checked indexes. An index without a name gets a name from its fields. Raises: InvalidInput."""
    if len(indexes) > MAX_INDEXES:
        _invalid("/indexes", f"A collection has at most {MAX_INDEXES} indexes.")
    if sum(index.type == "text" for index in indexes) > MAX_TEXT_INDEXES:
        _invalid("/indexes", f"A collection has at most {MAX_TEXT_INDEXES} text indexes.")
    named: dict[str, IndexSpec] = {}
    for number, index in enumerate(indexes):
        at = f"/indexes/{number}"
        try:
            name = _checked_name(index, at)
            if index.where is not None:
                condition(parse_where(msgspec.json.encode(index.where), f"{at}/where"))
        except InvalidQuery as problem:
            _invalid(str(problem.extra["path"]), problem.detail)
        if not COLLECTION.fullmatch(name):
            _invalid(f"{at}/name", "The name of an index must match [a-z][a-z0-9_]{0,62}.")
        if name in named:
            _invalid(f"{at}/name", f"Two indexes have the name {name}.")
        named[name] = msgspec.structs.replace(index, name=name)
    return tuple(named.values())


def _checked_name(index: IndexSpec, at: str) -> str:
    """Check the fields of an index and return its name. Raises: InvalidQuery, InvalidInput."""
    fields = _text_fields(index, at) if index.type == "text" else _key_fields(index, at)
    return index.name or _plain("_".join(field.replace("-", "desc_") for field in fields))


def _key_fields(index: IndexSpec, at: str) -> list[str]:
    for name in ("stemming", "prefix", "weights"):
        if getattr(index, name):
            _invalid(f"{at}/{name}", f'{name} is only for text indexes: add "type":"text".')
    order = parse_sort(index.fields, f"{at}/fields")
    if not index.fields or len(order.fields) < len(index.fields):
        _invalid(f"{at}/fields", "An index has 1 to 8 fields; _id needs no index.")
    return [str(field) for field in order.fields]


def _text_fields(index: IndexSpec, at: str) -> list[str]:
    if not 1 <= len(index.fields) <= MAX_FIELDS or len(set(index.fields)) < len(index.fields):
        _invalid(f"{at}/fields", f"A text index has 1 to {MAX_FIELDS} fields; name each field only once.")
    for number, field in enumerate(index.fields):
        if parse_path(field, f"{at}/fields/{number}")[0] in SYSTEM or field.startswith("-"):
            _invalid(f"{at}/fields/{number}", "A field of a text index cannot be a system field or begin with -.")
    if index.unique:
        _invalid(f"{at}/unique", "A text index cannot be unique.")
    for field, weight in index.weights.items():
        if field not in index.fields:
            _invalid(f"{at}/weights/{field}", "A weight must belong to a field of the index.")
        if not math.isfinite(weight) or not 0 < weight <= MAX_WEIGHT:
            _invalid(f"{at}/weights/{field}", f"A weight must be above 0 and at most {MAX_WEIGHT:g}.")
    return ["text", *index.fields]


def _plain(name: str) -> str:
    """Return a valid name for an index.

    The same fields always get the same name, and different fields get different names.
    """
    lowered = "".join(one if one.isascii() and one.isalnum() else "_" for one in name.lower()).strip("_")
    if lowered == name and COLLECTION.fullmatch(name):
        return name
    return f"by_{lowered[:48]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _invalid(at: str, message: str) -> NoReturn:
    raise InvalidInput.at(at, message)
