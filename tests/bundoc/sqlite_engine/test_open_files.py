"""Open files: their number and the age of their keys are limited."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine import engine as engine_module
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.writes import Create
from bunbase.contracts.bundoc.problems import BundocBusy
from bunbase.contracts.bunkms import KeyDestroyed
from bunbase.pkg.errors import InvalidInput, Unreachable
from bunbase.pkg.sealed_sqlite.connection import cache_share, connect
from bunbase.pkg.sealed_sqlite.directory_lock import DirectoryTaken
from tests.bundoc.engines import Seconds, sqlite_engine
from tests.fakes import FakeKms

P, C = "prj_a", "posts"
SETTINGS = BundocSettings(max_open_projects=3, close_idle_seconds=60, key_seconds=900, renew_key_after_seconds=600)


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def engine(tmp_path: Path, kms: FakeKms, seconds: Seconds) -> AsyncIterator[SqliteEngine]:
    async with sqlite_engine(tmp_path / "bundoc", kms, SETTINGS, seconds) as engine:
        yield engine


async def begun(engine: SqliteEngine, *projects: str) -> None:
    for project in projects:
        await engine.write(project, C, Create("d1", f'{{"of":"{project}"}}'.encode()))


async def test_the_least_recently_used_file_is_closed_and_opens_again(engine: SqliteEngine) -> None:
    projects = [f"prj_{number}" for number in range(10)]
    await begun(engine, *projects)
    assert set(engine.files.files) == set(projects[7:])

    await engine.get(projects[7], C, "d1")
    for project in projects[:2]:
        stored = await engine.get(project, C, "d1")
        assert stored is not None
        assert stored.body == f'{{"of":"{project}"}}'.encode()

    assert list(engine.files.files) == [projects[7], *projects[:2]]


async def test_a_project_of_very_many_collections_opens(tmp_path: Path, kms: FakeKms) -> None:
    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        await begun(engine, P)
        file = await engine.files.open(P)
        connection = connect(file.path, file.key)
        with connection:
            more = [(f"c{number}", "2026-01-01T00:00:00.000Z") for number in range(20_000)]
            connection.executemany("INSERT INTO collections (name, created) VALUES (?, ?)", more)
        connection.close()

    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        assert await engine.get(P, C, "d1") is not None


@pytest.mark.parametrize(
    ("limits", "open"),
    [((1024, 1 << 20), 10_000), ((1 << 20, 1 << 20), 10_000), ((1024, 20_000), 2708), ((64, 64), 4)],
)
def test_the_number_of_open_projects_depends_on_the_limit_of_descriptors(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], open: int
) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _what: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _what, to: raised.append(to))

    assert engine_module._most_open(BundocSettings(max_open_projects=10_000)) == open
    assert all(soft <= limits[1] for soft, _ in raised)


async def test_more_projects_than_open_files_are_served_in_turns(engine: SqliteEngine) -> None:
    async def visit(project: str) -> None:
        while True:
            try:
                await engine.write(project, C, Create("d1", b"{}"))
                return
            except BundocBusy:
                await asyncio.sleep(0.001)

    async with asyncio.timeout(20):
        await asyncio.gather(*(visit(f"prj_{number}") for number in range(40)))

    assert len(engine.files.files) <= 3
    for number in range(40):
        assert await engine.get(f"prj_{number}", C, "d1") is not None


async def test_a_project_is_refused_as_busy_when_all_open_files_are_in_use(engine: SqliteEngine) -> None:
    await begun(engine, "prj_1", "prj_2", "prj_3")
    files = engine.files

    async with files.using("prj_1"), files.using("prj_2"), files.using("prj_3"):
        with pytest.raises(BundocBusy):
            await engine.get("prj_4", C, "d1")

    assert await engine.get("prj_4", C, "d1") is None


async def test_only_idle_files_are_closed(engine: SqliteEngine, seconds: Seconds) -> None:
    await begun(engine, "prj_1", "prj_2")

    seconds.advance(59)
    await engine.get("prj_2", C, "d1")
    seconds.advance(2)
    await engine.tend()

    assert list(engine.files.files) == ["prj_2"]
    assert await engine.get("prj_1", C, "d1") is not None


async def test_a_project_with_writes_becomes_idle_too(engine: SqliteEngine, seconds: Seconds) -> None:
    await begun(engine, P)

    for _ in range(5):
        seconds.advance(15)
        await engine.tend()

    assert P not in engine.files.files


async def test_many_calls_for_a_closed_project_open_it_once(engine: SqliteEngine, kms: FakeKms) -> None:
    await asyncio.gather(*(engine.get(P, C, "d1") for _ in range(50)))

    assert kms.calls == ["generate_data_key"]


async def test_a_file_opens_for_other_callers_if_its_first_caller_leaves(engine: SqliteEngine) -> None:
    first = asyncio.create_task(engine.get(P, C, "d1"))
    second = asyncio.create_task(engine.get(P, C, "d1"))
    await asyncio.sleep(0)
    first.cancel()

    assert await second is None


async def test_a_key_in_use_is_confirmed_by_the_kms_before_it_is_too_old(
    engine: SqliteEngine, kms: FakeKms, seconds: Seconds
) -> None:
    await begun(engine, P)
    kms.calls.clear()

    for _ in range(40):  # This is an hour of steady use.
        seconds.advance(30)
        await engine.get(P, C, "d1")
        await engine.tend()

    assert kms.calls == ["unwrap_data_key", "rewrap_data_key"] * 2


async def test_the_next_call_confirms_an_old_key_with_the_kms(
    engine: SqliteEngine, kms: FakeKms, seconds: Seconds
) -> None:
    await begun(engine, P)
    kms.calls.clear()

    seconds.advance(901)
    assert await engine.get(P, C, "d1") is not None
    assert await engine.get(P, C, "d1") is not None

    assert kms.calls == ["unwrap_data_key"]


async def test_a_destroyed_key_closes_an_open_project(engine: SqliteEngine, kms: FakeKms, seconds: Seconds) -> None:
    await begun(engine, P)
    await kms.destroy(P)

    seconds.advance(599)
    await engine.get(P, C, "d1")
    seconds.advance(2)
    await engine.tend()

    assert P not in engine.files.files
    with pytest.raises(KeyDestroyed):
        await engine.get(P, C, "d1")


async def test_without_the_kms_data_is_served_for_15_minutes_and_no_longer(
    engine: SqliteEngine, kms: FakeKms, seconds: Seconds
) -> None:
    await begun(engine, P)
    kms.reachable = False

    for _ in range(29):
        seconds.advance(30)
        assert await engine.get(P, C, "d1") is not None
        await engine.tend()
    seconds.advance(31)
    with pytest.raises(Unreachable):
        await engine.get(P, C, "d1")
    assert P not in engine.files.files

    kms.reachable = True
    assert await engine.get(P, C, "d1") is not None


async def test_a_project_in_use_is_dropped_once_its_writes_are_done(engine: SqliteEngine, tmp_path: Path) -> None:
    writes = [asyncio.create_task(engine.write(P, C, Create(f"d{n}", b"{}"))) for n in range(100)]
    await asyncio.sleep(0)
    await engine.write(P, C, Create("last", b"{}"))

    await engine.drop(P)

    assert all(not isinstance(result, Exception) for result in await asyncio.gather(*writes, return_exceptions=True))
    assert not (tmp_path / "bundoc" / P).exists()


@pytest.mark.parametrize(
    "project", ["", ".", "..", "../prj_a", "prj_a/..", "prj_", "prj_A", "PRJ_a", "prj_a\n", "x", "a/b"]
)
async def test_an_invalid_project_id_never_becomes_a_path(engine: SqliteEngine, tmp_path: Path, project: str) -> None:
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(InvalidInput):
        await engine.get(project, C, "d1")
    with pytest.raises(InvalidInput):
        await engine.drop(project)

    assert sorted(tmp_path.rglob("*")) == before


async def test_a_second_process_is_refused_with_the_name_of_the_directory(engine: SqliteEngine, tmp_path: Path) -> None:
    with pytest.raises(DirectoryTaken, match=f"{tmp_path}/bundoc .*process {os.getpid()}"):
        async with sqlite_engine(tmp_path / "bundoc", FakeKms()):
            pass


@pytest.mark.parametrize(("files", "share"), [(0, 64), (1, 64), (4, 64), (5, 32), (100, 2), (256, 1), (10_000, 1)])
def test_open_files_share_the_cache_size(files: int, share: int) -> None:
    assert cache_share(256, 64, files) == share
