"""Run a query in one snapshot. The outcome is always right. `incremental` finds the same outcome faster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from bunbase.bundoc.documents import Lookup, StoredDocument, with_system_fields
from bunbase.bundoc.engine import Moment
from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.visibility import View, view_of
from bunbase.bundoc.live.window import HeldRow, Window
from bunbase.bundoc.query.select import selected
from bunbase.bundoc.query.sort import position
from bunbase.contracts.bundoc.live import MAX_DOCUMENTS, MAX_RESULT_BYTES, LiveQueryTooLarge, RulesTooSlow
from bunbase.contracts.bundoc.problems import QueryTooSlow
from bunbase.contracts.caller import Caller

MAX_LOOKED_UP: Final = 5000
AFTER_END_MS: Final = 2
TRIES: Final = 20  # A query is tried at most this often. An attempt fails if a document expires meanwhile.
SOONEST_MS: Final = 50  # The shortest pause between two runs of a query that runs only because time has passed.
TIMED_SECONDS: Final = 30  # Rules that read the time are evaluated again at this interval.

decode: Final = msgspec.json.Decoder().decode

T = TypeVar("T")

Place = tuple[str, str]  # A collection and an id.


class Result(msgspec.Struct, frozen=True):
    """The result of a query at one moment.

    `looked_up`: the documents that the rules have looked up, including those that do not exist.

    `due`: the time at which the result may change without a write, in milliseconds since 1970. `follows`: true if each
    change of a document can be applied to the window without a query. `seconds`: the processor time that the query
    took.
    """

    view: View
    window: Window
    looked_up: frozenset[Place]
    due: int | None
    follows: bool
    seconds: float = 0.0


def evaluated(moment: Moment, asked: ParsedLive, caller: Caller, now: datetime, dev: bool) -> Result:
    """Run the query for the caller.

    Raises: RuleDenied, InvalidQuery, QueryNeedsIndex, CollectionNotFound, LiveQueryTooLarge, RulesTooSlow.
    """
    return queried(moment, asked, view_of(asked, caller, moment.terms(asked.collection), now, dev))


def queried(moment: Moment, asked: ParsedLive, view: View) -> Result:
    """Run the query for a view under the rules of the moment. Raises: the problems of `evaluated`."""
    terms = moment.terms(asked.collection)
    expires = terms is not None and terms.definition.expires is not None
    before = time.thread_time()
    for _ in range(TRIES):
        began = _now()
        window, looked_up = _run(moment, asked, view)
        end = _next_end(moment, {asked.collection, *(name for name, _ in looked_up)}, began)
        if end is None or end > _now():
            # Otherwise, a document expired meanwhile. If a document expired meanwhile, the count may include a document
            # that the rows lack.
            break
    return Result(
        view=view,
        window=window,
        looked_up=looked_up,
        due=_due(view, end),
        follows=view.steady and asked.light and not expires,
        seconds=time.thread_time() - before,
    )


def check_size(window: Window, bounded: bool) -> None:
    """Check the size of a result. Raises: LiveQueryTooLarge."""
    if not bounded and (window.more or len(window.rows) > window.limit):
        raise LiveQueryTooLarge(f"The result has more than {MAX_DOCUMENTS} documents: send limit, or a filter.")
    if window.lacks_rows or sum([len(row.body) for row in window.shown]) > MAX_RESULT_BYTES:
        message = f"The result has more than {MAX_RESULT_BYTES >> 20} MiB: send a lower limit, or select."
        raise LiveQueryTooLarge(message)


def row_of(asked: ParsedLive, stored: StoredDocument) -> HeldRow:
    """Return the row of a document.

    `stored`: the document without its hidden fields, on which the order never depends.
    """
    return row_from(asked, stored, decode(with_system_fields(stored)), None)


def row_from(asked: ParsedLive, stored: StoredDocument, fields: Any, whole: bytes | None) -> HeldRow:
    """Return the row of a document.

    `fields`: all fields, also hidden ones. `whole`: the document if no field is hidden.
    """
    body = whole if whole is not None and asked.paths is None else selected(stored, asked.paths)
    return HeldRow(position(asked.order, fields), stored.id, body, stored.rev if asked.shows_rev else 0)


def _run(moment: Moment, asked: ParsedLive, view: View) -> tuple[Window, frozenset[Place]]:
    """Return the window, and the documents that the rules have looked up."""
    looked_up: set[Place] = set()
    try:
        window = _document(moment, asked, view, looked_up) if asked.id else _found(moment, asked, view, looked_up)
    except QueryTooSlow as slow:
        raise RulesTooSlow(slow.detail) from None
    check_size(window, asked.bounded)
    if len(looked_up) > MAX_LOOKED_UP:
        raise LiveQueryTooLarge(f"The rules of this query look up more than {MAX_LOOKED_UP} documents.")
    return window, frozenset(looked_up)


def _found(moment: Moment, asked: ParsedLive, view: View, looked_up: set[Place]) -> Window:
    search = view.search
    if view.looks_up:
        search = search.settled(_noting(moment.lookup, looked_up))
        search = msgspec.structs.replace(
            search,
            residual=_recording(search.residual, looked_up),
            shown=_recording(search.shown, looked_up),
        )
    found = moment.search(asked.collection, search)
    if found.estimated:
        raise LiveQueryTooLarge("There are too many documents to count: leave out count, or narrow the filter.")
    return Window([row_of(asked, one) for one in found.items], asked.limit, found.more, found.count)


def _document(moment: Moment, asked: ParsedLive, view: View, looked_up: set[Place]) -> Window:
    assert asked.id is not None
    stored, access = moment.lookup(asked.collection, asked.id), view.access
    lookup = _noting(moment.lookup, looked_up)
    if stored is not None and access is not None:
        stored = access.shown("get", lookup, stored) if access.may("get", asked.id, lookup, stored) else None
        if access.budget.spent:
            raise RulesTooSlow("The rules of this document take too long: simplify them.")
    return Window([row_of(asked, stored)] if stored is not None else [], 1, False, None)


def _recording(
    work: Callable[[StoredDocument, Lookup], T] | None, looked_up: set[Place]
) -> Callable[[StoredDocument, Lookup], T] | None:
    if work is None:
        return None
    return lambda stored, lookup: work(stored, _noting(lookup, looked_up))


def _noting(lookup: Lookup, looked_up: set[Place]) -> Lookup:
    """Return a function that looks documents up, and stores which documents it has looked up."""

    def noting(collection: str, id: str) -> StoredDocument | None:
        looked_up.add((collection, id))
        return lookup(collection, id)

    return noting


def _next_end(moment: Moment, collections: Iterable[str], since: int) -> int | None:
    """Return the earliest time, at `since` or later, at which a document of these collections expires."""
    ends = [moment.next_end(name, since) for name in collections]
    return min([end for end in ends if end is not None], default=None)


def _due(view: View, end: int | None) -> int | None:
    """Return the time at which the result may change without a write.

    `end`: the time at which a relevant document expires.
    """
    times = [end + AFTER_END_MS] if end is not None else []
    if view.timed:
        times.append(_now() + TIMED_SECONDS * 1000)
    return max(min(times), _now() + SOONEST_MS) if times else None


def _now() -> int:
    """Return milliseconds since 1970 by SQLite's clock, which also decides whether a document has expired."""
    return int(time.time() * 1000)
