"""The SQL that reads and counts the documents in the ranges of a plan.

SQLite evaluates the guard (the rule and the expiry time) first, and the filter only for documents that pass the guard.
CASE guarantees this order, because SQLite evaluates only the branch that it needs
(sqlite.org/lang_expr.html#the_case_expression). SQLite also evaluates the result columns only for rows that pass WHERE.
With AND instead of CASE, SQLite could evaluate the cheaper side first, and the time or an error of the filter would
reveal hidden values.
"""

from __future__ import annotations

from typing import Any, Final

import apsw

from bunbase.bundoc.query.condition import TRUE, Condition
from bunbase.bundoc.query.order import inverted
from bunbase.bundoc.query.plan import Plan
from bunbase.bundoc.query.ranges import ALL_ABOVE, Range
from bunbase.bundoc.query.rows import UNREADABLE, value_in_key
from bunbase.bundoc.query.sort import Order, id_of
from bunbase.bundoc.sqlite_engine.tables import Table

Statement = tuple[str, tuple[Any, ...]]

DENIED, ADMITTED, FULFILS = range(3)

SIZE: Final = "octet_length(d.body)"  # SQLite knows the size without reading the body.
WHOLE: Final = "d.id, d.rev, d.created, d.updated, CAST(d.body AS BLOB)"


class Candidates:
    """The documents in the ranges of a plan.

    `keys`: the table of the plan's index, "" for the order of ids. `guard`: the condition that is evaluated before
    `test`, the filter. Each of these two conditions may be None. `residual`: true if Python reads each document to
    evaluate a part of the rule.
    `keys_alone`: true if `ids` reads no document, and therefore returns no size.
    """

    def __init__(
        self,
        table: Table,
        plan: Plan,
        keys: str,
        order: Order,
        guard: Condition | None = None,
        test: Condition | None = None,
        residual: bool = False,
    ) -> None:
        self.table = table
        self.plan = plan
        self.keys = keys
        self.order = order
        self.guard = guard
        self.test = test
        self.verdict = _verdict(guard, test)
        self.keys_alone = bool(keys) and guard is None and test is None and not residual
        self.many = plan.index is not None and plan.index.many

    @property
    def countable(self) -> bool:
        """True if SQL counts each document only once. With arrays, a document may be in several ranges."""
        return not self.many or len(self.plan.ranges) == 1

    def ids(self, range: Range, after: bytes | None) -> Statement:
        """Return SQL that selects each id with its verdict (DENIED, ADMITTED or FULFILS) and the bytes of the document,
        0 if the document is not read. The rows are in the plan's order.
        """
        if self.keys_alone:
            where, params, direction = self._between(range, after)
            return f"SELECT id, {FULFILS}, 0 FROM {self.keys} {where} ORDER BY k {direction}", params
        return self._joined(f"d.id, {self.verdict.sql}, {SIZE}", self.verdict.params, range, after)

    def keys_in(self, range: Range, after: bytes | None) -> Statement:
        """Return SQL that selects each key and id of the index in the plan's order, without reading documents."""
        where, params, direction = self._between(range, after)
        return f"SELECT k, id FROM {self.keys} {where} ORDER BY k {direction}", params

    def one(self, id: str) -> Statement:
        """Return SQL that selects the same as `ids`, for one document."""
        if self.keys_alone:
            return f"SELECT ?, {FULFILS}, 0", (id,)
        where = f"FROM {self.table.name} AS d WHERE d.id = ?"
        return f"SELECT d.id, {self.verdict.sql}, {SIZE} {where}", (*self.verdict.params, id)

    def documents(self, range: Range, after: bytes | None) -> Statement:
        """Return SQL that selects whole documents in the plan's order, without guard and test."""
        return self._joined(WHOLE, (), range, after)

    def number(self, range: Range, most: int) -> Statement:
        """Return SQL that counts the documents in a range, but at most `most`."""
        if not self.keys:
            where, params = self._at(range)
            return f"SELECT count(*) FROM (SELECT 1 FROM {self.table.name} AS d{where} LIMIT ?)", (*params, most)
        places = f"SELECT {self._distinct} id FROM {self.keys} WHERE k >= ? AND k < ? LIMIT ?"
        return f"SELECT count(*) FROM ({places})", (range.low, range.high, most)

    def passing(self, range: Range, most: int) -> Statement:
        """Return SQL for three sums over at most `most` documents in a range that pass the guard.

        The sums are: the number of these documents, the number of those that also pass the test, and the bytes of these
        documents. With `plan.by_id`, there is no limit, because the place where a count stops would reveal the order of
        hidden documents.
        """
        guard, test = self.guard or TRUE, self.test or TRUE
        if self.keys:
            places = f"SELECT {self._distinct} id AS of FROM {self.keys} WHERE k >= ? AND k < ?"
            source = f"({places}) AS i CROSS JOIN {self.table.name} AS d ON d.id = i.of WHERE"
            at: tuple[Any, ...] = (range.low, range.high)
        else:
            where, at = self._at(range)
            source = f"{self.table.name} AS d{where} {'AND' if where else 'WHERE'}"
        admitted = f"SELECT {test.sql} AS fulfils, {SIZE} AS size FROM {source} ({guard.sql}) LIMIT ?"
        params = (*test.params, *at, *guard.params, -1 if self.plan.by_id else most)
        return f"SELECT count(*), coalesce(sum(fulfils), 0), coalesce(sum(size), 0) FROM ({admitted})", params

    def size(self, connection: apsw.Connection) -> int:
        """Return the number of documents in the ranges; a document with an array may count more than once."""
        if not self.keys:
            ways = [f"SELECT count(*) FROM {self.table.name} AS d{self._at(range)[0]}" for range in self.plan.ranges]
            bounds = [self._at(range)[1] for range in self.plan.ranges]
        else:
            ways = [f"SELECT count(*) FROM {self.keys} WHERE k >= ? AND k < ?" for _ in self.plan.ranges]
            bounds = [(range.low, range.high) for range in self.plan.ranges]
        return sum(int(connection.execute(*way).get) for way in zip(ways, bounds, strict=True))

    @property
    def _distinct(self) -> str:
        return "DISTINCT" if self.many else ""

    def _joined(self, wanted: str, params: tuple[Any, ...], range: Range, after: bytes | None) -> Statement:
        if not self.keys:
            return self._by_id(wanted, params, range, after)
        where, bounds, direction = self._between(range, after)
        order = "d.id" if self.plan.by_id else f"k {direction}"
        return (
            # The alias `of` keeps the name `id` free for d.id.
            f"SELECT {wanted} FROM (SELECT k, id AS of FROM {self.keys}) AS i "
            f"CROSS JOIN {self.table.name} AS d ON d.id = i.of {where} ORDER BY {order}",
            (*params, *bounds),
        )

    def _by_id(self, wanted: str, params: tuple[Any, ...], range: Range, after: bytes | None) -> Statement:
        where, bounds = self._at(range)
        if not where and after is not None:
            where, bounds = f" WHERE d.id {'<' if self.plan.backwards else '>'} ?", (id_of(self.order, after),)
        direction = "DESC" if self.plan.backwards else "ASC"
        return f"SELECT {wanted} FROM {self.table.name} AS d{where} ORDER BY d.id {direction}", (*params, *bounds)

    def _at(self, range: Range) -> Statement:
        """Return the WHERE condition for a range of ids, which is either one id or all ids."""
        return ("", ()) if range == Range() else (" WHERE d.id = ?", (range.low[:-1].decode(),))

    def _between(self, range: Range, after: bytes | None) -> tuple[str, tuple[bytes, bytes], str]:
        low, high, sign, base = range.low, range.high, ">=", self.plan.base(range)
        if after is not None:
            begun = after.startswith(self.plan.lead)
            if not begun and after > self.plan.lead:
                high = low  # The position is after all ranges, because it is from a time when a field had an array.
            elif begun:
                low, high, sign = self._remaining(base, after.removeprefix(self.plan.lead), low, high)
        return f"WHERE k {sign} ? AND k < ?", (low, high), "DESC" if self.plan.backwards else "ASC"

    def _remaining(self, base: bytes, after: bytes, low: bytes, high: bytes) -> tuple[bytes, bytes, str]:
        """Return the rest of a range after a position, and the sign of its lower bound.

        If the plan is `tied`, the rest contains all documents that tie with the position, before it or after it.
        """
        if self.plan.tied:
            after = self._fields_of(after)
            if self.plan.backwards:
                return low, min(high, base + inverted(after) + ALL_ABOVE), ">="
            return max(low, base + after), high, ">="
        if self.plan.backwards:
            return low, min(high, base + inverted(after)), ">="
        return (base + after, high, ">") if base + after >= low else (low, high, ">=")

    def _fields_of(self, after: bytes) -> bytes:
        """Return the part of a position before the id. Return a shorter part if a value does not show its length."""
        at = 0
        for field in self.plan.tied:
            value, at = value_in_key(after, at, field)
            if value is UNREADABLE:
                break
        return after[:at]


def _verdict(guard: Condition | None, test: Condition | None) -> Condition:
    asked = Condition(str(FULFILS))
    if test is not None:
        asked = Condition(f"(CASE WHEN {test.sql} THEN {FULFILS} ELSE {ADMITTED} END)", test.params)
    if guard is None:
        return asked
    return Condition(f"(CASE WHEN {guard.sql} THEN {asked.sql} ELSE {DENIED} END)", guard.params + asked.params)
