"""Budgets of documents, bytes and entries, and estimates of counts. The numbers are the same on every engine.

Every row of the table has a search, and the smallest budget of each kind with which the search succeeds. If one of
these budgets is smaller by one, the search is refused, and the refusal names the kind and the limit.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest

from bunbase.bundoc.documents import Lookup, StoredDocument, read_fields
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.query.budgets import EntryBudget, ScanBudget
from bunbase.bundoc.query.filters import Compare
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.rows import Reads
from bunbase.bundoc.query.search import Found, Search
from bunbase.bundoc.query.sort import parse_sort
from bunbase.bundoc.query.text import parse_text
from bunbase.bundoc.writes import CommitStep, Create
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec
from bunbase.contracts.bundoc.problems import QueryNeedsIndex

P, C = "prj_a", "posts"
DOCUMENTS: Final = 40
INDEXES: Final = (
    IndexSpec(("kind", "n"), "kind_n"),
    IndexSpec(("tags",), "tags"),
    IndexSpec(("n",), "odd", where={"odd": True}),
    IndexSpec(("title",), "words", type="text"),
)


def body(number: int) -> bytes:
    fields = {
        "kind": f"k{number % 4}",
        "n": 10 + number,
        "odd": bool(number % 2),
        "tags": ["a", "b"],
        "title": "milk rare" if number == 7 else "milk",
    }
    fields["pad"] = "x" * (200 - len(msgspec.json.encode(fields)))
    return msgspec.json.encode(fields)


BYTES: Final = len(body(0))


class Case(msgspec.Struct, frozen=True):
    """A search, and its cost.

    `documents`, `bytes`, `entries`: the smallest budgets; 0 if the search needs none of this kind.

    `where` and `sort` mean the same as in a query. `examined`: the number in the result, None for an aggregate. `rule`:
    the caller may see only documents of kind k1, and the rule is evaluated for each document.
    """

    name: str
    documents: int = 0
    entries: int = 0
    examined: int | None = None
    where: dict[str, Any] = {}
    sort: tuple[str, ...] = ()
    words: str = ""
    limit: int = 3
    count: bool = False
    reads: Reads | None = None
    rule: bool = False

    def search(self, **limits: Any) -> Search:
        also: dict[str, Any] = {"implied": Compare(("kind",), "=", "k1"), "residual": _allowed} if self.rule else {}
        return Search(
            where=parse_where(msgspec.json.encode(self.where)),
            order=parse_sort(self.sort),
            text=parse_text(self.words) if self.words else None,
            by_score=bool(self.words) and not self.sort,
            limit=self.limit,
            count=self.count,
            reads=self.reads,
            **also,
            **limits,
        )


def _allowed(stored: StoredDocument, _lookup: Lookup) -> bool:
    return bytes(read_fields(stored.body)["kind"]) == b'"k1"'


N: Final = Reads((("n",),))
PAD: Final = Reads((("pad",),))
TWO: Final = {"$in": ["k1", "k2"]}
EVERY_SECOND: Final = [{"n": {"$mod": [8, 3]}}, {"n": {"$mod": [8, 4]}}]
CASES: Final = (
    # Pages in the order of an index or of ids: the documents of the page, and one more to see if a next page exists.
    Case("in the order of ids", 4, examined=4),
    Case("the last page", 40, examined=40, limit=40),
    Case("one kind, in the order of an index", 4, examined=4, where={"kind": "k1"}, sort=("n",)),
    Case("one kind, backwards", 4, examined=4, where={"kind": "k1"}, sort=("-n",)),
    Case("two kinds, merged", 4, examined=4, where={"kind": TWO}, sort=("n",)),
    Case("two kinds, merged backwards", 4, examined=4, where={"kind": TWO}, sort=("-n",)),
    Case("a range after two kinds", 5, examined=5, where={"kind": TWO, "n": {"$gt": 20}}, sort=("n",)),
    Case("a partial index", 4, examined=4, where={"odd": True}, sort=("n",)),
    Case("ids", 2, examined=2, where={"_id": {"$in": ["d01", "d02", "d99"]}}),
    # Documents that do not match.
    Case("a filter without an index", 14, examined=14, where={"pad": {"$gt": ""}, "n": {"$gt": 19}}),
    Case("a rare match", 40, examined=40, where={"n": 49}),
    Case("a filter beside two merged kinds", 7, examined=7, where={"kind": TWO, "odd": True}, sort=("n",)),
    # Documents that are sorted.
    Case("all documents, sorted", 40, examined=40, sort=("-title",)),
    Case("one kind, sorted", 10, examined=10, where={"kind": "k1"}, sort=("title",)),
    Case("an index on an array, sorted", 40, examined=40, where={"tags": "a"}, sort=("n",)),
    # A rule of the caller: denied documents are not counted.
    Case("under a rule", 10, examined=10, rule=True),
    Case("under a rule, sorted", 10, examined=10, sort=("n",), rule=True),
    Case("under a rule, a rare match", 10, examined=10, where={"n": 47}, rule=True),
    # Searches by words.
    Case("a frequent word", 40, examined=40, words="milk"),
    Case("a rare word", 1, examined=1, words="rare"),
    Case("a word within one kind", 10, examined=10, words="milk", where={"kind": "k1"}),
    # Counts without a page.
    Case("a count of everything", examined=0, count=True, limit=0),
    Case("a count of keys", entries=10, examined=10, where={"kind": "k1"}, count=True, limit=0),
    Case("a count of a range", entries=5, examined=5, where={"kind": "k1", "n": {"$gte": 30}}, count=True, limit=0),
    Case("a count of documents", 40, examined=40, where={"pad": {"$gt": ""}}, count=True, limit=0),
    Case("a count under a rule", 10, examined=10, count=True, limit=0, rule=True),
    Case("a count of words", 40, examined=40, words="milk", count=True, limit=0),
    # Aggregates.
    Case("an aggregate of keys", entries=10, where={"kind": "k1"}, reads=N),
    Case("an aggregate of all keys", entries=40, reads=N),
    Case("an aggregate of documents", 40, reads=PAD),
    Case("an aggregate of the documents of one kind", 10, where={"kind": "k1"}, reads=PAD),
    Case("an aggregate under a rule", 10, reads=N, rule=True),
)  # fmt: skip


@pytest.fixture
async def filled(engine: Engine) -> Engine:
    await engine.alter(P, C, CollectionSpec(INDEXES))
    steps = tuple(CommitStep(C, Create(f"d{number:02}", body(number))) for number in range(DOCUMENTS))
    await engine.commit(P, steps)
    return engine


async def done(engine: Engine, case: Case, **limits: int) -> Found | int:
    search = case.search(**limits)
    if case.reads is None:
        return await engine.search(P, C, search)
    return await engine.fold(P, C, search, lambda rows: sum(row.documents for row in rows))


async def test_each_search_examines_the_same_numbers_of_documents_bytes_and_entries(filled: Engine) -> None:
    assert {len(body(number)) for number in range(DOCUMENTS)} == {BYTES}
    for case in CASES:
        least = {"documents": case.documents, "bytes": case.documents * BYTES, "entries": case.entries}
        limits = {"max_scan": least["documents"], "max_bytes": least["bytes"], "max_entries": least["entries"]}

        found = await done(filled, case, **limits)

        if isinstance(found, Found):
            assert found.examined == case.examined, case.name
        for (limit, most), kind in zip(limits.items(), least, strict=True):
            if most:
                with pytest.raises(QueryNeedsIndex) as refused:
                    await done(filled, case, **{**limits, limit: most - 1})
                assert refused.value.extra["budget"] == {"of": kind, "most": most - 1}, case.name


@pytest.mark.parametrize(
    ("case", "count", "estimated"),
    [
        (Case("all matches are examined", where={"kind": "k1"}), 10, False),
        (Case("a number of all documents"), 40, False),
        (Case("a half of the examined documents match", where={"n": {"$mod": [2, 1]}, "pad": {"$gt": ""}}), 20, True),
        (Case("a half of each kind match", where={"kind": TWO, "$or": EVERY_SECOND}, sort=("n",)), 10, True),
        (Case("under a rule, with the page", where={"n": {"$gt": 0}}, rule=True), 10, False),
        (Case("of words, with the page", words="milk"), 40, False),
        (Case("of a page that was cut from all", where={"kind": TWO}, sort=("title",)), 20, False),
        (Case("under a rule, of a page that has all", where={"n": {"$gt": 38}}, rule=True), 3, False),
    ],
    ids=lambda value: value.name if isinstance(value, Case) else "",
)
async def test_a_count_beyond_its_budget_is_the_same_estimate(
    filled: Engine, monkeypatch: pytest.MonkeyPatch, case: Case, count: int, estimated: bool
) -> None:
    monkeypatch.setattr(ScanBudget, "counted", 8)
    monkeypatch.setattr(EntryBudget, "counted", 16)
    wanted = msgspec.structs.replace(case, count=True)

    found = await filled.search(P, C, wanted.search())

    assert len(found.items) == 3
    assert (found.count, found.estimated) == (count, estimated)


async def test_a_count_alone_is_exact_or_refused(filled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScanBudget, "counted", 8)
    case = Case("alone", where={"pad": {"$gt": ""}}, count=True, limit=0)

    assert (await filled.search(P, C, case.search())).count == 40
    with pytest.raises(QueryNeedsIndex):
        await filled.search(P, C, case.search(max_scan=39))


async def test_plans_and_their_warnings_are_the_same(filled: Engine) -> None:
    plans = {
        "in the order of ids": ("_id", True, 0, False),
        "two kinds, merged": ("kind_n", True, 2, False),
        "a filter beside two merged kinds": ("kind_n", True, 2, True),
        "all documents, sorted": ("_id", False, 0, True),
        "one kind, sorted": ("kind_n", False, 0, True),
        "a partial index": ("odd", True, 0, False),
        "under a rule": ("kind_n", False, 0, True),
    }
    for case in CASES:
        if case.name in plans:
            found = await filled.search(P, C, case.search(explain=True))
            index, ordered, merged, grows = plans[case.name]
            assert (found.index, found.ordered, found.merged) == (index, ordered, merged), case.name
            assert (found.grows is not None) == grows, case.name
