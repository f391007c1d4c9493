"""Read the documents that a search examines, in the order of its plan, and charge each of them to the budget.

If a rule denies a document, nothing else is evaluated for this document: no filter, position, score or group
(docs/decisions/0032). The part of the rule that SQL can express comes first (`guard`), then the rest of the rule in
Python (`residual`), then the filter. Only documents that pass the rule count against the budget.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeVar

import apsw
import msgspec

from bunbase.bundoc.documents import Lookup, StoredDocument, with_system_fields
from bunbase.bundoc.query.advice import Indexes
from bunbase.bundoc.query.budgets import EntryBudget, ScanBudget
from bunbase.bundoc.query.condition import Condition
from bunbase.bundoc.query.covering import covered
from bunbase.bundoc.query.filters import EVERYTHING
from bunbase.bundoc.query.order import inverted, key
from bunbase.bundoc.query.plan import Plan, admits, choose
from bunbase.bundoc.query.rows import Reads, Row
from bunbase.bundoc.query.search import Search
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

decode: Final = msgspec.json.Decoder().decode

Budget = TypeVar("Budget", bound=ScanBudget)


class Scanning:
    """The plan of one search, and the documents that it reads. The connection must be in a transaction, so that the
    whole search sees the same state.

    `watch`: the limit of the time, in a thread or in the event loop. Call `close` after the search, also after an
    error, because the traceback of an exception may keep a generator and its open cursor alive.
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
        self.ties = 0
        self.advises = True
        tables = [one for one in kept if one.ready and isinstance(one, IndexTable)]
        self.by_name = {one.index.name: one for one in tables}
        self.plan = choose(search.where, search.order, [one.index for one in tables], search.bound)
        building = frozenset(tuple(one.definition.fields) for one in kept if not one.ready)
        self.existing = Indexes(tuple([one.index for one in tables]), building, not table.alive)
        self.covered = self._is_covered()
        self.budget = self.new_budget()
        self.guard = None if self.covered else self._guard()
        self.test = None if self.covered or search.where == EVERYTHING else watch.around(condition(search.where))
        keys = self.by_name[self.plan.index.name].name if self.plan.index else ""
        self.place = place_of(self.plan, keys) if self.text else None
        residual = search.residual is not None
        at_once = None if residual else self.test  # The part of the rule that Python evaluates comes before the filter.
        self.candidates = Candidates(table, self.plan, keys, search.order, self.guard, at_once, residual)

    def close(self) -> None:
        """Close all open cursors. An open cursor would keep its snapshot, and SQLite could not truncate its log."""
        for rows in self.open:
            rows.close()
        self.open.clear()

    def documents(self, after: bytes | None) -> Iterator[StoredDocument]:
        """Yield whole documents. `_ids` does the same for ids."""
        if not self.covered or self.plan.merged:
            for id in self.ids(after):
                document = self.document(id)
                if self.candidates.keys_alone:
                    self.budget.spend_bytes(len(document.body))
                yield document
            return
        for range in self.plan.ranges:
            for row in self.entries(self.candidates.documents(range, after)):
                self.look()
                self.budget.spend(1, len(row[4]))
                yield StoredDocument(*row)

    def ids(self, after: bytes | None) -> Iterator[str]:
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
            self.look()
            if verdict == DENIED or not self._permitted(id):
                continue
            self.budget.spend(1, size)
            if verdict == FULFILS and self._fulfils(id):
                yield id

    def sort_place(self, id: str) -> bytes:
        if self.search.by_score:
            return inverted(key(self.scores[id])) + id_key(self.search.order, id)
        document = self.document(id)
        if self.candidates.keys_alone:
            self.budget.spend_bytes(len(document.body))
        return self.position(document)

    def position(self, document: StoredDocument) -> bytes:
        return position(self.search.order, decode(with_system_fields(document)))

    def document(self, id: str) -> StoredDocument:
        # This finds the document even if it has expired since the test.
        stored = self.table.stored(self.connection, id)
        assert stored is not None  # This transaction has read the id of the document.
        return stored

    def entries(self, statement: Statement) -> Iterator[Any]:
        rows = self.connection.execute(*statement)
        self.open.append(rows)
        try:
            yield from rows
        finally:
            rows.close()

    def look(self) -> None:
        self.budget.look()
        if self.watch.over():
            raise apsw.InterruptError("between two documents")

    def rows_of_keys(self, plan: Plan, reads: Reads, most: int | None = None) -> Iterator[Row]:
        assert plan.index is not None
        self.budget = budget = self.prepared(EntryBudget(self.search, plan, most))
        rows = KeyRows(plan, self.search.where, reads, lambda id: decode(with_system_fields(self.document(id))))
        select = f"SELECT k, id FROM {self.by_name[plan.index.name].name} WHERE k >= ? AND k < ? ORDER BY k"
        for range in plan.ranges:
            yield from rows.of(self.entries((select, (range.low, range.high))), budget, self.look)

    def covering_plan(self, reads: Reads) -> Plan | None:
        if self.text is not None or self.table.alive:
            return None
        return covering_plan(self.search, reads, [one.index for one in self.by_name.values()])

    def new_budget(self, most: int | None = None, looks: int | None = None) -> ScanBudget:
        search = msgspec.structs.replace(self.search, reads=None) if self.table.alive else self.search
        return self.prepared(ScanBudget(search, self.plan, most, looks))

    def prepared(self, budget: Budget) -> Budget:
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

    def _met(self, after: bytes | None) -> Iterator[tuple[str, int, int]]:
        """Yield the id, the verdict and the size of each candidate, in the plan's order."""
        if self.plan.merged:
            for id in merged_ids(self.plan, self.candidates, after, self.entries):
                met: Any = self.connection.execute(*self.candidates.one(id)).fetchone()
                yield met
            return
        for range in self.plan.ranges:
            yield from self.entries(self.candidates.ids(range, after))

    def _permitted(self, id: str) -> bool:
        """True if the document passes the part of the rule that SQL cannot express."""
        return self.search.residual is None or self.search.residual(self.document(id), self.lookup)

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
        for id, number, scored, size in self.entries(matching.rows()):
            self.look()
            if scored is None or scored == OUTSIDE or not self._permitted(id):
                continue
            self.budget.spend(1, size)
            if self.search.residual is not None:
                scored = matching.score(number)
            if scored != NOT_FULFILLED:
                self.budget.keep()
                self.scores[id] = scored
                yield id
