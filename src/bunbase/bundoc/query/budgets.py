"""The budget of a search limits documents, their bytes, and entries of an index.

The budget is the same on every machine.

Time is not a budget, because it depends on the machine. A time limit ends a search only if none of these numbers has
ended the search before.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.bundoc.query.advice import NO_INDEXES, Indexes, advice
from bunbase.bundoc.query.plan import Plan, admits, narrows
from bunbase.bundoc.query.ranges import Range
from bunbase.bundoc.query.search import Advice, Search
from bunbase.contracts.bundoc.problems import QueryNeedsIndex

MAX_PAGE_BYTES: Final = 8 << 20
# Measured: 100,000 documents of 170 bytes, under the rule `doc.household == auth.uid`, take 0.37 s on a busy 2-core
# machine.
READ_PER_SECOND: Final = 200_000
SERVER_SETTING: Final = "bundoc.server_scan"
# If more documents than this have the same value, the field counts as one with many equal values.
# A field such as `done` has ever more equal values. A time has few, even after an import.
MANY_TIES: Final = 1000
MOST_KEPT: Final = 200_000  # A search holds at most this many ids in memory (about 25 MB).


class Budgets(msgspec.Struct, frozen=True):
    """The limits of a query.

    `documents`, `bytes`: the number of documents that a query may examine, and their size. `entries`: the number of
    entries of an index that a query may examine without reading their documents. `seconds`: the time that a query may
    take. `setting`: the name of the setting of `documents`.
    """

    documents: int = 10_000
    bytes: int = 64 << 20
    entries: int = 5_000_000
    seconds: float = 5.0
    setting: str = "max_scan of the collection"

    @property
    def growing(self) -> int:
        """The approximate number of documents at which BunBase refuses queries whose work grows with the collection."""
        return min(self.documents, int(READ_PER_SECOND * self.seconds))

    def of_collection(self, max_scan: int | None, most: int) -> Budgets:
        """Return the budgets for a collection.

        `max_scan`: the collection's own limit of documents; at most `most` of them count.
        """
        return self if max_scan is None else msgspec.structs.replace(self, documents=min(max_scan, most))


BOUND: Final = Budgets()
# These budgets apply to callers that no rule binds.
UNBOUND: Final = Budgets(5_000_000, 1 << 30, setting=SERVER_SETTING)


class Limits(msgspec.Struct, frozen=True):
    """The limits of a search in the event loop, which are lower than its usual limits. None means the usual limit.

    `counted`: the number of documents that may be examined for the count. `examined`: the number of documents that may
    be examined for the page, including denied documents. `page_bytes`: the size after which a page ends.
    """

    counted: int | None = None
    examined: int | None = None
    page_bytes: int = MAX_PAGE_BYTES


NO_LIMITS: Final = Limits()


class ScanBudget:
    """Counts what a search examines. The same search examines the same documents on every engine.

    A document that the rule denies, or that has expired, is read but not counted. Otherwise, a refusal would show the
    caller that the document exists. `looks`: the limit on all reads of documents; None if there is no limit here.
    `counted`: the limit of documents for a count that is returned with a page. Beyond this limit, the count becomes an
    estimate, so that time is left for the page. `ties`: the largest number of examined documents with the same place in
    the order of the result. `advises`: true if refusals name the index to add; False if nobody reads the refusal.
    """

    counted = 100_000

    def __init__(self, search: Search, plan: Plan, most: int | None = None, looks: int | None = None) -> None:
        self.search = search
        self.plan = plan
        self.existing = NO_INDEXES
        self.advises = True
        self.ties = 0
        self.left = search.max_scan if most is None else min(most, search.max_scan)
        self.bytes_left = search.max_bytes
        self.kept = 0
        self.looks = looks
        self.examined = 0

    def look(self) -> None:
        """Count the read of a document. Raises: QueryNeedsIndex after `looks` documents."""
        if self.looks is not None:
            self.looks -= 1
            if self.looks < 0:
                raise self.refusal("documents")

    def spend(self, documents: int = 1, bytes: int = 0) -> None:
        """Count examined documents with their bytes. Raises: QueryNeedsIndex if the documents or bytes are too many."""
        if documents > self.left:
            self.examined += self.left
            raise self.refusal("documents")
        self.left -= documents
        self.examined += documents
        self.spend_bytes(bytes)

    def spend_bytes(self, bytes: int) -> None:
        """Count bytes of documents that are counted already. Raises: QueryNeedsIndex if the bytes are too many."""
        self.bytes_left -= bytes
        if self.bytes_left < 0:
            raise self.refusal("bytes")

    def keep(self) -> None:
        """Count an id that the search keeps in memory. Raises: QueryNeedsIndex if the ids are too many."""
        self.kept += 1
        if self.kept > MOST_KEPT:
            raise self.refusal("matches")

    def refusal(self, of: str) -> QueryNeedsIndex:
        """Return the error.

        The error names the budget and its size, and contains no number that depends on hidden documents.
        """
        if not self.advises:
            return QueryNeedsIndex("", index=None)
        most = {"documents": self.search.max_scan, "bytes": self.search.max_bytes}.get(of, MOST_KEPT)
        return needs_index(self.search, self.plan, of, most, self.existing, 2 * self.ties > self.search.max_scan)


class EntryBudget(ScanBudget):
    """Counts the entries of an index that a search examines without their documents."""

    counted = 1_000_000

    def __init__(self, search: Search, plan: Plan, most: int | None = None) -> None:
        super().__init__(search, plan)
        self.left = search.max_entries if most is None else min(most, search.max_entries)

    def spend(self, documents: int = 1, bytes: int = 0) -> None:
        if documents > self.left:
            self.examined += self.left
            message = f"This query examines more than {self.search.max_entries} entries of an index: narrow the filter."
            raise QueryNeedsIndex(message, index=None, budget={"of": "entries", "most": self.search.max_entries})
        self.left -= documents
        self.examined += documents


def needs_index(
    search: Search, plan: Plan, of: str, most: int, existing: Indexes = NO_INDEXES, many_ties: bool = False
) -> QueryNeedsIndex:
    """Return the error that names the index to add. `existing`: the indexes of the collection."""
    found = advice(search, plan, existing, many_ties)
    if search.text is not None:
        too_many = f"More than {most} {of} contain these words."
        if of == "bytes":
            too_many = f"The documents with these words have more than {most} bytes."
    else:
        examined = "keeps more than {} matches" if of == "matches" else "examines more than {} " + of
        if of == "bytes":
            examined += " of documents"
        too_many = f"This query {examined.format(most)}."
    index = None if found.index is None else {"fields": list(found.index)}
    limit = f" {search.scan_setting} sets the limit." if of == "documents" and search.scan_setting else ""
    return QueryNeedsIndex(f"{too_many} {found.text}{limit}", index=index, budget={"of": of, "most": most})


def growing(search: Search, plan: Plan, covered: bool, existing: Indexes, ties: int = 0) -> Advice | None:
    """Return advice if the work for a page grows with the collection.

    The work grows if the search may examine documents that do not match, or all documents that match. `covered`: true
    if all documents in the ranges of the plan match. `ties`: the largest number of examined documents with the same
    place in the order of the result.
    """
    many_ties = ties > MANY_TIES
    return advice(search, plan, existing, many_ties) if many_ties or _grows(search, plan, covered) else None


def _grows(search: Search, plan: Plan, covered: bool) -> bool:
    if search.text is not None:
        return True
    if not search.limit or (covered and plan.ordered):
        return False
    if search.bound is not None and not admits(plan, search.bound):
        return True
    named = plan.index is None and plan.ranges != (Range(),)
    return not (plan.ordered or named) or not narrows(plan, search.where)
