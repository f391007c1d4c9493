"""A search for an engine, and its result. `budgets.py` limits what a search may examine."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.query.condition import Condition
from bunbase.bundoc.query.filters import EVERYTHING, Filter
from bunbase.bundoc.query.plan import PRIMARY, Bound
from bunbase.bundoc.query.rows import Reads
from bunbase.bundoc.query.sort import Order
from bunbase.bundoc.query.text import TextSearch
from bunbase.contracts.bundoc.collections import IndexSpec


class Settlement(msgspec.Struct, frozen=True):
    """The parts of a list rule that look up another document, sorted by how often BunBase evaluates them.

    `looked_up`: the source of each part that BunBase evaluated once before the search, and whether the part is true.
    `left_over`: the parts that are still evaluated for each document.
    """

    looked_up: tuple[tuple[str, bool], ...]
    left_over: tuple[str, ...]


class Search(msgspec.Struct, frozen=True):
    """A query for one page of documents, narrowed by the list rule of the caller.

    `after`: the position at which the previous page ended.
    `limit`: the size of the page; 0 if only the count is wanted.
    `max_scan`: the number of documents that the search may examine for the page, and again for the count.
    `scan_setting`: the name of the setting of `max_scan`, for errors.
    `max_bytes`: the size that these documents may have together.
    `max_entries`: the number of index entries that the search may examine if it reads no documents.
    `reads`: the values that an aggregate needs of each document; None for a search that needs whole documents.
    `explain`: true if the result must have the advice `grows`, which takes far more time than the plan.
    `text`: the search in a text index. `by_score`: true if the best matches come first; then `order` decides between
    equal scores.

    These members come from the list rule, for this caller:
    `also`: a condition that is joined to the filter with AND.
    `residual`: the rule, if it must be evaluated for each document in addition to `also`.
    `nothing`: true if the rule allows no document at all.
    `implied`: a filter that follows from the rule; it helps to choose an index.
    `all_implied`: true if `implied` equals the rule for documents that have no array on its paths.
    `words`: the tests of single fields in the rule.
    `shown`: a function that removes hidden fields from a document.
    `settle`: a function that returns the search without the look-ups of the rule that have one value for the query.
    `settlement`: the look-ups that `settle` has done.
    """

    where: Filter = EVERYTHING
    order: Order = Order()
    after: bytes | None = None
    limit: int = 20
    count: bool = False
    max_scan: int = 10_000
    scan_setting: str = ""
    max_bytes: int = 64 << 20
    max_entries: int = 5_000_000
    reads: Reads | None = None
    also: Condition | None = None
    implied: Filter = EVERYTHING
    all_implied: bool = False
    words: tuple[Filter, ...] = ()
    residual: Callable[[StoredDocument, Lookup], bool] | None = None
    shown: Callable[[StoredDocument, Lookup], StoredDocument] | None = None
    nothing: bool = False
    settle: Callable[[Search, Lookup], Search] | None = None
    settlement: Settlement | None = None
    text: TextSearch | None = None
    explain: bool = False
    by_score: bool = False

    def settled(self, lookup: Lookup) -> Search:
        """Return the search to run. `lookup`: reads documents in the transaction of the search. Idempotent."""
        return self if self.settle is None else self.settle(self, lookup)

    @property
    def wants_page(self) -> bool:
        """False for an aggregate, and for a count without a page.

        An aggregate and a count need all matches, in any order.
        """
        return self.limit > 0 and self.reads is None

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


class Advice(msgspec.Struct, frozen=True):
    """Advice to make a search cheaper. `index`: the fields of the index to add; None if no index helps."""

    text: str
    index: tuple[str, ...] | None = None


class Found(msgspec.Struct, frozen=True):
    """The result of a search.

    `more`: true if there are further documents. If `more` is true, `last` is the position of the last item. `index`:
    the index that was used.
    `merged`: the number of ranges of the index that were merged for the order. `scores`: the score of each item of a
    text search.
    `within`: the index that narrowed a text search, if any.
    `estimated`: true if the count is an estimate, because an exact count would exceed the budget. `grows`: for a search
    with `explain`, the advice if the work of the search grows with the collection, so that it will be refused one day.
    `settlement`: the look-ups that were done before the search.
    """

    items: tuple[StoredDocument, ...] = ()
    scores: tuple[float, ...] = ()
    words: Words | None = None
    more: bool = False
    last: bytes = b""
    count: int | None = None
    estimated: bool = False
    index: str = PRIMARY
    within: str | None = None
    ordered: bool = True
    merged: int = 0
    examined: int = 0
    grows: Advice | None = None
    settlement: Settlement | None = None


def nothing_found(search: Search) -> Found:
    return Found(count=0 if search.count else None, settlement=search.settlement)
