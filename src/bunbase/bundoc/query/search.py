"""A search for an engine, its result, and the limit on the number of documents that it may examine."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.query.condition import Condition
from bunbase.bundoc.query.filters import EVERYTHING, Filter
from bunbase.bundoc.query.plan import PRIMARY, Bound, Plan, narrowing, wanted
from bunbase.bundoc.query.sort import Order
from bunbase.bundoc.query.text import TextSearch
from bunbase.contracts.bundoc.collections import IndexSpec
from bunbase.contracts.bundoc.problems import QueryNeedsIndex


class Search(msgspec.Struct, frozen=True):
    """A query for one page of documents, narrowed by the list rule of the caller.

    `after`: the position at which the previous page ended.
    `limit`: the size of the page; 0 if only the count is wanted.
    `max_scan`: how many documents the search may examine for the page, and how many more for the count.
    `text`: the search in a text index. `by_score`: best matches first; `order` decides between equal scores.

    These members come from the list rule, for this caller:
    `also`: a condition that is joined to the filter with AND.
    `residual`: the rule, if it must be evaluated for each document in addition to `also`.
    `nothing`: true if the rule allows no document at all.
    `implied`: a filter that follows from the rule; it helps to choose an index.
    `all_implied`: true if `implied` equals the rule for documents that have no array on its paths.
    `words`: the tests of single fields in the rule.
    `shown`: a function that removes hidden fields from a document.
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
        """The filter that follows from the rule; None if the rule allows every document."""
        if self.also is None and self.residual is None:
            return None
        return Bound(self.implied, self.all_implied, self.words)


class Words(msgspec.Struct, frozen=True):
    """The text index and the search, for highlights."""

    definition: IndexSpec
    sought: TextSearch


class Found(msgspec.Struct, frozen=True):
    """The result of a search.

    `more`: there are further documents. `last`: then, the position of the last item. `index`: the index that was used.
    `scores`: the score of each item of a text search. `within`: the index that narrowed a text search, if any.
    """

    items: tuple[StoredDocument, ...] = ()
    scores: tuple[float, ...] = ()
    words: Words | None = None
    more: bool = False
    last: bytes = b""
    count: int | None = None
    index: str = PRIMARY
    within: str | None = None
    ordered: bool = True
    examined: int = 0


def nothing_found(search: Search) -> Found:
    return Found(count=0 if search.count else None)


class ScanBudget:
    """Counts the documents that a search examines. The same search examines the same documents on every engine.

    A document that the rule denies, or that has expired, is read but not counted. Otherwise, a refusal would show the
    caller that the document exists. `looks`: the limit on all reads of documents, None for no limit here.
    """

    def __init__(self, search: Search, plan: Plan, most: int | None = None, looks: int | None = None) -> None:
        self.search = search
        self.plan = plan
        self.left = search.max_scan if most is None else min(most, search.max_scan)
        self.looks = looks
        self.examined = 0

    def look(self) -> None:
        """Count the read of a document. Raises: QueryNeedsIndex after `looks` documents."""
        if self.looks is not None:
            self.looks -= 1
            if self.looks < 0:
                raise needs_index(self.search, self.plan)

    def spend(self, documents: int = 1) -> None:
        """Count examined documents. Raises: QueryNeedsIndex if there are too many."""
        if documents > self.left:
            self.examined += self.left
            raise needs_index(self.search, self.plan)
        self.left -= documents
        self.examined += documents


def needs_index(search: Search, plan: Plan) -> QueryNeedsIndex:
    if search.text is not None:
        return _needs_narrowing(search, plan)
    fields = list(wanted(search.where, search.order, search.bound))
    used = [str(field) for field in plan.index.order.fields] if plan.index else []
    if not fields or fields == used:
        advice = "No index can help: use a narrower filter or leave out count."
        if search.bound is not None:
            advice = (
                "No index can help here, because the list rule applies as well: add the comparisons of the rule to the "
                "filter, or compare _id or _created."
            )
        return QueryNeedsIndex(f"This query examines more than {search.max_scan} documents. {advice}", index=None)
    named = ", ".join(fields)
    return QueryNeedsIndex(
        f"This query examines more than {search.max_scan} documents. Add an index on [{named}] to the collection.",
        index={"fields": fields},
    )


def _needs_narrowing(search: Search, plan: Plan) -> QueryNeedsIndex:
    """Return the refusal of a search by words, with the index that would narrow it to fewer documents."""
    many = f"More than {search.max_scan} documents contain these words"
    fields = list(narrowing(search.where, search.bound))
    if not fields or (plan.index is not None and len(plan.said) >= len(fields)):
        return QueryNeedsIndex(f"{many}: add words to the search, or a field that must equal a value.", index=None)
    advice = f"{many}. Add an index on [{', '.join(fields)}] to the collection, to search only within these fields."
    return QueryNeedsIndex(advice, index={"fields": fields})
