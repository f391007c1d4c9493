"""Count the matches of a search. If a page is wanted too, a count beyond the budget becomes an estimate."""

from __future__ import annotations

import apsw

from bunbase.bundoc.query.budgets import EntryBudget, Limits
from bunbase.bundoc.query.filters import EVERYTHING
from bunbase.bundoc.query.plan import admits
from bunbase.bundoc.query.ranges import Range
from bunbase.bundoc.query.rows import Reads
from bunbase.bundoc.sqlite_engine.candidates import Candidates
from bunbase.bundoc.sqlite_engine.scanning import Scanning
from bunbase.contracts.bundoc.problems import QueryNeedsIndex


class Counting:
    """The count of one search.

    `most`: the maximum number of keys to count in the event loop; None in a thread.
    """

    def __init__(self, scan: Scanning, most: int | None) -> None:
        self.scan = scan
        self.most = most
        self.matched = 0
        self.most_entries: int | None = None
        self.counted_in = scan.plan

    def counted(self, limits: Limits) -> tuple[int, bool]:
        """Return the count, and True if the count is exact. If the search also wants a page, a count beyond its budget
        becomes an estimate.

        Raises: QueryNeedsIndex if the count exceeds its budget, and the search wants no page or runs in the event loop.
        """
        alone = self.scan.prepared(EntryBudget(self.scan.search, self.scan.plan, limits.counted))
        self.scan.budget = alone if self.scan.covered else self.scan.new_budget(limits.counted)
        if not self.scan.search.limit or limits.counted is not None:
            return self._count(), True
        self.most_entries = EntryBudget.counted
        self.scan.budget.left = min(self.scan.budget.left, self.scan.budget.counted)
        # An estimate replaces the refusal, so the refusal needs no advice.
        self.scan.advises = self.scan.budget.advises = False
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
        bound, plan, examined = self.scan.search.bound, self.counted_in, self.scan.budget.examined
        if self.scan.text is not None or not examined or not (bound is None or admits(plan, bound)):
            return self.matched
        keys = self.scan.by_name[plan.index.name].name if plan.index else ""
        places = Candidates(self.scan.table, plan, keys, self.scan.search.order)
        return max(self.matched, round(self.matched * places.size(self.scan.connection) / examined))

    def _count(self) -> int:
        unruled = self.scan.search.also is None and self.scan.search.residual is None
        everything = self.scan.search.where == EVERYTHING and unruled and self.scan.text is None
        if everything and not self.scan.table.alive:
            return self._count_all()
        if not self.scan.covered and (plan := self.scan.covering_plan(Reads())) is not None:
            self.counted_in = plan
            for row in self.scan.rows_of_keys(plan, Reads(), self.most_entries):
                self.matched += row.documents
        elif self.scan.text is not None or self.scan.search.residual is not None or not self.scan.candidates.countable:
            for _ in self.scan.ids(None):
                self.matched += 1
        else:
            for range in self.scan.plan.ranges:
                self._count_range(range)
        return self.matched

    def _count_all(self) -> int:
        """Count all documents. In the event loop, stop above a limit, because SQLite does not check the time."""
        if self.most is not None:
            few = f"SELECT count(*) FROM (SELECT 1 FROM {self.scan.table.name} LIMIT ?)"
            number = int(self.scan.connection.execute(few, (self.most + 1,)).get)
            if number > self.most:
                raise apsw.InterruptError("too many documents to count in the event loop")
            return number
        return int(self.scan.connection.execute(f"SELECT count(*) FROM {self.scan.table.name}").get)

    def _count_range(self, range: Range) -> None:
        """Count the documents in a range in one statement.

        Without a guard, count the keys first, and charge them to the budget.
        """
        most = self.scan.budget.left
        if self.scan.guard is not None:
            admitted, fulfilling, size = self.scan.connection.execute(
                *self.scan.candidates.passing(range, most + 1)
            ).get
            self.matched += fulfilling
            self.scan.budget.spend(admitted, size)
            return
        examined = int(self.scan.connection.execute(*self.scan.candidates.number(range, most + 1)).get)
        if self.scan.test is None:
            self.matched += min(examined, most)
            self.scan.budget.spend(examined)
        elif examined:
            _, fulfilling, size = self.scan.connection.execute(
                *self.scan.candidates.passing(range, min(examined, most))
            ).get
            self.matched += fulfilling
            self.scan.budget.spend(examined, size)
