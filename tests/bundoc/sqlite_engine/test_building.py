"""Indexes are built even if no caller waits. Builds report their progress, and continue after a crash."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from bunbase.bundoc.query.filters import Compare
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.text import parse_text
from bunbase.bundoc.sqlite_engine.altering import BATCH, BATCH_BYTES, Build, Declare
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.writes import CommitStep, Create
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec, IndexSpec
from bunbase.contracts.bundoc.problems import BundocBusy
from tests.bundoc.engines import sqlite_engine
from tests.bundoc.sqlite_engine.build_writer import COLLECTION, DOCUMENTS, INDEXES, PROJECT, filled
from tests.fakes import FakeKms
from tests.pkg.waiting import until_true

DEADLINE_SECONDS = 30.0
BY_N = (IndexSpec(("n",), "by_n"),)


async def state(engine: SqliteEngine) -> Collection:
    found = await engine.collection(PROJECT, COLLECTION)
    assert found is not None
    return found


async def until_ready(engine: SqliteEngine) -> None:
    async def ready() -> bool:
        return all(index.ready for index in (await state(engine)).indexes)

    await until_true(ready, DEADLINE_SECONDS)


async def half_built(engine: SqliteEngine) -> None:
    await filled(engine, 5 * BATCH)
    (number,) = (await engine._task(PROJECT, Declare(COLLECTION, CollectionSpec(BY_N)))).building
    await engine._task(PROJECT, Build(COLLECTION, number))
    await engine._task(PROJECT, Build(COLLECTION, number))


async def test_an_index_being_built_reports_its_progress(engine: SqliteEngine) -> None:
    await half_built(engine)

    (index,) = (await state(engine)).indexes

    assert (index.ready, index.progress) == (False, 0.4)
    assert (await engine.search(PROJECT, COLLECTION, Search(where=Compare(("n",), "=", 7)))).index == "_id"
    await engine.alter(PROJECT, COLLECTION, CollectionSpec(BY_N))
    (index,) = (await state(engine)).indexes
    assert (index.ready, index.progress) == (True, None)


async def test_a_caller_that_does_not_wait_gets_an_answer_before_the_index_is_built(engine: SqliteEngine) -> None:
    await filled(engine, 5 * BATCH)

    await engine.alter(PROJECT, COLLECTION, CollectionSpec(BY_N), wait=False)

    assert not (await state(engine)).indexes[0].ready
    await until_ready(engine)
    found = await engine.search(PROJECT, COLLECTION, Search(where=Compare(("n",), "=", 7)))
    assert (found.index, found.examined) == ("by_n", 1)


async def test_a_half_built_index_continues_when_the_file_is_opened(tmp_path: Path, kms: FakeKms) -> None:
    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        await half_built(engine)

    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        await until_ready(engine)
        found = await engine.search(PROJECT, COLLECTION, Search(where=Compare(("n",), ">=", 0), count=True))

    assert (found.index, found.count) == ("by_n", 5 * BATCH)


async def test_a_build_that_was_refused_continues_later(engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(engine, 2 * BATCH)

    async def busy(project: str, build: Build) -> bool:
        raise BundocBusy("Try again.", retry_after_seconds=1)

    with monkeypatch.context() as patched:
        patched.setattr(engine.builds, "perform", busy)
        with pytest.raises(BundocBusy):
            await engine.alter(PROJECT, COLLECTION, CollectionSpec(BY_N))
    await engine.tend()

    await until_ready(engine)


async def test_an_index_is_built_anew_when_its_filter_only_looks_the_same(engine: SqliteEngine) -> None:
    await engine.commit(PROJECT, (CommitStep(COLLECTION, Create("d1", b'{"n":1,"a":true}')),))
    await engine.alter(PROJECT, COLLECTION, CollectionSpec((IndexSpec(("n",), "one", where={"a": 1}),)))

    await engine.alter(PROJECT, COLLECTION, CollectionSpec((IndexSpec(("n",), "one", where={"a": True}),)))

    found = await engine.search(PROJECT, COLLECTION, Search(where=Compare(("a",), "=", True)))
    assert (found.index, len(found.items)) == ("one", 1)


async def test_large_documents_are_indexed_in_smaller_batches(engine: SqliteEngine) -> None:
    large = b'{"n":1,"title":"' + b"word " * (BATCH_BYTES // 20) + b'"}'
    for number in range(6):
        await engine.commit(PROJECT, (CommitStep(COLLECTION, Create(f"d{number}", large)),))
    (number,) = (await engine._task(PROJECT, Declare(COLLECTION, CollectionSpec(INDEXES[1:])))).building

    assert await engine._task(PROJECT, Build(COLLECTION, number))
    (index,) = (await state(engine)).indexes
    await engine.alter(PROJECT, COLLECTION, CollectionSpec(INDEXES[1:]))

    assert index.progress == round(4 / 6, 3)
    found = await engine.search(PROJECT, COLLECTION, Search(text=parse_text("word"), by_score=True, count=True))
    assert found.count == 6


async def test_long_arrays_are_indexed_in_smaller_batches(engine: SqliteEngine) -> None:
    """A document has up to 1000 entries in an index, and writes wait while a batch is added."""
    array = b'{"n":[%s]}' % b",".join([b"%d" % number for number in range(1000)])
    steps = [CommitStep(COLLECTION, Create(f"d{number}", array)) for number in range(12)]
    await engine.commit(PROJECT, tuple(steps))
    (number,) = (await engine._task(PROJECT, Declare(COLLECTION, CollectionSpec(BY_N)))).building

    follows = [await engine._task(PROJECT, Build(COLLECTION, number)) for _ in range(3)]

    assert follows == [True, True, False]
    found = await engine.search(PROJECT, COLLECTION, Search(where=Compare(("n",), "=", 999), count=True))
    assert (found.index, found.count) == ("by_n", 12)


async def test_an_index_may_be_dropped_while_it_is_built(engine: SqliteEngine) -> None:
    await filled(engine, 5 * BATCH)
    await engine.alter(PROJECT, COLLECTION, CollectionSpec(INDEXES), wait=False)

    await engine.alter(PROJECT, COLLECTION, CollectionSpec(()))

    assert (await state(engine)).indexes == ()

    async def over() -> bool:
        return not engine.builds.tasks

    await until_true(over, DEADLINE_SECONDS)
    await engine.alter(PROJECT, COLLECTION, CollectionSpec(BY_N))
    assert (await state(engine)).indexes[0].ready


async def test_a_project_can_be_dropped_while_an_index_is_built(engine: SqliteEngine) -> None:
    await filled(engine, 5 * BATCH)
    waiting = asyncio.create_task(engine.alter(PROJECT, COLLECTION, CollectionSpec(INDEXES)))
    await until_true(lambda: _building(engine), DEADLINE_SECONDS)

    await engine.drop(PROJECT)

    assert not engine.builds.tasks
    with pytest.raises(BundocBusy):
        await waiting


async def _building(engine: SqliteEngine) -> bool:
    return bool(engine.builds.tasks)


async def test_kill_9_while_indexes_are_built_loses_nothing_of_them(tmp_path: Path) -> None:
    secret = os.urandom(32)
    directory = tmp_path / "bundoc"
    command = [sys.executable, "-m", "tests.bundoc.sqlite_engine.build_writer", str(directory), secret.hex()]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await process.stdout.readline() == b"building\n"
    process.kill()
    await process.wait()

    async with sqlite_engine(directory, FakeKms(secret)) as engine:
        half = await state(engine)
        await until_ready(engine)
        by_key = await engine.search(PROJECT, COLLECTION, Search(where=Compare(("n",), ">=", 0), count=True))
        by_text = await engine.search(PROJECT, COLLECTION, Search(text=parse_text("all"), by_score=True, count=True))

    assert not all(index.ready for index in half.indexes)
    assert (by_key.index, by_key.count) == ("by_n", DOCUMENTS)
    assert (by_text.index, by_text.count) == ("words", DOCUMENTS)
