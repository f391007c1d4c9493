"""A search for an engine, its result, and the limit on the number of documents that it may examine."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.query.condition import Condition
from bunbase.bundoc.query.filters import EVERYTHING, Filter
from bunbase.bundoc.query.implies import conjuncts
from bunbase.bundoc.query.plan import PRIMARY, Bound, Plan, may_be_proved, narrowing, wanted
from bunbase.bundoc.query.predicate import paths_of
from bunbase.bundoc.query.rows import ID, Reads, is_told_by_keys
from bunbase.bundoc.query.sort import MAX_FIELDS, Order
from bunbase.bundoc.query.text import TextSearch
from bunbase.contracts.bundoc.collections import IndexSpec
from bunbase.contracts.bundoc.problems import QueryNeedsIndex


class Search(msgspec.Struct, frozen=True):
    """A query for one page of documents, narrowed by the list rule of the caller.

    `after`: the position at which the previous page ended.
    `limit`: the size of the page; 0 if only the count is wanted.
    `max_scan`: how many documents the search may examine for the page, and how many more for the count.
    `max_entries`: how many entries of an index it may examine where the entries are enough and no document is read.
    `reads`: the values that an aggregate needs of each document; None for a search that needs whole documents.
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
    max_entries: int = 5_000_000
    reads: Reads | None = None
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


class Budgets(msgspec.Struct, frozen=True):
    """How many documents a query may examine, and how many entries of an index where no document is read."""

    documents: int = 10_000
    entries: int = 5_000_000


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
        self.existing: Collection[tuple[str, ...]] = ()
        self.left = search.max_scan if most is None else min(most, search.max_scan)
        self.looks = looks
        self.examined = 0

    def look(self) -> None:
        """Count the read of a document. Raises: QueryNeedsIndex after `looks` documents."""
        if self.looks is not None:
            self.looks -= 1
            if self.looks < 0:
                raise needs_index(self.search, self.plan, self.existing)

    def spend(self, documents: int = 1) -> None:
        """Count examined documents. Raises: QueryNeedsIndex if there are too many."""
        if documents > self.left:
            self.examined += self.left
            raise needs_index(self.search, self.plan, self.existing)
        self.left -= documents
        self.examined += documents


class EntryBudget(ScanBudget):
    """Counts the entries of an index that a search examines without their documents."""

    def __init__(self, search: Search, plan: Plan, most: int | None = None) -> None:
        super().__init__(search, plan)
        self.left = search.max_entries if most is None else min(most, search.max_entries)

    def spend(self, documents: int = 1) -> None:
        if documents > self.left:
            self.examined += self.left
            message = f"This query examines more than {self.search.max_entries} entries of an index: narrow the filter."
            raise QueryNeedsIndex(message, index=None)
        self.left -= documents
        self.examined += documents


def needs_index(search: Search, plan: Plan, existing: Collection[tuple[str, ...]] = ()) -> QueryNeedsIndex:
    """Return the error that names the index to add. `existing`: the fields of the indexes of the collection."""
    if search.text is not None:
        return _needs_narrowing(search, plan)
    too_many = f"This query examines more than {search.max_scan} documents."
    used = tuple(str(field) for field in plan.index.order.fields) if plan.index else ()
    usual = wanted(search.where, search.order, search.bound)
    useful = [one for one in (_covering_fields(search), usual) if one and one != used and one not in existing]
    if not useful:
        return QueryNeedsIndex(f"{too_many} {_other(search)}", index=None)
    advice = f"Add an index on [{', '.join(useful[0])}] to the collection."
    return QueryNeedsIndex(f"{too_many} {advice}", index={"fields": list(useful[0])})


def _covering_fields(search: Search) -> tuple[str, ...]:
    """Return the fields of an index that answers the aggregate without documents; () if no index can."""
    reads, bound = search.reads, search.bound
    if reads is None or reads.each is not None or search.residual is not None:
        return ()
    if not all(is_told_by_keys(test) for test in conjuncts(search.where)):
        return ()
    if bound is not None and not may_be_proved(search.where, bound):
        return ()
    fields = [*wanted(search.where, Order(), bound), *(".".join(path) for path in paths_of(search.where))]
    fields += [".".join(path) for path in reads.paths]
    needed = tuple(dict.fromkeys(field for field in fields if field != ".".join(ID)))
    return needed if len(needed) <= MAX_FIELDS else ()


def _other(search: Search) -> str:
    """Return advice for a query that no index can help."""
    if search.bound is not None:
        return (
            "No index can help here, because the list rule applies as well: add the comparisons of the rule to the "
            "filter, or compare _id or _created."
        )
    counts = " or leave out count" if search.count and search.limit else ""
    return f"No index can help: use a narrower filter{counts}."


def _needs_narrowing(search: Search, plan: Plan) -> QueryNeedsIndex:
    """Return the refusal of a search by words, with the index that would narrow it to fewer documents."""
    many = f"More than {search.max_scan} documents contain these words"
    fields = list(narrowing(search.where, search.bound))
    if not fields or (plan.index is not None and len(plan.said) >= len(fields)):
        return QueryNeedsIndex(f"{many}: add words to the search, or a field that must equal a value.", index=None)
    advice = f"{many}. Add an index on [{', '.join(fields)}] to the collection, to search only within these fields."
    return QueryNeedsIndex(advice, index={"fields": fields})
