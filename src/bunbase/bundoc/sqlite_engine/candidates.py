"""The statements that read and count what a plan's ranges hold."""

from __future__ import annotations

from typing import Any, Final

from bunbase.bundoc.query.order import inverted
from bunbase.bundoc.query.plan import Plan, Range
from bunbase.bundoc.query.sort import Order, id_of
from bunbase.bundoc.query.sql import Condition
from bunbase.bundoc.sqlite_engine.tables import Table

Statement = tuple[str, tuple[Any, ...]]

WHOLE: Final = "d.id, d.rev, d.created, d.updated, CAST(d.body AS BLOB)"


class Candidates:
    """`keys`: the table of the plan's index, "" for the order of ids. `test`: what a document must fulfil besides
    standing there; None when that is enough.
    """

    def __init__(self, table: Table, plan: Plan, keys: str, order: Order, test: Condition | None) -> None:
        self.table = table
        self.plan = plan
        self.keys = keys
        self.order = order
        self.test = test
        self.many = plan.index is not None and plan.index.many

    @property
    def countable(self) -> bool:
        """Say whether none is counted twice: with arrays, a document may stand in several ranges."""
        return not self.many or len(self.plan.ranges) == 1

    def ids(self, range: Range, after: bytes | None) -> Statement:
        """Each id, and whether its document passes the test, in the plan's order."""
        if self.keys and self.test is None:
            where, params, direction = self._between(range, after)
            return f"SELECT id, 1 FROM {self.keys} {where} ORDER BY k {direction}", params
        test = self.test or Condition("1")
        return self._joined(f"d.id, {test.sql}", test.params, range, after)

    def documents(self, range: Range, after: bytes | None) -> Statement:
        """Whole documents in the plan's order, whether or not they pass the test."""
        return self._joined(WHOLE, (), range, after)

    def number(self, range: Range, most: int) -> Statement:
        """How many documents stand there, counted up to `most`."""
        if not self.keys:
            where, params = self._at(range)
            return f"SELECT count(*) FROM (SELECT 1 FROM {self.table.name} AS d{where} LIMIT ?)", (*params, most)
        places = f"SELECT {self._distinct} id FROM {self.keys} WHERE k >= ? AND k < ? LIMIT ?"
        return f"SELECT count(*) FROM ({places})", (range.low, range.high, most)

    def passing(self, range: Range) -> Statement:
        """How many of them pass the test."""
        test = self.test or Condition("1")
        if not self.keys:
            where, params = self._at(range)
            sign = "AND" if where else "WHERE"
            return f"SELECT count(*) FROM {self.table.name} AS d{where} {sign} {test.sql}", (*params, *test.params)
        places = f"SELECT {self._distinct} id AS of FROM {self.keys} WHERE k >= ? AND k < ?"
        joined = f"({places}) AS i CROSS JOIN {self.table.name} AS d ON d.id = i.of"
        return f"SELECT count(*) FROM {joined} WHERE {test.sql}", (range.low, range.high, *test.params)

    @property
    def _distinct(self) -> str:
        return "DISTINCT" if self.many else ""

    def _joined(self, wanted: str, params: tuple[Any, ...], range: Range, after: bytes | None) -> Statement:
        if not self.keys:
            return self._by_id(wanted, params, range, after)
        where, bounds, direction = self._between(range, after)
        return (
            f"SELECT {wanted} FROM (SELECT k, id AS of FROM {self.keys}) AS i "  # `id` is the document's alone
            f"CROSS JOIN {self.table.name} AS d ON d.id = i.of {where} ORDER BY k {direction}",
            (*params, *bounds),
        )

    def _by_id(self, wanted: str, params: tuple[Any, ...], range: Range, after: bytes | None) -> Statement:
        where, bounds = self._at(range)
        if not where and after is not None:
            where, bounds = f" WHERE d.id {'<' if self.plan.backwards else '>'} ?", (id_of(self.order, after),)
        direction = "DESC" if self.plan.backwards else "ASC"
        return f"SELECT {wanted} FROM {self.table.name} AS d{where} ORDER BY d.id {direction}", (*params, *bounds)

    def _at(self, range: Range) -> Statement:
        """In the order of ids a range is one id, or all."""
        return ("", ()) if range == Range() else (" WHERE d.id = ?", (range.low[:-1].decode(),))

    def _between(self, range: Range, after: bytes | None) -> tuple[str, tuple[bytes, bytes], str]:
        low, high, sign = range.low, range.high, ">="
        if after is not None and self.plan.backwards:
            high = min(high, self.plan.pinned + inverted(after))
        elif after is not None and self.plan.pinned + after >= low:
            low, sign = self.plan.pinned + after, ">"
        return f"WHERE k {sign} ? AND k < ?", (low, high), "DESC" if self.plan.backwards else "ASC"
