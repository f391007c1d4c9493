"""Run a search over one collection's table: read the candidates in the plan's order, and charge each to the budget.

If a rule denies a document, nothing else is evaluated for this document: no filter, position, score or group
(docs/decisions/0032). The part of the rule that SQL can express comes first (`guard`), then the rest of the rule in
Python (`residual`), then the filter. Only documents that pass the rule count against the budget.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, Final, TypeVar

import apsw
import msgspec

from bunbase.bundoc.documents import Lookup, StoredDocument, with_system_fields
from bunbase.bundoc.query.advice import Indexes, advice
from bunbase.bundoc.query.budgets import MAX_PAGE_BYTES, NO_LIMITS, EntryBudget, Limits, ScanBudget, growing
from bunbase.bundoc.query.condition import Condition
from bunbase.bundoc.query.covering import covered
from bunbase.bundoc.query.filters import EVERYTHING
from bunbase.bundoc.query.order import inverted, key
from bunbase.bundoc.query.plan import PRIMARY, Plan, Range, admits, choose
from bunbase.bundoc.query.rows import Reads, Row
from bunbase.bundoc.query.search import Found, Search, Words
from bunbase.bundoc.query.sort import id_key, position
from bunbase.bundoc.query.sql import both, condition
from bunbase.bundoc.sqlite_engine.candidates import DENIED, FULFILS, Candidates, Statement
from bunbase.bundoc.sqlite_engine.index_tables import IndexTable, index_tables
from bunbase.bundoc.sqlite_engine.key_rows import KeyRows, covering_plan
from bunbase.bundoc.sqlite_engine.merging import merged_ids
from bunbase.bundoc.sqlite_engine.sql_functions import IN_A_SCAN
from bunbase.bundoc.sqlite_engine.tables import Table
from bunbase.bundoc.sqlite_engine.text_matching import NOT_FULFILLED, OUTSIDE, TextMatching, place_of, text_index
from bunbase.bundoc.sqlite_engine.text_tables import TextTable
from bunbase.bundoc.sqlite_engine.watch import Watch
from bunbase.contracts.bundoc.problems import QueryNeedsIndex
from bunbase.pkg import effort

decode: Final = msgspec.json.Decoder().decode

Budget = TypeVar("Budget", bound=ScanBudget)

LOOP_RANGES: Final = 20  # the most ranges in the event loop; SQLite prepares a statement for each range, in 10 µs


class Searching:
    """One search. The connection must be in a transaction, so that the whole search sees the same state.

    `watch`: the limit of the time, in a thread or in the event loop. Call `close` after the search, also after an
    error: the traceback of an exception may keep a generator alive, and with it an open cursor.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        table: Table,
        search: Search,
        lookup: Lookup,
        watch: Watch = IN_A_SCAN,
    ) -> None:
        self.connection = connection
        self.table = table
        self.search = search
        self.lookup = lookup
        self.watch = watch
        self.open: list[apsw.Cursor] = []
        kept = index_tables(connection, table.number)
        self.text = text_index(search, kept) if search.text else None
        self.scores: dict[str, float] = {}
        self.counted: int | None = None
        self.matched = 0
        self.sorted = 0
        self.ties = 0
        self.advises = True
        self.most_entries: int | None = None
        tables = [one for one in kept if one.ready and isinstance(one, IndexTable)]
        self.by_name = {one.index.name: one for one in tables}
        self.plan = choose(search.where, search.order, [one.index for one in tables], search.bound)
        self.counted_in = self.plan
        building = frozenset(tuple(one.definition.fields) for one in kept if not one.ready)
        self.existing = Indexes(tuple([one.index for one in tables]), building, not table.alive)
        self.covered = self._is_covered()
        self.budget = self._new_budget()
        self.guard = None if self.covered else self._guard()
        self.test = None if self.covered or search.where == EVERYTHING else watch.around(condition(search.where))
        keys = self.by_name[self.plan.index.name].name if self.plan.index else ""
        self.place = place_of(self.plan, keys) if self.text else None
        residual = search.residual is not None
        at_once = None if residual else self.test  # the part of the rule that Python evaluates comes before the filter
        self.candidates = Candidates(table, self.plan, keys, search.order, self.guard, at_once, residual)

    def close(self) -> None:
        """Close all open cursors. An open cursor would keep its snapshot, and SQLite could not truncate its log."""
        for rows in self.open:
            rows.close()
        self.open.clear()

    def found(self, limits: Limits = NO_LIMITS) -> Found:
        """Return the page, and the count if the search asks for it. Raises: QueryNeedsIndex."""
        self.counted = limits.counted
        self.budget = self._new_budget(limits.examined, limits.examined)
        ordered = self.plan.ordered and self.text is None
        items, more, last = self._page(ordered, limits.page_bytes)
        examined = self.budget.examined
        count, exact = None, True
        if self.search.count:
            count = self._known_count(items, more, ordered)
            if count is None:
                count, exact = self._counted(limits)
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
        self.advises = False  # a refusal is thrown away, and a thread searches again
        found = self.found(limits)
        return None if found.more and len(found.items) < self.search.limit else found

    def explained(self) -> Found:
        """Return the plan of an aggregate. If an aggregate reads documents, its work grows with every document."""
        keys = self._covering_plan(self.search.reads or Reads())
        plan = keys or self.plan
        index = plan.index.name if plan.index else PRIMARY
        grows = keys is None and not (self.covered and self.search.reads == Reads())
        return Found(index=index, ordered=False, grows=advice(self.search, plan, self.existing) if grows else None)

    def rows(self) -> Iterator[Row]:
        """Yield the values that an aggregate reads of all documents that match the filter, in any order.

        Raises: QueryNeedsIndex.
        """
        reads = self.search.reads or Reads()
        plan = self._covering_plan(reads)
        if plan is not None:
            self.plan = plan
            yield from self._rows_of_keys(plan, reads)
            return
        for document in self._documents(None):
            effort.note(len(document.body))
            for row in reads.rows(decode(with_system_fields(document)), document.id):
                yield row
                if reads.each is not None and self.watch.over():
                    raise apsw.InterruptError("between two parts of an array")

    def _covering_plan(self, reads: Reads) -> Plan | None:
        if self.text is not None or self.table.alive:
            return None
        return covering_plan(self.search, reads, [one.index for one in self.by_name.values()])

    def _rows_of_keys(self, plan: Plan, reads: Reads, most: int | None = None) -> Iterator[Row]:
        assert plan.index is not None
        self.budget = budget = self._prepared(EntryBudget(self.search, plan, most))
        rows = KeyRows(plan, self.search.where, reads, lambda id: decode(with_system_fields(self._document(id))))
        select = f"SELECT k, id FROM {self.by_name[plan.index.name].name} WHERE k >= ? AND k < ? ORDER BY k"
        for range in plan.ranges:
            yield from rows.of(self._rows((select, (range.low, range.high))), budget, self._look)

    def _new_budget(self, most: int | None = None, looks: int | None = None) -> ScanBudget:
        search = msgspec.structs.replace(self.search, reads=None) if self.table.alive else self.search
        return self._prepared(ScanBudget(search, self.plan, most, looks))

    def _prepared(self, budget: Budget) -> Budget:
        budget.existing = self.existing
        budget.advises = self.advises
        return budget

    def _is_covered(self) -> bool:
        """True if every document in the plan's ranges belongs to the result; then no document has to be tested."""
        if self.text is not None or self.search.residual is not None or self.table.alive:
            return False
        bound = self.search.bound
        return (bound is None or admits(self.plan, bound)) and covered(self.plan, self.search.where)

    def _guard(self) -> Condition | None:
        """Return the condition that comes first: the document has not expired, and the SQL of the rule allows it."""
        alive = Condition(self.table.alive) if self.table.alive else None
        guard = both(alive, self.search.also) if alive and self.search.also else alive or self.search.also
        return None if guard is None else self.watch.around(guard)

    def _known_count(self, items: list[StoredDocument], more: bool, ordered: bool) -> int | None:
        """Return the count if the page determines it: the page has all matches, or was cut from a sorted list of all
        matches.
        """
        if not self.search.limit:
            return None
        if not ordered:
            return self.sorted
        return len(items) if self.search.after is None and not more else None

    def _counted(self, limits: Limits) -> tuple[int, bool]:
        """Return the count, and True if the count is exact. If the search also wants a page, a count beyond its budget
        becomes an estimate.

        Raises: QueryNeedsIndex if only the count is wanted, or in the event loop.
        """
        alone = self._prepared(EntryBudget(self.search, self.plan, limits.counted))
        self.budget = alone if self.covered else self._new_budget(limits.counted)
        if not self.search.limit or limits.counted is not None:
            return self._count(), True
        self.most_entries = EntryBudget.counted
        self.budget.left = min(self.budget.left, self.budget.counted)
        self.advises = self.budget.advises = False  # an estimate replaces the refusal
        try:
            return self._count(), True
        except QueryNeedsIndex:
            return self._estimate(), False

    def _estimate(self) -> int:
        """Return the approximate number of matches, after a count has used its budget.

        A caller bound by a rule may only learn about documents that the rule allows. If the rule allows all documents
        in the ranges, the share of matches among the examined documents is applied to all documents. Otherwise the
        estimate is the number of matches so far, which does not depend on hidden documents.
        """
        bound, plan, examined = self.search.bound, self.counted_in, self.budget.examined
        if self.text is not None or not examined or not (bound is None or admits(plan, bound)):
            return self.matched
        keys = self.by_name[plan.index.name].name if plan.index else ""
        places = Candidates(self.table, plan, keys, self.search.order)
        return max(self.matched, round(self.matched * places.size(self.connection) / examined))

    def _count(self) -> int:
        unruled = self.search.also is None and self.search.residual is None
        everything = self.search.where == EVERYTHING and unruled and self.text is None
        if everything and not self.table.alive:
            return self._count_all()
        if not self.covered and (plan := self._covering_plan(Reads())) is not None:
            self.counted_in = plan
            for row in self._rows_of_keys(plan, Reads(), self.most_entries):
                self.matched += row.documents
        elif self.text is not None or self.search.residual is not None or not self.candidates.countable:
            for _ in self._ids(None):
                self.matched += 1
        else:
            for range in self.plan.ranges:
                self._count_range(range)
        return self.matched

    def _count_all(self) -> int:
        """Count all documents. In the event loop, stop above a limit, because SQLite does not check the time."""
        if self.counted is not None:
            few = f"SELECT count(*) FROM (SELECT 1 FROM {self.table.name} LIMIT ?)"
            number = int(self.connection.execute(few, (self.counted + 1,)).get)
            if number > self.counted:
                raise apsw.InterruptError("too many documents to count in the event loop")
            return number
        return int(self.connection.execute(f"SELECT count(*) FROM {self.table.name}").get)

    def _count_range(self, range: Range) -> None:
        """Count the documents in a range in one statement.

        Without a guard, count the keys first, and charge them to the budget.
        """
        most = self.budget.left
        if self.guard is not None:
            admitted, fulfilling, size = self.connection.execute(*self.candidates.passing(range, most + 1)).get
            self.matched += fulfilling
            self.budget.spend(admitted, size)
            return
        examined = int(self.connection.execute(*self.candidates.number(range, most + 1)).get)
        if self.test is None:
            self.matched += min(examined, most)
            self.budget.spend(examined)
        elif examined:
            _, fulfilling, size = self.connection.execute(*self.candidates.passing(range, min(examined, most))).get
            self.matched += fulfilling
            self.budget.spend(examined, size)

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
        for document in self._documents(self.search.after):
            if len(items) == self.search.limit or size >= max_bytes:
                more = True
                break
            items.append(document)
            size += len(document.body)
        return items, more, self._position(items[-1]) if more else b""

    def _walk_ties(self, max_bytes: int) -> tuple[list[StoredDocument], bool, bytes]:
        """Read the page in the plan's order, and sort documents that tie in the order of the result by their ids.

        A page needs all documents that tie with its last document. Only the positions of one page are kept in memory.
        """
        most, after = self.search.limit + 1, self.search.after
        first: list[tuple[bytes, str]] = []
        tied: list[tuple[bytes, str]] = []
        fields: bytes | None = None
        number = 0
        for id in self._ids(after):
            place = self._place(id)
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
        """Read the page like `_walk`, but without tests, because all documents belong to the result."""
        sql, params = self.candidates.documents(self.plan.ranges[0], self.search.after)
        items: list[StoredDocument] = []
        size, more = 0, False
        for row in self._rows((f"{sql} LIMIT ?", (*params, self.search.limit + 1))):
            self.budget.spend(1, len(row[4]))
            if len(items) == self.search.limit or size >= max_bytes:
                more = True
                break
            items.append(StoredDocument(*row))
            size += len(row[4])
        return items, more, self._position(items[-1]) if more else b""

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
            items.append(self._document(id))
            size += len(items[-1].body)
        last = first[len(items) - 1][0] if items else b""
        return items, len(items) < len(first), last

    def _positions(self) -> Iterator[tuple[bytes, str]]:
        for id in self._ids(None):
            self.sorted += 1
            yield self._place(id), id

    def _place(self, id: str) -> bytes:
        if self.search.by_score:
            return inverted(key(self.scores[id])) + id_key(self.search.order, id)
        document = self._document(id)
        if self.candidates.keys_alone:
            self.budget.spend_bytes(len(document.body))
        return self._position(document)

    def _permitted(self, id: str) -> bool:
        """True if the document passes the part of the rule that SQL cannot express."""
        return self.search.residual is None or self.search.residual(self._document(id), self.lookup)

    def _shown(self, items: list[StoredDocument]) -> tuple[StoredDocument, ...]:
        if self.search.shown is None:
            return tuple(items)
        return tuple([self.search.shown(stored, self.lookup) for stored in items])

    def _position(self, document: StoredDocument) -> bytes:
        return position(self.search.order, decode(with_system_fields(document)))

    def _document(self, id: str) -> StoredDocument:
        stored = self.table.stored(self.connection, id)  # finds the document even if it has expired since the test
        assert stored is not None  # this transaction has read its id
        return stored

    def _documents(self, after: bytes | None) -> Iterator[StoredDocument]:
        """Yield the whole documents for `_ids`."""
        if not self.covered or self.plan.merged:
            for id in self._ids(after):
                document = self._document(id)
                if self.candidates.keys_alone:
                    self.budget.spend_bytes(len(document.body))
                yield document
            return
        for range in self.plan.ranges:
            for row in self._rows(self.candidates.documents(range, after)):
                self._look()
                self.budget.spend(1, len(row[4]))
                yield StoredDocument(*row)

    def _ids(self, after: bytes | None) -> Iterator[str]:
        """Yield the ids of the documents that match the filter, in the plan's order, each id only once."""
        if self.text is not None:
            yield from self._found_by_text(self.text)
            return
        known: set[str] = set()
        many = self.candidates.many
        for id, verdict, size in self._met(after):
            if many and id in known:
                continue
            if many:
                self.budget.keep()
                known.add(id)
            self._look()
            if verdict == DENIED or not self._permitted(id):
                continue
            self.budget.spend(1, size)
            if verdict == FULFILS and self._fulfils(id):
                yield id

    def _met(self, after: bytes | None) -> Iterator[tuple[str, int, int]]:
        """Yield the id, the verdict and the size of each candidate, in the plan's order."""
        if self.plan.merged:
            for id in merged_ids(self.plan, self.candidates, after, self._rows):
                met: Any = self.connection.execute(*self.candidates.one(id)).fetchone()
                yield met
            return
        for range in self.plan.ranges:
            yield from self._rows(self.candidates.ids(range, after))

    def _rows(self, statement: Statement) -> Iterator[Any]:
        rows = self.connection.execute(*statement)
        self.open.append(rows)
        try:
            yield from rows
        finally:
            rows.close()

    def _look(self) -> None:
        self.budget.look()
        if self.watch.over():
            raise apsw.InterruptError("between two documents")

    def _fulfils(self, id: str) -> bool:
        """True if the document matches the filter. SQL has tested this before if no part of the rule is in Python."""
        if self.search.residual is None or self.test is None:
            return True
        sql = f"SELECT {self.test.sql} FROM {self.table.name} AS d WHERE d.id = ?"
        return bool(self.connection.execute(sql, (*self.test.params, id)).get)

    def _found_by_text(self, text: TextTable) -> Iterator[str]:
        """Yield ids in any order, and store their scores. A denied document gets no score."""
        assert self.search.text is not None
        if not self.search.text.all:
            return
        matching = TextMatching(self.connection, self.table, text, self.search, self.place, self.guard, self.test)
        for id, number, scored, size in self._rows(matching.rows()):
            self._look()
            if scored is None or scored == OUTSIDE or not self._permitted(id):
                continue
            self.budget.spend(1, size)
            if self.search.residual is not None:
                scored = matching.score(number)
            if scored != NOT_FULFILLED:
                self.budget.keep()
                self.scores[id] = scored
                yield id
