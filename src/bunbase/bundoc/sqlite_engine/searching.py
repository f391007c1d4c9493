"""Answer a search: a page in the order of the result, its count, or the rows that an aggregate reads."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final

import apsw

from bunbase.bundoc.documents import StoredDocument, with_system_fields
from bunbase.bundoc.query.advice import advice
from bunbase.bundoc.query.budgets import MAX_PAGE_BYTES, NO_LIMITS, Limits, growing
from bunbase.bundoc.query.plan import PRIMARY
from bunbase.bundoc.query.rows import Reads, Row
from bunbase.bundoc.query.search import Found, Words
from bunbase.bundoc.query.sort import id_key
from bunbase.bundoc.sqlite_engine.counting import Counting
from bunbase.bundoc.sqlite_engine.scanning import Scanning, decode
from bunbase.pkg import effort

# A search in the event loop has at most this many ranges, because SQLite takes 10 µs to prepare a statement for each.
LOOP_RANGES: Final = 20


class Searching(Scanning):
    """One search: its page, its count, or the rows of an aggregate."""

    sorted: int = 0  # The search has sorted this many documents.

    def found(self, limits: Limits = NO_LIMITS) -> Found:
        """Return the page, and the count if the search asks for it. Raises: QueryNeedsIndex."""
        self.budget = self.new_budget(limits.examined, limits.examined)
        ordered = self.plan.ordered and self.text is None
        items, more, last = self._page(ordered, limits.page_bytes)
        examined = self.budget.examined
        count, exact = None, True
        if self.search.count:
            count = self._known_count(items, more, ordered)
            if count is None:
                count, exact = Counting(self, limits.counted).counted(limits)
                examined += self.budget.examined
        index = self.plan.index.name if self.plan.index else PRIMARY
        explain = self.search.explain
        grows = growing(self.search, self.plan, self.covered, self.existing, self.ties) if explain else None
        return Found(
            items=self._shown(items),
            scores=tuple(self.scores[one.id] for one in items) if self.text else (),
            words=Words(self.text.definition, self.search.text) if self.text and self.search.text else None,
            more=more,
            last=last,
            count=count,
            estimated=not exact,
            index=self.text.definition.name if self.text else index,
            within=index if self.place else None,
            ordered=ordered,
            merged=len(self.plan.ranges) if ordered and self.plan.merged else 0,
            examined=examined,
            grows=grows,
            settlement=self.search.settlement,
        )

    def found_inline(self, limits: Limits) -> Found | None:
        """Return the result if it takes few steps, otherwise None.

        The plan must have the order of the result, the page must be small, and a count must need only keys.
        Raises: QueryNeedsIndex if the search exceeds the limits.
        """
        if (self.search.limit and not self.plan.ordered) or (self.search.count and not self.covered):
            return None
        if len(self.plan.ranges) > LOOP_RANGES:
            return None
        self.advises = False  # Nobody reads a refusal here, because a thread searches again.
        found = self.found(limits)
        return None if found.more and len(found.items) < self.search.limit else found

    def explained(self) -> Found:
        """Return the plan of an aggregate. The work of an aggregate that reads documents grows with every document."""
        keys = self.covering_plan(self.search.reads or Reads())
        plan = keys or self.plan
        index = plan.index.name if plan.index else PRIMARY
        grows = keys is None and not (self.covered and self.search.reads == Reads())
        return Found(
            index=index,
            ordered=False,
            grows=advice(self.search, plan, self.existing) if grows else None,
            settlement=self.search.settlement,
        )

    def rows(self) -> Iterator[Row]:
        """Yield the values that an aggregate reads of all documents that match the filter, in any order.

        Raises: QueryNeedsIndex.
        """
        reads = self.search.reads or Reads()
        plan = self.covering_plan(reads)
        if plan is not None:
            self.plan = plan
            yield from self.rows_of_keys(plan, reads)
            return
        for document in self.documents(None):
            effort.note(len(document.body))
            for row in reads.rows(decode(with_system_fields(document)), document.id):
                yield row
                if reads.each is not None and self.watch.over():
                    raise apsw.InterruptError("between two parts of an array")

    def _known_count(self, items: list[StoredDocument], more: bool, ordered: bool) -> int | None:
        """Return the count if the page determines it: the page has all matches, or was cut from a sorted list of all
        matches.
        """
        if not self.search.limit:
            return None
        if not ordered:
            return self.sorted
        return len(items) if self.search.after is None and not more else None

    def _page(self, ordered: bool, max_bytes: int) -> tuple[list[StoredDocument], bool, bytes]:
        if not self.search.limit:
            return [], False, b""
        if not ordered:
            return self._sort()
        return self._walk_ties(max_bytes) if self.plan.tied else self._walk(max_bytes)

    def _walk(self, max_bytes: int) -> tuple[list[StoredDocument], bool, bytes]:
        """Read the page in the plan's order, which is the order of the result, until the page is full."""
        if self.covered and len(self.plan.ranges) == 1:
            return self._read_covered(max_bytes)
        items: list[StoredDocument] = []
        size, more = 0, False
        for document in self.documents(self.search.after):
            if len(items) == self.search.limit or size >= max_bytes:
                more = True
                break
            items.append(document)
            size += len(document.body)
        return items, more, self.position(items[-1]) if more else b""

    def _walk_ties(self, max_bytes: int) -> tuple[list[StoredDocument], bool, bytes]:
        """Read the page in the plan's order, and sort documents that tie in the order of the result by their ids.

        A page needs all documents that tie with its last document. Only the positions of one page are kept in memory.
        """
        most, after = self.search.limit + 1, self.search.after
        first: list[tuple[bytes, str]] = []
        tied: list[tuple[bytes, str]] = []
        fields: bytes | None = None
        number = 0
        for id in self.ids(after):
            place = self.sort_place(id)
            if after is not None and place <= after:
                continue
            beginning = place.removesuffix(id_key(self.search.order, id))
            if beginning != fields:
                first += sorted(tied)
                tied, fields, number = [], beginning, 0
            tied.append((place, id))
            number += 1
            self.ties = self.budget.ties = max(self.ties, number)
            if len(first) >= self.search.limit:
                break
            if len(tied) > 2 * most:
                tied = heapq.nsmallest(most, tied)
        return self._read([*first, *sorted(tied)][:most], max_bytes)

    def _read_covered(self, max_bytes: int) -> tuple[list[StoredDocument], bool, bytes]:
        """Read the page like `_walk`, but without tests, because all documents belong to the result.

        The budget is charged once, for all documents that were read. The loop ends with the document that exceeds it.
        """
        sql, params = self.candidates.documents(self.plan.ranges[0], self.search.after)
        limit, budget = self.search.limit, self.budget
        items: list[StoredDocument] = []
        size, beyond, more = 0, 0, False
        rows = self.connection.execute(f"{sql} LIMIT ?", (*params, min(limit, budget.left) + 1))
        self.open.append(rows)
        try:
            for row in rows:
                if len(items) == limit or size >= max_bytes:
                    more, beyond = True, len(row[4])
                    break
                items.append(StoredDocument(*row))
                size += len(row[4])
                if size > budget.bytes_left:
                    break
        finally:
            rows.close()
        budget.spend(len(items) + more, size + beyond)
        return items, more, self.position(items[-1]) if more else b""

    def _sort(self) -> tuple[list[StoredDocument], bool, bytes]:
        """Examine all candidates, sort their positions, and read the documents of the page."""
        positions = self._positions()
        after = self.search.after
        rest = (one for one in positions if after is None or one[0] > after)
        return self._read(heapq.nsmallest(self.search.limit + 1, rest), MAX_PAGE_BYTES)

    def _read(self, first: list[tuple[bytes, str]], max_bytes: int) -> tuple[list[StoredDocument], bool, bytes]:
        """Read the page.

        `first`: the positions and ids of the documents on the page, and of the next document if there is one.
        """
        items: list[StoredDocument] = []
        size = 0
        for _, id in first[: self.search.limit]:
            if size >= max_bytes:
                break
            items.append(self.document(id))
            size += len(items[-1].body)
        last = first[len(items) - 1][0] if items else b""
        return items, len(items) < len(first), last

    def _positions(self) -> Iterator[tuple[bytes, str]]:
        for id in self.ids(None):
            self.sorted += 1
            yield self.sort_place(id), id

    def _shown(self, items: list[StoredDocument]) -> tuple[StoredDocument, ...]:
        if self.search.shown is None:
            return tuple(items)
        return tuple([self.search.shown(stored, self.lookup) for stored in items])
