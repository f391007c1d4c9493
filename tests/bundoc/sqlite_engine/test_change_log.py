"""Commits and the change log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import msgspec
import pytest

from bunbase.bundoc.documents import fields_of
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine import change_log
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine, open_sqlite_engine
from bunbase.bundoc.update.parse import parse_update
from bunbase.bundoc.writes import Check, CommitStep, Create, Delete, Put, Update
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Precondition
from bunbase.contracts.bundoc.problems import (
    BundocBusy,
    DocumentExists,
    DocumentNotFound,
    ResyncRequired,
    StaleRevision,
)
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.sealed_sqlite.connection import connect
from tests.bundoc.engines import Seconds, sqlite_engine
from tests.fakes import FakeKms

P, C = "prj_a", "posts"


def create(id: str) -> CommitStep:
    return CommitStep(C, Create(id, b"{}"))


async def test_a_commit_sees_its_own_writes(engine: Engine) -> None:
    done = await engine.commit(P, (create("d1"), CommitStep(C, Delete("d1", Precondition(rev=1))), create("d1")))

    assert [kept.rev if kept else 0 for kept in done.results] == [1, 0, 2]
    assert done.seq == 3


async def test_a_failed_commit_leaves_no_document_no_collection_and_no_gap_in_the_log(engine: Engine) -> None:
    await engine.commit(P, (create("d1"),))

    refused = await asyncio.gather(
        engine.commit(P, (CommitStep("fresh", Create("x", b"{}")), create("d1"))),
        engine.commit(P, (create("d2"),)),
        return_exceptions=True,
    )

    assert isinstance(refused[0], DocumentExists)
    assert refused[0].extra["write"] == 1
    assert await engine.get(P, "fresh", "x") is None
    assert [(one.seq, one.id) for one in (await engine.changes(P, 0, 10)).items] == [(1, "d1"), (2, "d2")]


async def test_a_check_changes_nothing_and_fails_the_commit_if_the_document_changed(engine: Engine) -> None:
    await engine.commit(P, (create("read"),))

    await engine.commit(
        P, (CommitStep(C, Check("read", Precondition(rev=1))), CommitStep(C, Check("no", Precondition(rev=0))))
    )
    with pytest.raises(StaleRevision) as stale:
        await engine.commit(P, (create("d1"), CommitStep(C, Check("read", Precondition(rev=2)))))

    assert stale.value.extra == {"rev": 1, "write": 1}
    assert await engine.get(P, C, "d1") is None
    assert (await engine.changes(P, 0, 10)).next == 1


async def test_64_tasks_that_increment_a_counter_at_once_lose_no_increment(engine: Engine) -> None:
    await engine.write(P, C, Create("counter", b'{"n":0}'))
    changes = parse_update(fields_of(b'{"$inc":{"n":1}}'))

    async def count() -> None:
        for _ in range(20):
            await engine.write(P, C, Update("counter", changes, NO_PRECONDITION, 16))

    await asyncio.gather(*(count() for _ in range(64)))

    counter = await engine.get(P, C, "counter")
    assert counter is not None
    assert (counter.body, counter.rev) == (b'{"n":1280}', 1281)
    assert (await engine.changes(P, 1281, 1)).next == 1281


async def test_only_a_change_of_its_own_project_wakes_a_waiting_reader(engine: Engine) -> None:
    await engine.write(P, C, Create("d1", b"{}"))
    waiting = asyncio.create_task(engine.changes(P, 1, 10, wait_seconds=20))
    await engine.write("prj_b", C, Create("d1", b"{}"))
    assert not waiting.done()

    await engine.write(P, C, Create("d2", b"{}"))

    assert [one.id for one in (await waiting).items] == ["d2"]


async def test_a_wait_for_changes_times_out_and_the_number_of_waits_is_limited(tmp_path: Path) -> None:
    async with sqlite_engine(tmp_path / "bundoc", FakeKms(), BundocSettings(waiting_for_changes=1)) as engine:
        await engine.write(P, C, Create("d1", b"{}"))
        first, second = await asyncio.gather(
            *(engine.changes(P, 1, 10, wait_seconds=0.05) for _ in range(2)), return_exceptions=True
        )

        assert not isinstance(first, BaseException)
        assert (first.items, first.next) == ((), 1)
        assert isinstance(second, BundocBusy)
        assert engine.news.count == 0


async def test_old_changes_are_pruned_and_sequence_numbers_continue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_log, "PRUNED_AT_ONCE", 7)
    async with sqlite_engine(tmp_path / "bundoc", FakeKms(), BundocSettings(changes=10)) as engine:
        await asyncio.gather(*(engine.write(P, C, Create(f"d{n}", b"{}")) for n in range(40)))

        await engine.tend()

        with pytest.raises(ResyncRequired) as gone:
            await engine.changes(P, 29, 10)
        assert gone.value.extra == {"first": 30, "last": 40}
        assert [one.seq for one in (await engine.changes(P, 30, 50)).items] == list(range(31, 41))

    kms = FakeKms()
    async with sqlite_engine(tmp_path / "aged", kms, BundocSettings(change_days=1e-9)) as engine:
        await engine.write(P, C, Create("d1", b"{}"))
        while (await engine.changes(P, 1, 1)).next == 1:
            await engine.tend()
            try:
                await engine.changes(P, 0, 1)
            except ResyncRequired:
                break
        await engine.write(P, C, Create("d2", b"{}"))
        assert [one.seq for one in (await engine.changes(P, 1, 10)).items] == [2]


async def test_old_changes_of_unused_projects_are_pruned_too(tmp_path: Path) -> None:
    kms, seconds, clock = FakeKms(), Seconds(), ManualClock()
    settings = BundocSettings(change_days=1, max_open_projects=3)
    projects = [f"prj_{number}" for number in range(12)]
    async with open_sqlite_engine(tmp_path / "bundoc", kms, clock, settings, seconds) as engine:
        for project in projects:
            await engine.write(project, C, Create("d1", b"{}"))

    clock.advance(2 * 86_400)
    kms.calls.clear()
    async with open_sqlite_engine(tmp_path / "bundoc", kms, clock, settings, seconds) as engine:
        for _ in range(24 * 4):
            seconds.advance(900)
            await engine.tend()
            assert len(engine.files.files) <= 3
        asked = len(kms.calls)

        for project in projects:
            with pytest.raises(ResyncRequired):
                await engine.changes(project, 0, 1)
    assert asked == 12  # Each project was opened once.


async def test_a_project_that_cannot_be_opened_does_not_stop_the_pruning_of_others(tmp_path: Path) -> None:
    kms, seconds, clock = FakeKms(), Seconds(), ManualClock()
    async with open_sqlite_engine(tmp_path / "bundoc", kms, clock, BundocSettings(change_days=1), seconds) as engine:
        for project in ("prj_a", "prj_b", "prj_c"):
            await engine.write(project, C, Create("d1", b"{}"))
    await kms.destroy("prj_b")

    clock.advance(2 * 86_400)
    async with open_sqlite_engine(tmp_path / "bundoc", kms, clock, BundocSettings(change_days=1), seconds) as engine:
        for _ in range(5):
            await engine.tend()

        for project in ("prj_a", "prj_c"):
            with pytest.raises(ResyncRequired):
                await engine.changes(project, 0, 1)


async def test_a_file_of_the_first_format_is_brought_up_to_date_and_readers_must_resync(
    tmp_path: Path, kms: FakeKms
) -> None:
    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        await engine.write(P, C, Put("d1", b'{"a":1}', NO_PRECONDITION))
        file = engine.files.ready(P)
        assert file is not None
        key = file.key
    back_to_the_first_format(tmp_path / "bundoc" / P / "data.db", key)

    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        kept = await engine.get(P, C, "d1")
        assert kept is not None
        assert kept.body == b'{"a":1}'
        with pytest.raises(ResyncRequired) as resync:
            await engine.changes(P, 0, 10)
        await engine.write(P, C, Put("d1", b'{"a":2}', NO_PRECONDITION))
        told = await engine.changes(P, resync.value.extra["last"], 10)
        assert [(one.op, one.rev) for one in told.items] == [("update", 2)]


def back_to_the_first_format(path: Path, key: bytes) -> None:
    """Undo the changes of later formats; the statements of the first format have not changed."""
    connection = connect(path, key)
    for statement in (
        "DROP TABLE changes",
        "DROP TABLE log",
        "DROP TABLE indexes",
        "DROP TABLE builds",
        "DROP TABLE revisions",
        "DROP TABLE floors",
        "DROP TABLE ended",
        "DROP TABLE kept_answers",
        "DROP TABLE before_images",
        "DROP TABLE before_images_size",
        "ALTER TABLE docs_1 DROP COLUMN expires",
        "CREATE TABLE before (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created TEXT NOT NULL)",
        "INSERT INTO before SELECT id, name, created FROM collections",
        "DROP TABLE collections",
        "ALTER TABLE before RENAME TO collections",
        "PRAGMA user_version = 1",
    ):
        connection.execute(statement)
    ours = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    assert sorted(connection.execute(ours).get) == ["collections", "docs_1"]
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.close()


async def test_dropping_a_collection_logs_the_deletion_of_each_document(engine: SqliteEngine) -> None:
    # These steps need three batches.
    puts = tuple(CommitStep(C, Put(f"d{n:03}", b"{}", NO_PRECONDITION)) for n in range(450))
    await engine.commit(P, puts)

    dropped = await engine.drop_collection(P, C)

    told = (await engine.changes(P, 450, 500)).items
    assert dropped
    assert [(one.op, one.id) for one in told] == [("delete", f"d{n:03}") for n in range(450)]
    assert await engine.terms(P, C) is None
    assert not await engine.drop_collection(P, C)


async def test_the_change_log_stores_how_many_runs_led_to_a_write(engine: SqliteEngine) -> None:
    deletion = CommitStep(C, Delete("d0", NO_PRECONDITION))

    _, refused, *_ = await asyncio.gather(
        engine.commit(P, (create("d1"), create("d2")), 3),
        engine.commit(P, (create("d3"), deletion), 4),
        engine.write(P, C, Put("d4", b"{}", NO_PRECONDITION)),
        engine.write(P, C, Put("d5", b"{}", NO_PRECONDITION), depth=9),
        return_exceptions=True,
    )
    await engine.drop_collection(P, C)

    assert isinstance(refused, DocumentNotFound)
    told = [(one.id, one.depth) for one in (await engine.changes(P, 0, 10)).items]
    assert told == [("d1", 3), ("d2", 3), ("d4", 0), ("d5", 9), ("d1", 0), ("d2", 0), ("d4", 0), ("d5", 0)]


async def test_indirect_changes_have_the_depth_of_their_write_and_expiry_has_depth_zero(engine: SqliteEngine) -> None:
    past = b'{"ends":"2020-01-01T00:00:00Z"}'
    await engine.alter(P, C, CollectionSpec(expires="ends"))
    await engine.write(P, C, Put("d1", past, NO_PRECONDITION), depth=5)

    await engine.write(P, C, Put("d1", past, NO_PRECONDITION), depth=6)
    await engine.tend()

    told = [(one.op, one.depth) for one in (await engine.changes(P, 0, 10)).items]
    assert told == [("create", 5), ("delete", 6), ("create", 6), ("delete", 0)]


async def test_the_change_log_holds_every_change_of_every_document(engine: SqliteEngine) -> None:
    writes = [CommitStep(C, Put(f"d{n % 7}", msgspec.json.encode({"n": n}), NO_PRECONDITION)) for n in range(100)]
    await asyncio.gather(*(engine.commit(P, (step,)) for step in writes))

    told = (await engine.changes(P, 0, 500)).items
    assert [one.seq for one in told] == list(range(1, 101))
    for id in {one.id for one in told}:
        stored = await engine.get(P, C, id)
        assert stored is not None
        assert [one.rev for one in told if one.id == id] == list(range(1, stored.rev + 1))
