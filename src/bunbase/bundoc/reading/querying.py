"""Turn a query of a caller into a search of the engine, and the result into a page."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import msgspec

from bunbase.bundoc.documents import StoredDocument, with_system_fields
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.permissions.access import Access
from bunbase.bundoc.permissions.listing import narrowed
from bunbase.bundoc.query.aggregate import parse_aggregate
from bunbase.bundoc.query.budgets import Budgets
from bunbase.bundoc.query.filters import EVERYTHING, Filter, Path
from bunbase.bundoc.query.groups import grouped
from bunbase.bundoc.query.meaning import meaning
from bunbase.bundoc.query.search import Advice, Found, Search
from bunbase.bundoc.query.select import parse_select, selected
from bunbase.bundoc.query.sort import Order, parse_sort
from bunbase.bundoc.query.text import TextSearch, parse_where_and_search
from bunbase.bundoc.reading.expanding import Visible, expanded, expansions, with_expanded
from bunbase.bundoc.reading.text_answers import check_adding, with_added
from bunbase.contracts.bundoc.documents import Aggregation, Page, Query
from bunbase.contracts.bundoc.problems import QueryTooSlow, RuleDenied
from bunbase.pkg.cursors import decode_cursor, encode_cursor

SLOW_RULE: Final = (
    "A part of the list rule, such as a look-up, is evaluated for each document, and no index helps there. If the key "
    "of a look-up uses fields of the document, set these fields to one value in the filter: the look-up then happens "
    "once. Or keep what it looks up in the documents or in the claims of the user, and compare it with == or in."
)
# This many names of queries are cached. A name has at most 8 fields of a sort, and takes 8 µs to make.
NAMES_CACHED: Final = 1024
LOOP_FILTER_BYTES: Final = 2048  # A longer filter is parsed in a thread. A filter of this length takes a millisecond.
LOOP_SELECT_BYTES: Final = 16 << 10  # If documents are larger than this together, a thread selects their fields.


class CursorNames:
    """Makes the name of a query, which its cursors contain.

    Queries with different meanings have different names, so that a query refuses the cursors of another query.

    `sent`: the filter as it was sent. `order`: None for the order of relevance.
    """

    def __init__(
        self, collection: str, sent: bytes | None, where: Filter, text: TextSearch | None, order: Order | None
    ) -> None:
        self.collection = collection
        self.is_long = sent is not None and len(sent) > LOOP_FILTER_BYTES
        self.is_whole = where == EVERYTHING and text is None
        self.asked = (where, text, order)

    async def name(self) -> str:
        """Return the name. A thread makes the name if the filter is long."""
        if self.is_whole:
            return _name_without_filter(self.collection, self.asked[2])
        return await asyncio.to_thread(self._name) if self.is_long else self._name()

    def _name(self) -> str:
        return _named(self.collection, *self.asked)


def _named(collection: str, where: Filter, text: TextSearch | None, order: Order | None) -> str:
    asked = f"{meaning(where)} {text!r} {order!r}".encode()
    return f"query {collection} {hashlib.sha256(asked).hexdigest()[:32]}"


@lru_cache(NAMES_CACHED)
def _name_without_filter(collection: str, order: Order | None) -> str:
    """Return the name of a query for all documents.

    The name depends only on texts of the query, so all projects share it.
    """
    return _named(collection, EVERYTHING, None, order)


async def queried(
    engine: Engine,
    project: str,
    collection: str,
    query: Query,
    budgets: Budgets,
    access: Access | None,
    visible: Callable[[], Visible],
) -> Page:
    """Return the page for a query. `visible`: returns a function that returns an expanded document as the caller sees
    it. `visible` is only called if the query expands documents.

    Raises: InvalidQuery, InvalidCursor, QueryNeedsIndex, RuleDenied.
    """
    _check_explain(query.explain, access)
    where, text = await parsed(query.where)
    check_adding(query, text)
    order = parse_sort(query.sort)
    by_score = text is not None and not query.sort
    names = CursorNames(collection, query.where, where, text, None if by_score else order)
    after = None if query.cursor is None else decode_cursor(await names.name(), query.cursor, bytes)
    search = Search(
        where=where,
        order=order,
        after=after,
        limit=query.limit,
        count=query.count,
        max_scan=budgets.documents,
        scan_setting=budgets.setting,
        max_bytes=budgets.bytes,
        max_entries=budgets.entries,
        text=text,
        by_score=by_score,
        explain=query.explain,
    )
    paths = parse_select(query.select)
    # This check comes before `expand`, because errors of `expand` would reveal the schema to a caller who may not list.
    search = await narrowed(search, access)
    wanted = await expansions(engine, project, collection, query.expand) if query.expand else ()
    if search.residual is None:
        found = await engine.search(project, collection, search)
    else:
        with _naming_the_rule(search):
            found = await engine.search(project, collection, search)
    items = await _selected(found.items, paths)
    if text is not None:
        items = await with_added(items, found, query)
    if wanted:
        beside = await expanded(
            engine, project, [with_system_fields(stored) for stored in found.items], wanted, visible()
        )
        items = [with_expanded(one, more) for one, more in zip(items, beside, strict=True)]
    next = encode_cursor(await names.name(), found.last) if found.more else None
    body = b'{"items":[' + b",".join(items) + b'],"next":' + msgspec.json.encode(next)
    if found.count is not None:
        body += b',"count":%d' % found.count
        body += b',"count_is_estimate":true' if found.estimated else b""
    if query.explain:
        body += b',"explain":' + msgspec.json.encode(await asyncio.to_thread(_explained, found, budgets, access))
    return Page(body + b"}")


async def aggregated_page(
    engine: Engine,
    project: str,
    collection: str,
    aggregation: Aggregation,
    budgets: Budgets,
    access: Access | None,
) -> Page:
    """Return the aggregated values as a page. Raises: InvalidQuery, QueryNeedsIndex, RuleDenied."""
    _check_explain(aggregation.explain, access)
    asked = parse_aggregate(aggregation.values, aggregation.group, aggregation.sort, aggregation.limit)
    name = _aggregate_name(collection, aggregation)
    after = _position(name, aggregation.cursor)
    where, text = await parsed(aggregation.where)
    search = Search(
        where=where,
        text=text,
        limit=0,
        max_scan=budgets.documents,
        scan_setting=budgets.setting,
        max_bytes=budgets.bytes,
        max_entries=budgets.entries,
        reads=asked.reads,
    )
    search = await narrowed(search, access, asked.named)
    explained = b""
    with _naming_the_rule(search):
        if aggregation.explain:
            found = await engine.explain(project, collection, search)
            plan = await asyncio.to_thread(_explained, found, budgets, access)
            explained = b',"explain":' + msgspec.json.encode(plan)
        if asked.is_count:
            found = await engine.search(project, collection, msgspec.structs.replace(search, count=True, limit=0))
            counted = dict.fromkeys([one.name for one in asked.values], found.count or 0)
            return Page(b'{"items":[' + msgspec.json.encode(counted) + b'],"next":null' + explained + b"}")
        page = await engine.fold(project, collection, search, lambda rows: grouped(rows, asked, after))
    next = None if page.last is None else encode_cursor(name, page.last)
    return Page(b'{"items":[' + b",".join(page.items) + b'],"next":' + msgspec.json.encode(next) + explained + b"}")


@contextmanager
def _naming_the_rule(search: Search) -> Iterator[None]:
    """Name the list rule in the refusal of a slow read, if the rule is evaluated for each document.

    No index helps such a read.

    Raises: QueryTooSlow.
    """
    try:
        yield
    except QueryTooSlow as slow:
        if search.residual is None:
            raise
        raise QueryTooSlow(f"{slow.detail} {SLOW_RULE}") from None


def _check_explain(explain: bool, access: Access | None) -> None:
    if explain and access is not None and not access.caller.explain:
        raise RuleDenied(
            "explain counts documents that you may not see. Send the access token of a member in X-Bunbase-Explain, or "
            "ask with the secret key and `as`."
        )


async def parsed(where: bytes | None) -> tuple[Filter, TextSearch | None]:
    """Parse the filter of a query, in a thread if it is long. Raises: InvalidQuery."""
    if where is None or len(where) <= LOOP_FILTER_BYTES:
        return parse_where_and_search(where)
    return await asyncio.to_thread(parse_where_and_search, where)


async def _selected(found: tuple[StoredDocument, ...], paths: tuple[Path, ...] | None) -> list[bytes]:
    """Return the documents with the selected fields. A thread does the work if the documents are large."""
    if paths is None:
        return [with_system_fields(stored) for stored in found]
    size = sum([len(stored.body) for stored in found])
    if size <= LOOP_SELECT_BYTES:
        return [selected(stored, paths) for stored in found]
    return await asyncio.to_thread(lambda: [selected(stored, paths) for stored in found])


def _explained(found: Found, budgets: Budgets, access: Access | None) -> dict[str, Any]:
    """Return the plan of the query; for a caller bound by rules, also the parts of the rule that are left over."""
    explained: dict[str, Any] = {"index": found.index, "ordered_by_index": found.ordered, "examined": found.examined}
    if found.merged:
        explained["merged_ranges"] = found.merged
    if found.within is not None:
        explained["within"] = found.within
    if found.grows is not None:
        explained["warnings"] = [_growing(found.grows, budgets)]
    if access is not None:
        explained["rule"] = _explained_rule(found, access)
    return explained


def _explained_rule(found: Found, access: Access) -> dict[str, Any]:
    """Return the parts of the list rule that are evaluated for each document, and the look-ups that were done once."""
    settled = found.settlement
    if settled is None:
        return {"left_over": access.rules.rules["list"].left_over(access.about("list")), "looked_up": []}
    looked_up = [{"expr": source, "value": value} for source, value in settled.looked_up]
    return {"left_over": settled.left_over, "looked_up": looked_up}


def _growing(grows: Advice, budgets: Budgets) -> dict[str, Any]:
    """Return the warning about a query that is answered now, but will be refused when there are more documents."""
    index = None if grows.index is None else {"fields": list(grows.index)}
    most = budgets.growing
    detail = f"From about {most} documents on, this query may be refused. {grows.text}"
    return {"from_documents": most, "detail": detail, "index": index}


def _aggregate_name(collection: str, asked: Aggregation) -> str:
    text = msgspec.json.encode((asked.where or b"", asked.values, asked.group, asked.sort))
    return f"aggregate {collection} {hashlib.sha256(text).hexdigest()[:32]}"


def _position(name: str, cursor: str | None) -> bytes | None:
    return None if cursor is None else decode_cursor(name, cursor, bytes)
