"""Queries as callers send them, to searches as engines run them, and the answers back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import msgspec

from bunbase.bundoc.access import Access
from bunbase.bundoc.documents import COLLECTION, Stored
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.listing import narrowed
from bunbase.bundoc.query.aggregate import aggregated, parse_group, parse_values
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.search import Found, Search
from bunbase.bundoc.query.select import parse_select, selected
from bunbase.bundoc.query.sort import parse_sort
from bunbase.contracts.bundoc import Aggregation, IndexSpec, InvalidQuery, Page, Query, RuleDenied
from bunbase.pkg.cursors import decode_cursor, encode_cursor
from bunbase.pkg.errors import InvalidInput

MAX_INDEXES: Final = 32


async def queried(
    engine: Engine, project: str, collection: str, query: Query, max_scan: int, access: Access | None = None
) -> Page:
    """Raises: InvalidQuery, InvalidCursor, QueryNeedsIndex, RuleDenied."""
    if query.explain and access is not None:
        raise RuleDenied("explain counts documents that you may not see: use the project's secret key.")
    name = _name(collection, query)
    search = Search(
        where=parse_where(query.where),
        order=parse_sort(query.sort),
        after=_position(name, query.cursor),
        limit=query.limit,
        count=query.count,
        max_scan=max_scan,
    )
    paths = parse_select(query.select)
    found = await engine.search(project, collection, narrowed(search, access))
    items = b",".join([selected(stored, paths) for stored in found.items])
    next = encode_cursor(name, found.last) if found.more else None
    body = b'{"items":[' + items + b'],"next":' + msgspec.json.encode(next)
    if found.count is not None:
        body += b',"count":%d' % found.count
    if query.explain:
        body += b',"explain":' + msgspec.json.encode(_explained(found))
    return Page(body + b"}")


async def aggregated_page(
    engine: Engine,
    project: str,
    collection: str,
    aggregation: Aggregation,
    max_scan: int,
    access: Access | None = None,
) -> Page:
    """Raises: InvalidQuery, QueryNeedsIndex, RuleDenied."""
    group = parse_group(aggregation.group)
    values = parse_values(aggregation.values, aggregation.group)
    named = [*((path, "/group") for path in group), *((one.path, "/values") for one in values if one.path)]
    search = narrowed(Search(where=parse_where(aggregation.where), max_scan=max_scan), access, named)

    def fold(documents: Iterator[Stored]) -> list[dict[str, Any]]:
        return aggregated(documents, aggregation.group, group, values)

    items = await engine.fold(project, collection, search, fold)
    return Page(msgspec.json.encode({"items": items}))


def named_indexes(indexes: tuple[IndexSpec, ...]) -> tuple[IndexSpec, ...]:
    """Check what is asked for, and name what has no name after its fields. Raises: InvalidInput."""
    if len(indexes) > MAX_INDEXES:
        _invalid("/indexes", f"A collection has at most {MAX_INDEXES} indexes.")
    named: dict[str, IndexSpec] = {}
    for number, index in enumerate(indexes):
        at = f"/indexes/{number}"
        try:
            order = parse_sort(index.fields, f"{at}/fields")
        except InvalidQuery as problem:
            _invalid(str(problem.extra["path"]), problem.detail)
        if not index.fields or len(order.fields) < len(index.fields):
            _invalid(f"{at}/fields", "An index has 1 to 8 fields; _id needs none.")
        name = index.name or "_".join(str(field).replace("-", "desc_") for field in order.fields)
        name = name if index.name else _plain(name)
        if not COLLECTION.fullmatch(name):
            _invalid(f"{at}/name", "An index is named [a-z][a-z0-9_]{0,62}.")
        if name in named:
            _invalid(f"{at}/name", f"Two indexes are named {name}.")
        named[name] = IndexSpec(index.fields, name, index.unique)
    return tuple(named.values())


def _plain(name: str) -> str:
    """Make a valid name, the same for the same fields and different for others."""
    lowered = "".join(one if one.isascii() and one.isalnum() else "_" for one in name.lower()).strip("_")
    if lowered == name and COLLECTION.fullmatch(name):
        return name
    return f"by_{lowered[:48]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _name(collection: str, query: Query) -> str:
    """Name everything that a cursor depends on."""
    asked = msgspec.json.encode((query.where or b"", query.sort))
    return f"query {collection} {hashlib.sha256(asked).hexdigest()[:32]}"


def _position(name: str, cursor: str | None) -> bytes | None:
    return None if cursor is None else decode_cursor(name, cursor, bytes)


def _explained(found: Found) -> dict[str, Any]:
    return {"index": found.index, "ordered_by_index": found.ordered, "examined": found.examined}


def _invalid(at: str, message: str) -> NoReturn:
    raise InvalidInput(message, errors=[{"path": at, "message": message}])
