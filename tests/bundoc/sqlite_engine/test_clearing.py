"""The tables of dropped indexes are cleared in slices between the writes, also after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bunbase.bundoc.sqlite_engine import clearing
from bunbase.bundoc.sqlite_engine.clearing import Clear
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.problems import BundocBusy
from tests.bundoc.engines import sqlite_engine
from tests.bundoc.sqlite_engine.build_writer import COLLECTION, INDEXES, PROJECT, filled
from tests.bundoc.sqlite_engine.test_building import DEADLINE_SECONDS
from tests.fakes import FakeKms
from tests.pkg.waiting import until_true

TABLES = "SELECT count(*) FROM sqlite_master WHERE name GLOB 'keys_*' OR name GLOB 'text_*'"


async def until_cleared(engine: SqliteEngine) -> None:
    async def cleared() -> bool:
        return not engine.builds.tasks and not tables(engine)

    await until_true(cleared, DEADLINE_SECONDS)


def tables(engine: SqliteEngine) -> int:
    file = engine.files.ready(PROJECT)
    assert file is not None
    return int(file.reader.execute(TABLES).get)


@pytest.mark.parametrize("whole", [False, True], ids=["indexes", "collection"])
async def test_a_dropped_index_is_cleared_in_slices(
    whole: bool, engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing, "KEYS_AT_ONCE", 100)
    monkeypatch.setattr(clearing, "PAGES_AT_ONCE", 1)
    slices = 0

    async def perform(project: str, task: object) -> object:
        nonlocal slices
        slices += isinstance(task, Clear)
        return await performed(project, task)

    performed: Any = engine.builds.perform
    monkeypatch.setattr(engine.builds, "perform", perform)
    await filled(engine, 1000)
    await engine.alter(PROJECT, COLLECTION, CollectionSpec(INDEXES))
    slices = 0

    if whole:
        await engine.drop_collection(PROJECT, COLLECTION)
    else:
        await engine.alter(PROJECT, COLLECTION, CollectionSpec(()))

    await until_cleared(engine)
    assert slices > (2 if whole else 20)  # The entries of a collection are deleted with its documents.


async def test_clearing_continues_when_the_file_is_opened(
    tmp_path: Path, kms: FakeKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(project: str, task: object) -> object:
        if isinstance(task, Clear):
            raise BundocBusy("Try again.", retry_after_seconds=1)
        return await performed(project, task)

    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        performed: Any = engine.builds.perform
        monkeypatch.setattr(engine.builds, "perform", busy)
        await filled(engine, 500)
        await engine.alter(PROJECT, COLLECTION, CollectionSpec(INDEXES))
        await engine.alter(PROJECT, COLLECTION, CollectionSpec(()))
        assert tables(engine)

    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        await engine.collections(PROJECT)
        await until_cleared(engine)
