"""Parse and check the query of a watch."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from bunbase.bundoc.documents import STATE, check_collection, check_id
from bunbase.bundoc.query.budgets import Budgets
from bunbase.bundoc.query.compiled import Test, compiled
from bunbase.bundoc.query.filters import EVERYTHING, Filter, Path
from bunbase.bundoc.query.meaning import meaning
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.select import parse_select
from bunbase.bundoc.query.sort import Order, parse_sort
from bunbase.bundoc.reading.querying import LOOP_FILTER_BYTES, parsed
from bunbase.bundoc.sqlite_engine.light import is_light
from bunbase.contracts.bundoc.live import MAX_DOCUMENTS, MAX_HAVE, MAX_LIMIT, LiveQuery, NotLive
from bunbase.pkg.errors import InvalidInput

# Up to this size, a filter may consist of many small values. A longer filter must have long texts.
DENSE_BYTES: Final = 4 << 10
SPARES: Final = 20  # A window holds this many rows more than the client sees, so that most deletions need no new query.


class ParsedLive(msgspec.Struct, frozen=True):
    """A parsed query.

    `search`: without rules, and with a limit that includes spare rows. `meaning`: a text that is equal for equal
    queries.

    `most_scan`: the largest number of documents that any collection lets one query examine.
    `id`: the document to watch, None for a query. `bounded`: true if the query has a limit. `light`: true if `matches`
    may evaluate the filter in the event loop. `memory`: the approximate number of bytes that the parsed query takes.
    """

    collection: str
    search: Search
    paths: tuple[Path, ...] | None
    limit: int
    bounded: bool
    meaning: str
    light: bool
    id: str | None = None
    most_scan: int = 0
    matches: Test = compiled(EVERYTHING)
    memory: int = 0

    @property
    def where(self) -> Filter:
        return self.search.where

    @property
    def order(self) -> Order:
        return self.search.order

    @property
    def shows_rev(self) -> bool:
        """True if the documents in the result include their revision."""
        return self.paths is None or ("_rev",) in self.paths


class Resume(msgspec.Struct, frozen=True):
    """The state that a client holds: the result at the change `seq` of the history `epoch`, with the documents `have`.

    `v`: the name of the view under which this result was sent.
    """

    epoch: str
    seq: int
    v: str
    have: tuple[str, ...]


async def parse_live(query: LiveQuery, budgets: Budgets, most_scan: int) -> ParsedLive:
    """Parse a query. `most_scan` has the same meaning as in ParsedLive. Raises: InvalidInput, InvalidQuery, NotLive."""
    check_collection(query.collection)
    if query.id is not None:
        return _one_document(query, query.id)
    if query.limit is not None and not 1 <= query.limit <= MAX_LIMIT:
        raise InvalidInput.at("/limit", f"The limit of a live query must be from 1 to {MAX_LIMIT}.")
    where, text = await parsed(query.where)
    if text is not None:
        raise NotLive("A search by words cannot be watched: remove $search, or send the query again.", path="/where")
    limit = query.limit or MAX_DOCUMENTS
    search = Search(
        where=where,
        order=parse_sort(query.sort),
        limit=limit + SPARES,
        count=query.count,
        max_scan=budgets.documents,
        scan_setting=budgets.setting,
        max_bytes=budgets.bytes,
        max_entries=budgets.entries,
    )
    paths, light = parse_select(query.select), is_light(search)
    parts = (query.collection, repr(search.order), query.limit, query.count, repr(paths))
    is_long = query.where is not None and len(query.where) > LOOP_FILTER_BYTES
    said = await asyncio.to_thread(meaning, where) if is_long else meaning(where)
    return ParsedLive(
        collection=query.collection,
        search=search,
        paths=paths,
        limit=limit,
        bounded=query.limit is not None,
        meaning=f"{parts!r} {said}",
        light=light,
        most_scan=most_scan,
        # A light filter is evaluated here for each change. A query evaluates all other filters.
        matches=compiled(where if light else EVERYTHING),
        memory=_memory_of(query.where or b""),
    )


def parse_resume(query: LiveQuery) -> Resume | None:
    """Return the state that the client holds, None if the client holds no state, or if its state is not readable.

    Raises: InvalidInput.
    """
    if len(query.have) > MAX_HAVE:
        raise InvalidInput.at("/have", f"A client can resume with at most {MAX_HAVE} documents.")
    for id in query.have:
        check_id(id)
    at = STATE.fullmatch(query.at)
    return None if at is None or not query.v else Resume(at[1], int(at[2]), query.v, query.have)


def _memory_of(where: bytes) -> int:
    """Return the approximate number of bytes that a parsed filter takes.

    Measured: long texts take 3 bytes for each byte, in addition to the text as it was sent. Many small values take 15
    bytes for each byte. The number of values in a filter is bounded.
    """
    return 4 * len(where) + 12 * min(len(where), DENSE_BYTES)


def _one_document(query: LiveQuery, id: str) -> ParsedLive:
    check_id(id)
    if query.where is not None or query.sort or query.limit is not None or query.count:
        raise NotLive("A watch of one document has no where, sort, limit or count.", path="/id")
    paths = parse_select(query.select)
    said = f"{(query.collection, id, repr(paths))!r} document"
    return ParsedLive(query.collection, Search(limit=1), paths, 1, True, said, True, id)
