"""What an engine is asked to find, and what it found."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.query.condition import Condition
from bunbase.bundoc.query.filters import EVERYTHING, Filter
from bunbase.bundoc.query.plan import PRIMARY, Bound, Plan, wanted
from bunbase.bundoc.query.sort import Order
from bunbase.bundoc.query.text import TextSearch
from bunbase.contracts.bundoc import QueryNeedsIndex
from bunbase.contracts.collections import IndexSpec


class Search(msgspec.Struct, frozen=True):
    """`after`: the position that the page before ended at. `also`: what a rule allows, ANDed into the filter;
    `implied`: what follows from it, to choose an index by; `all_implied`: and it says no more than that of documents
    without an array on its paths; `words`: the tests of single fields that it makes. `residual`: what of the rule must
    still be asked about each document; `nothing`: it allows none at all. `shown`: makes of a found document what is
    given back.

    `text`: what a text index must find; `by_score`: the best first, and `order` decides between equals.

    `max_scan`: how many documents may be examined for the page, and how many for the count. `limit`: 0 for the count
    alone.
    """

    where: Filter = EVERYTHING
    order: Order = Order()
    after: bytes | None = None
    limit: int = 20
    count: bool = False
    max_scan: int = 10_000
    also: Condition | None = None
    implied: Filter = EVERYTHING
    all_implied: bool = False
    words: tuple[Filter, ...] = ()
    residual: Callable[[StoredDocument, Lookup], bool] | None = None
    shown: Callable[[StoredDocument, Lookup], StoredDocument] | None = None
    nothing: bool = False
    text: TextSearch | None = None
    by_score: bool = False

    @property
    def bound(self) -> Bound | None:
        """Return a filter that all documents allowed by the rule fulfil; None if it allows every document."""
        if self.also is None and self.residual is None:
            return None
        return Bound(self.implied, self.all_implied, self.words)


class Words(msgspec.Struct, frozen=True):
    """What a text index takes for words and how it was asked, for highlighting."""

    definition: IndexSpec
    sought: TextSearch


class Found(msgspec.Struct, frozen=True):
    """`last`: the position of the last document, if there are `more`. `index`: what served the search. `scores`: of
    each item, where text was sought.
    """

    items: tuple[StoredDocument, ...] = ()
    scores: tuple[float, ...] = ()
    words: Words | None = None
    more: bool = False
    last: bytes = b""
    count: int | None = None
    index: str = PRIMARY
    ordered: bool = True
    examined: int = 0


def nothing_found(search: Search) -> Found:
    return Found(count=0 if search.count else None)


class ScanBudget:
    """Counts the documents examined; the same search examines the same documents on every engine.

    A document that the rule denies, or whose time has passed, is looked at and not counted: else a caller could tell
    from a refusal that it is there. `looks`: how many may be looked at, counted or not, if that is bounded here too.
    """

    def __init__(self, search: Search, plan: Plan, most: int | None = None, looks: int | None = None) -> None:
        self.search = search
        self.plan = plan
        self.left = search.max_scan if most is None else min(most, search.max_scan)
        self.looks = looks
        self.examined = 0

    def look(self) -> None:
        """Raises: QueryNeedsIndex, where looks are bounded."""
        if self.looks is not None:
            self.looks -= 1
            if self.looks < 0:
                raise needs_index(self.search, self.plan)

    def spend(self, documents: int = 1) -> None:
        """Raises: QueryNeedsIndex."""
        if documents > self.left:
            self.examined += self.left
            raise needs_index(self.search, self.plan)
        self.left -= documents
        self.examined += documents


def needs_index(search: Search, plan: Plan) -> QueryNeedsIndex:
    if search.text is not None:
        advice = f"More than {search.max_scan} documents hold these words: search for more words at once."
        return QueryNeedsIndex(advice, index=None)
    fields = list(wanted(search.where, search.order, search.bound))
    used = [str(field) for field in plan.index.order.fields] if plan.index else []
    if not fields or fields == used:
        advice = "No index makes it smaller: narrow the filter or leave out count."
        if search.bound is not None:
            advice = (
                "No index serves this filter under the list rule: ask also for what the rule compares, "
                "or narrow it by _id or _created."
            )
        return QueryNeedsIndex(f"This examines more than {search.max_scan} documents. {advice}", index=None)
    named = ", ".join(fields)
    return QueryNeedsIndex(
        f"This examines more than {search.max_scan} documents. Add an index on [{named}] to the collection.",
        index={"fields": fields},
    )
