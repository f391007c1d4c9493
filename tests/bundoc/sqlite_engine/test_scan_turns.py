"""Queries of one project run in parallel, wait for a bounded time, and stop when their caller leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bunbase.bundoc.query.filters import EVERYTHING, And, Compare
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.shape import shape
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.writes import Create
from bunbase.contracts.bundoc.documents import Query
from bunbase.contracts.bundoc.problems import BundocBusy, QueryTooSlow
from bunbase.pkg import metrics
from bunbase.pkg.context import deadline_in
from bunbase.pkg.errors import DeadlineExceeded
from tests.bundoc.endless import made_endless
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms
from tests.pkg.waiting import eventually
from tests.rooms import secret_caller

P, C = "prj_a", "posts"
WHOLE = Search(count=True)  # This search runs in a thread, because only short pages are read in the event loop.
QUICK, SLOW = "quick", "slow"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    settings = BundocSettings(scans=3, project_scans=2, queued_scans=1)
    async with sqlite_engine(tmp_path / "bundoc", FakeKms(), settings) as engine:
        for project in (P, "prj_b"):
            for collection in (QUICK, SLOW):
                await engine.write(project, collection, Create("d1", b'{"a":1}'))
        yield engine


def asked(engine: SqliteEngine, project: str = P, collection: str = SLOW) -> asyncio.Task[Any]:
    return asyncio.create_task(engine.search(project, collection, WHOLE))


async def running(engine: SqliteEngine, scans: int) -> None:
    await eventually(lambda: engine.turns.all._value == 3 - scans)


async def ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_slow_query_does_not_stop_a_quick_one_of_the_same_project(engine: SqliteEngine) -> None:
    await made_endless(engine, P, SLOW)
    slow = asked(engine)
    await running(engine, 1)

    found = await engine.search(P, QUICK, WHOLE)

    assert [one.id for one in found.items] == ["d1"]
    assert not slow.done()
    await ended(slow)


async def test_one_project_cannot_keep_the_others_from_querying(engine: SqliteEngine) -> None:
    await made_endless(engine, P, SLOW)
    slow = [asked(engine), asked(engine)]
    await running(engine, 2)
    third = asked(engine, collection=QUICK)

    found = await engine.search("prj_b", QUICK, WHOLE)

    assert [one.id for one in found.items] == ["d1"]
    assert not third.done()
    await ended(*slow)
    assert (await third).items[0].id == "d1"


async def test_a_caller_that_leaves_stops_its_own_query_only(engine: SqliteEngine) -> None:
    file = await made_endless(engine, P, SLOW)
    leaving, staying = asked(engine), asked(engine)
    await running(engine, 2)

    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    await running(engine, 1)
    assert file.users == 1
    assert not staying.done()
    assert (await engine.search(P, QUICK, WHOLE)).items[0].id == "d1"
    await ended(staying)


async def test_a_query_whose_caller_left_is_counted_as_cancelled(engine: SqliteEngine) -> None:
    await made_endless(engine, P, SLOW)
    before = metrics.bundoc_ops.labels("query", "cancelled")._value.get()
    leaving = asyncio.create_task(BundocService(engine).query(secret_caller(P), SLOW, Query()))
    await running(engine, 1)

    await ended(leaving)

    assert metrics.bundoc_ops.labels("query", "cancelled")._value.get() == before + 1


async def test_a_fold_stops_when_its_caller_leaves(engine: SqliteEngine) -> None:
    file = await made_endless(engine, P, SLOW)
    folding = asyncio.create_task(engine.fold(P, SLOW, Search(), list))
    await running(engine, 1)

    await ended(folding)

    await running(engine, 0)
    assert file.users == 0


async def test_a_caller_may_leave_while_its_query_waits_for_a_turn(engine: SqliteEngine) -> None:
    await made_endless(engine, P, SLOW)
    slow = [asked(engine), asked(engine)]
    await running(engine, 2)
    waiting = asked(engine, collection=QUICK)
    await eventually(lambda: engine.turns.waiting == 1)

    await ended(waiting)

    assert engine.turns.waiting == 0
    await ended(*slow)
    await running(engine, 0)
    assert (await engine.search(P, QUICK, WHOLE)).items[0].id == "d1"


async def test_the_number_and_the_waiting_time_of_queued_queries_are_limited(engine: SqliteEngine) -> None:
    await made_endless(engine, P, SLOW)
    slow = [asked(engine), asked(engine)]
    await running(engine, 2)

    with deadline_in(0.2), pytest.raises(BundocBusy) as busy:
        await engine.search(P, QUICK, WHOLE)
    waiting = asked(engine)
    await eventually(lambda: engine.turns.waiting == 1)
    with pytest.raises(BundocBusy):
        await engine.search(P, QUICK, WHOLE)

    assert busy.value.headers() == {"retry-after": "1"}
    await ended(waiting, *slow)


async def test_one_project_cannot_fill_the_queue(tmp_path: Path) -> None:
    settings = BundocSettings(scans=2, project_scans=1, queued_scans=8)
    async with sqlite_engine(tmp_path / "bundoc", FakeKms(), settings) as engine:
        for project in (P, "prj_b"):
            for collection in (QUICK, SLOW):
                await engine.write(project, collection, Create("d1", b'{"a":1}'))
            await made_endless(engine, project, SLOW)
        slow = [asked(engine), asked(engine, "prj_b")]
        await eventually(lambda: engine.turns.all._value == 0)

        greedy = [asked(engine) for _ in range(20)]
        await eventually(lambda: sum(one.done() for one in greedy) >= 15)
        modest = asked(engine, "prj_b", QUICK)
        await eventually(lambda: engine.turns.waiting == 6)

        assert all(isinstance(one.exception(), BundocBusy) for one in greedy if one.done())
        assert sum(not one.done() for one in greedy) == 5
        assert not modest.done()
        await ended(slow[1])
        assert (await modest).items[0].id == "d1"
        await ended(*slow, *greedy)
        assert not engine.turns.waiting_for


async def test_the_deadline_of_the_request_ends_a_query(engine: SqliteEngine) -> None:
    await made_endless(engine, P, SLOW)

    with deadline_in(0.1), pytest.raises(DeadlineExceeded):
        await engine.search(P, SLOW, WHOLE)

    await running(engine, 0)


async def test_a_query_that_uses_its_own_time_says_what_to_do(engine: SqliteEngine) -> None:
    await made_endless(engine, P, SLOW)
    engine.turns.settings = BundocSettings(read_seconds=0.1)

    with deadline_in(60), pytest.raises(QueryTooSlow) as refused:
        await engine.search(P, SLOW, WHOLE)

    assert (refused.value.status, "add an index" in refused.value.detail) == (503, True)


async def test_a_project_keeps_one_connection_for_queries_and_none_when_idle(engine: SqliteEngine) -> None:
    await asyncio.gather(*(engine.search(P, QUICK, WHOLE) for _ in range(2)))
    file = engine.files.ready(P)
    assert file is not None
    assert len(file.scanners.kept) == 1

    file.scanners.close(idle_seconds=60)
    assert len(file.scanners.kept) == 1
    file.scanners.close()
    assert file.scanners.kept == []

    assert (await engine.search(P, QUICK, WHOLE)).items[0].id == "d1"


async def test_a_slow_query_is_named_in_the_log_without_its_values(tmp_path: Path) -> None:
    settings = BundocSettings(slow_query_seconds=0.000001)
    async with sqlite_engine(tmp_path / "bundoc", FakeKms(), settings) as engine:
        await engine.write(P, C, Create("d1", b'{"a":"a secret"}'))
        with capture_logs() as logs:
            await engine.search(P, C, Search(where=Compare(("a",), "=", "a secret"), count=True))

    (line,) = [log for log in logs if log["event"] == "a slow query"]
    assert (line["project"], line["collection"], line["filter"]) == (P, C, "a = ?")
    assert (line["index"], line["examined"]) == ("_id", 1)
    assert "secret" not in str(line)


def test_the_shape_of_a_filter_shows_no_values_and_has_a_limited_length() -> None:
    one, two = Compare(("a", "b"), "=", 1), Compare(("c",), ">", "x")

    assert shape(EVERYTHING) == "everything"
    assert shape(And((one, two))) == "a.b = ? and c > ?"
    assert len(shape(And((one,) * 1000))) == 300
