"""Budgets of documents, bytes and entries, and counts beyond them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.bundoc.engine import Engine
from bunbase.bundoc.query import budgets
from bunbase.bundoc.query.advice import advice
from bunbase.bundoc.query.budgets import Budgets, EntryBudget, Limits, ScanBudget
from bunbase.bundoc.query.search import Advice, Search
from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.searching import Searching
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import Aggregation, Query
from bunbase.contracts.bundoc.problems import QueryNeedsIndex
from bunbase.pkg.errors import InvalidInput
from tests.bundoc.permissions.asking import ADA, SERVER
from tests.bundoc.query.test_counts import INDEXES, all_of, kept, ruled, searching, sqlite

__all__ = ["sqlite"]

TRUE = CompiledRule("true", "list")
MINE = CompiledRule("doc.a == auth.uid", "list")
PARTLY = CompiledRule("doc.a == auth.uid && size(doc.c) < 2", "list")
BODY_BYTES = 1000
ADA_EXPLAINING = msgspec.structs.replace(ADA, explain=True)


def documents(number: int, **fields: Any) -> list[Any]:
    return all_of([{"b": one % 2, "pad": "x" * BODY_BYTES, **fields} for one in range(number)])


@pytest.mark.parametrize(
    ("where", "specs", "more"),
    [
        ({"b": 1}, (), {}),
        ({"b": 1}, (), {"limit": 0, "count": True}),
        ({"pad": {"$gt": ""}}, INDEXES[1:2], {"limit": 0, "count": True}),
        ({"a": 1}, INDEXES[1:2], {"limit": 500, "count": True}),
        ({}, (), {}),
    ],
)
def test_the_bytes_of_examined_documents_have_a_budget(
    sqlite: Any, where: Any, specs: tuple[IndexSpec, ...], more: dict[str, Any]
) -> None:
    table = kept(sqlite, documents(40, a=1), specs)
    few = ruled(TRUE, where, max_bytes=10 * BODY_BYTES, **{"limit": 500, **more})

    with pytest.raises(QueryNeedsIndex) as refused:
        searching(sqlite, table, few).found()
    assert refused.value.extra["budget"] == {"of": "bytes", "most": 10 * BODY_BYTES}
    searching(sqlite, table, msgspec.structs.replace(few, max_bytes=100 * BODY_BYTES)).found()


def row_by_row(sizes: list[int], limit: int, max_scan: int, max_bytes: int, page_bytes: int) -> tuple[Any, int]:
    """Return the outcome of a page that charges the budget for each row, and the number of examined documents."""
    examined = items = size = 0
    for one in sizes[: limit + 1]:
        if examined == max_scan:
            return "documents", examined
        examined += 1
        max_bytes -= one
        if max_bytes < 0:
            return "bytes", examined
        if items == limit or size >= page_bytes:
            return (items, True), examined
        items, size = items + 1, size + one
    return (items, False), examined


@pytest.mark.parametrize("page_bytes", [1, 3 * BODY_BYTES, 1 << 20])
@pytest.mark.parametrize("limit", [1, 3, 4, 5, 20])
def test_a_page_that_is_read_at_once_has_the_budget_of_single_documents(
    sqlite: Any, limit: int, page_bytes: int
) -> None:
    of_four = all_of([{"a": 1, "pad": "x" * (BODY_BYTES + 10 * number)} for number in range(4)])
    table = kept(sqlite, of_four, INDEXES[:1])
    whole = searching(sqlite, table, ruled(TRUE, {"a": 1}, limit=20)).found()
    sizes = [len(one.body) for one in whole.items]
    sums = [sum(sizes[:number]) for number in range(5)]
    outcomes = set()

    for max_scan in range(7):
        for max_bytes in [near for one in sums for near in (one - 1, one, one + 1)]:
            search = ruled(TRUE, {"a": 1}, limit=limit, max_scan=max_scan, max_bytes=max_bytes)
            one = searching(sqlite, table, search)
            assert one.covered
            try:
                found = one.found(Limits(page_bytes=page_bytes))
                outcome: Any = (len(found.items), found.more)
            except QueryNeedsIndex as refused:
                outcome = refused.extra["budget"]["of"]
            finally:
                one.close()
            outcomes.add(outcome)
            assert (outcome, one.budget.examined) == row_by_row(sizes, limit, max_scan, max_bytes, page_bytes)
    assert {"documents", "bytes"} < outcomes


def test_the_bytes_of_denied_documents_are_not_counted(sqlite: Any) -> None:
    table = kept(sqlite, [*documents(9, a="a")[:4], *all_of([{"a": "b", "pad": "x" * 9000}] * 9)[4:]], ())

    found = searching(sqlite, table, ruled(MINE, {"b": 1}, max_bytes=5 * BODY_BYTES, count=True)).found()

    assert (found.count, found.estimated) == (2, False)


def test_a_count_without_documents_spends_no_bytes(sqlite: Any) -> None:
    table = kept(sqlite, documents(40, a=1), INDEXES[:1])

    assert searching(sqlite, table, ruled(TRUE, {"a": 1}, max_bytes=0, count=True, limit=0)).found().count == 40


@pytest.mark.parametrize(
    ("rule", "where", "specs", "least", "most"),
    [
        (TRUE, {"b": 1}, (), 15, 25),
        (TRUE, {"a": "a"}, INDEXES[:1], 40, 40),
        (TRUE, {"b": {"$gt": 0}}, INDEXES[1:2], 0, 40),
        (MINE, {"b": 1}, INDEXES[:1], 15, 25),
        (MINE, {"b": 1}, (), 5, 5),  # these are the matches among the ten documents that were examined
        (PARTLY, {"b": 1}, (), 5, 5),
    ],
)
def test_a_count_beyond_its_budget_is_an_estimate_beside_a_page(
    sqlite: Any,
    monkeypatch: pytest.MonkeyPatch,
    rule: Any,
    where: Any,
    specs: tuple[IndexSpec, ...],
    least: int,
    most: int,
) -> None:
    monkeypatch.setattr(ScanBudget, "counted", 10)
    monkeypatch.setattr(EntryBudget, "counted", 10)
    table = kept(sqlite, documents(40, a="a", c=[1]), specs)

    found = searching(sqlite, table, ruled(rule, where, limit=1, count=True)).found()

    assert len(found.items) == 1
    assert found.estimated
    assert found.count is not None
    assert least <= found.count <= most


def test_a_count_that_is_wanted_alone_is_never_an_estimate(sqlite: Any) -> None:
    table = kept(sqlite, documents(40, a=1), INDEXES[:1])
    search = ruled(TRUE, {"b": 1}, limit=0, count=True, max_scan=10)

    with pytest.raises(QueryNeedsIndex) as refused:
        searching(sqlite, table, search).found()

    assert refused.value.extra["budget"] == {"of": "documents", "most": 10}


@pytest.mark.parametrize("rule", [MINE, PARTLY])
@pytest.mark.parametrize("specs", [(), INDEXES[:1], INDEXES[1:3]])
def test_an_estimate_does_not_depend_on_denied_documents(
    sqlite: Any, monkeypatch: pytest.MonkeyPatch, rule: Any, specs: tuple[IndexSpec, ...]
) -> None:
    monkeypatch.setattr(ScanBudget, "counted", 10)
    monkeypatch.setattr(EntryBudget, "counted", 10)
    allowed = documents(30, a="a", c=[1])
    denied = [msgspec.structs.replace(one, id=f"e{one.id}") for one in documents(50, a="b", c=[1])]

    def count(stored: list[Any]) -> tuple[int | None, bool]:
        search = ruled(rule, {"b": 1}, limit=1, count=True)
        found = searching(sqlite, kept(sqlite, stored, specs), search).found()
        return found.count, found.estimated

    assert count(allowed) == count([*denied, *allowed])
    counted_with_the_page = rule is PARTLY and specs == INDEXES[1:3]  # The page is sorted in this case.
    assert count(allowed)[1] is not counted_with_the_page


@pytest.mark.parametrize(
    ("rule", "where", "specs", "warned"),
    [
        (TRUE, {}, (), False),
        (TRUE, {"a": 1}, INDEXES[:1], False),
        (TRUE, {"b": 1}, INDEXES[:1], True),
        (TRUE, {"a": {"$gt": 0}}, INDEXES[:1], True),  # the order of _id is not the order of the index
        (TRUE, {"_id": "d1"}, (), False),
        (MINE, {}, INDEXES[:1], False),
        (MINE, {}, (), True),
        (PARTLY, {}, INDEXES[:1], True),
    ],
)
def test_a_search_whose_work_grows_is_known_from_its_plan(
    sqlite: Any, rule: Any, where: Any, specs: tuple[IndexSpec, ...], warned: bool
) -> None:
    table = kept(sqlite, documents(3, a="a"), specs)

    assert (searching(sqlite, table, ruled(rule, where, explain=True)).found().grows is not None) == warned


async def test_a_collection_has_a_budget_of_its_own_for_callers_bound_by_rules(engine: Engine) -> None:
    service = BundocService(engine, bound=Budgets(20), unbound=Budgets(100))
    open_to_all = Rules(list="doc.n >= 0", get="true")
    for name, most in (("few", 5), ("usual", None), ("many", 50)):
        await service.put_collection(SERVER, name, CollectionSpec(rules=open_to_all, max_scan=most))
        writes = [{"op": "create", "collection": name, "data": {"n": number}} for number in range(30)]
        await service.commit(SERVER, msgspec.json.encode({"writes": writes}))

    for name, most in (("few", 5), ("usual", 20), ("many", None)):
        for asked in (Query(sort=("n",), limit=2), Aggregation(b'{"n":{"$sum":"n"}}')):
            method: Any = service.query if isinstance(asked, Query) else service.aggregate
            assert (await method(SERVER, name, asked)).body
            if most is None:
                assert (await method(ADA, name, asked)).body
                continue
            with pytest.raises(QueryNeedsIndex) as refused:
                await method(ADA, name, asked)
            assert refused.value.extra["budget"] == {"of": "documents", "most": most}

    page = await service.query(ADA_EXPLAINING, "many", Query(sort=("n",), limit=2, explain=True))
    assert msgspec.json.decode(page.body)["explain"]["warnings"][0]["from_documents"] == 50
    for wrong in (101, 5_000_000):
        with pytest.raises(InvalidInput) as told:
            await service.put_collection(SERVER, "few", CollectionSpec(max_scan=wrong))
        assert told.value.extra["errors"][0]["path"] == "/max_scan"
    assert (await service.put_collection(SERVER, "few", CollectionSpec(strict=False))).max_scan == 5
    assert (await service.put_collection(SERVER, "few", CollectionSpec(max_scan=None))).max_scan is None


async def test_a_lower_setting_of_the_server_limits_what_a_collection_allows(engine: Engine) -> None:
    before = BundocService(engine, bound=Budgets(10), unbound=Budgets(100))
    spec = CollectionSpec(rules=Rules(list="doc.n >= 0"), max_scan=50)
    await before.put_collection(SERVER, "posts", spec)
    writes = [{"op": "create", "collection": "posts", "data": {"n": number}} for number in range(30)]
    await before.commit(SERVER, msgspec.json.encode({"writes": writes}))

    after = BundocService(engine, bound=Budgets(10), unbound=Budgets(25))

    with pytest.raises(QueryNeedsIndex) as refused:
        await after.query(ADA, "posts", Query(sort=("n",)))
    assert refused.value.extra["budget"] == {"of": "documents", "most": 25}


def test_advice_is_planned_only_if_it_is_shown(sqlite: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[Search] = []

    def counted(search: Search, *more: Any) -> Advice:
        planned.append(search)
        return advice(search, *more)

    monkeypatch.setattr(budgets, "advice", counted)
    table = kept(sqlite, documents(8, a="a"), INDEXES[:1])
    counting = ruled(TRUE, {"c": {"$gt": 0}}, count=True)
    monkeypatch.setattr(ScanBudget, "counted", 4)  # The count becomes an estimate.
    monkeypatch.setattr(Searching, "_known_count", lambda *_: None)

    assert searching(sqlite, table, ruled(TRUE, {"c": {"$gt": 0}})).found().grows is None
    assert searching(sqlite, table, counting).found().estimated
    with pytest.raises(QueryNeedsIndex):
        searching(sqlite, table, ruled(TRUE, {"c": {"$gt": 0}})).found_inline(Limits(2, 2))
    assert planned == []

    explained = ruled(TRUE, {"c": {"$gt": 0}}, explain=True)
    assert searching(sqlite, table, explained).found().grows is not None
    with pytest.raises(QueryNeedsIndex, match="Add an index"):
        searching(sqlite, table, ruled(TRUE, {"c": 1}, max_scan=2)).found()
    assert len(planned) == 2
