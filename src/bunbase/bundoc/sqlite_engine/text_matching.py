"""The SQL of a search by words. The SQL finds the documents that contain the words, each with its score.

**Search within.** Many documents may contain the words, but only few of these documents have the value in the filter,
such as one household of thousands. The filter or the rule may set the first fields of an index equal to values. With
such an index, only documents with these values are candidates. The search reads the text index from the first match to
the last, and skips each match that is not among the keys of the other index, without reading the document. The score is
the score in the whole text index.

The alternative was to look up each key in the text index. But bm25 counts the documents with the words again for each
look-up. With 100,000 such documents, this took 3.4 ms for each key, and skipping all of them took 16 ms.

The skips reveal nothing about denied documents, because only tests that may choose the ranges of a plan decide which
documents are candidates (docs/decisions/0032).
"""

from __future__ import annotations

from typing import Any, Final

import apsw
import msgspec

from bunbase.bundoc.query.condition import TRUE, Condition
from bunbase.bundoc.query.filters import And
from bunbase.bundoc.query.implies import conjuncts, implies
from bunbase.bundoc.query.plan import Plan, told
from bunbase.bundoc.query.ranges import ALL_ABOVE, Range
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.sql import condition
from bunbase.bundoc.query.text import TextSearch
from bunbase.bundoc.sqlite_engine.candidates import SIZE, Statement
from bunbase.bundoc.sqlite_engine.kept_index import KeptIndex
from bunbase.bundoc.sqlite_engine.tables import Table
from bunbase.bundoc.sqlite_engine.text_tables import TextTable
from bunbase.contracts.bundoc.problems import QueryNeedsIndex

# These values are not scores, since real scores are never below 0.
NOT_FULFILLED: Final = -1  # The document does not match the filter.
OUTSIDE: Final = -2  # The document does not have the values of the place, so it is not a candidate.

MAX_RANGES: Final = 100  # A search uses at most this many ranges of keys. SQLite joins at most 500 SELECTs.
# At most this many document numbers are in memory (1 MB). If there are more, the search reads and tests each match.
MAX_NUMBERS: Final = 100_000


def text_index(search: Search, kept: tuple[KeptIndex, ...]) -> TextTable:
    """Return the text index for the search. Raises: QueryNeedsIndex."""
    sought = search.text
    assert sought is not None
    fitting = [
        one
        for one in kept
        if isinstance(one, TextTable)
        and sought.index in ("", one.definition.name)
        and set(sought.fields) <= set(one.definition.fields)
        and implies(told(search.where, search.bound), one.where)
    ]
    for one in fitting:
        if one.ready:
            return one
    if fitting:
        raise QueryNeedsIndex(f"The index {fitting[0].definition.name} is still being built; try again.", index=None)
    fields = list(sought.fields) or ["title"]
    named = f" named {sought.index}" if sought.index else ""
    raise QueryNeedsIndex(
        f"$search needs a text index{named} on the fields that it searches: add such an index to the collection, "
        f"for example on [{', '.join(fields)}].",
        index={"fields": fields, "type": "text"},
    )


class WithinPlace(msgspec.Struct, frozen=True):
    """The documents with the values in the plan's tests of equality.

    `keys`: the table of the plan's index. `ranges`: the ranges of their keys, which may also contain other documents
    with very long values. `inside`: the test that only the documents with the values pass.
    """

    keys: str
    ranges: tuple[Range, ...]
    inside: Condition


def place_of(plan: Plan, keys: str) -> WithinPlace | None:
    """Return the place to which the plan narrows a search by words; None if the plan has no test of equality.

    Tests of a range do not narrow a search by words: the number of examined documents must not depend on the way in
    which they are found.
    """
    if plan.index is None or not plan.said:
        return None
    ranges = tuple([Range(one.base, one.base + ALL_ABOVE) for one in plan.ranges])
    return WithinPlace(keys, ranges, condition(And((*plan.said, *conjuncts(plan.index.where)))))


class TextMatching:
    """The matches of one search in its text index. `guard` is evaluated before `test`, the filter."""

    def __init__(
        self,
        connection: apsw.Connection,
        table: Table,
        text: TextTable,
        search: Search,
        place: WithinPlace | None,
        guard: Condition | None,
        test: Condition | None,
    ) -> None:
        assert search.text is not None
        self.connection = connection
        self.table = table
        self.text = text
        self.search = search
        self.sought: TextSearch = search.text
        self.place = place
        self.guard = guard or TRUE
        self.test = test

    def rows(self) -> Statement:
        """Return SQL that selects the id, the number, the score and the size of each candidate.

        The score is NULL if the document is denied, OUTSIDE, NOT_FULFILLED, or 0 if `score` must compute it later,
        because a part of the rule is in Python.
        """
        found = Condition("0") if self.search.residual is not None else self._scored()
        within = Condition("")
        if self.place is not None:
            inside, within = self.place.inside, self._within(self.place)
            found = Condition(
                f"CASE WHEN {inside.sql} THEN {found.sql} ELSE {OUTSIDE} END", inside.params + found.params
            )
        sql = (
            f"SELECT d.id, d.n, CASE WHEN {self.guard.sql} THEN {found.sql} END, {SIZE} FROM {self.text.name} "
            f"CROSS JOIN {self.table.name} AS d ON d.n = {self.text.name}.rowid "
            f"WHERE {self.text.name} MATCH ?{within.sql}"
        )
        return sql, (*self.guard.params, *found.params, self.text.match(self.sought), *within.params)

    def score(self, number: int) -> Any:
        """Return the score of one document, or NOT_FULFILLED."""
        found = self._scored()
        sql = (
            f"SELECT {found.sql} FROM {self.text.name} "
            f"CROSS JOIN {self.table.name} AS d ON d.n = {self.text.name}.rowid "
            f"WHERE {self.text.name} MATCH ? AND {self.text.name}.rowid = ?"
        )
        return self.connection.execute(sql, (*found.params, self.text.match(self.sought), number)).get

    def _scored(self) -> Condition:
        sees_all = self.search.bound is None and self.search.shown is None
        score = self.text.score(local=None if sees_all else self.sought)
        if self.test is None:
            return Condition(score)
        return Condition(f"CASE WHEN {self.test.sql} THEN {score} ELSE {NOT_FULFILLED} END", self.test.params)

    def _within(self, place: WithinPlace) -> Condition:
        """Return SQL that skips matches outside of the place. The `+` keeps SQLite from looking up each number."""
        if len(place.ranges) > MAX_RANGES:
            return Condition("")  # The search reads and tests each match.
        ids = " UNION ALL ".join(f"SELECT id AS of FROM {place.keys} WHERE k >= ? AND k < ?" for _ in place.ranges)
        bounds = tuple([bound for range in place.ranges for bound in (range.low, range.high)])
        few = f"SELECT count(*) FROM (SELECT 1 FROM ({ids}) LIMIT ?)"
        if self.connection.execute(few, (*bounds, MAX_NUMBERS + 1)).get > MAX_NUMBERS:
            return Condition("")
        numbers = f"SELECT o.n FROM ({ids}) AS i CROSS JOIN {self.table.name} AS o ON o.id = i.of"
        return Condition(f" AND +{self.text.name}.rowid IN ({numbers})", bounds)
