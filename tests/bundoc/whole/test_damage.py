"""Damaged, truncated, swapped or foreign files are detected, named in the log, and never served."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import apsw
import pytest
from structlog.testing import capture_logs

from bunbase.bundoc.engine import Engine
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.tables import FORMAT
from bunbase.bundoc.writes import Create
from bunbase.contracts.bundoc.problems import DataUnreadable, QueryTooSlow
from bunbase.pkg.sealed_sqlite.connection import connect
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms

P, C = "prj_a", "posts"
PAGE = 4096
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n WHERE ? IS NOT ?"


@pytest.fixture
async def directory(tmp_path: Path, kms: FakeKms) -> Path:
    """Return a closed directory of two projects with a thousand documents each."""
    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        for project in (P, "prj_b"):
            body = b'{"filling":"%b"}' % (b"x" * 300)
            await asyncio.gather(*(engine.write(project, C, Create(f"d{n:04}", body)) for n in range(1000)))
    return tmp_path / "bundoc"


async def refused(directory: Path, kms: FakeKms) -> None:
    """Assert that the project is not served, that the log names the project, and that other projects are served."""
    with capture_logs() as logs:
        async with sqlite_engine(directory, kms) as engine:
            for _ in range(2):
                with pytest.raises(DataUnreadable):
                    await walk(engine)
            with pytest.raises(DataUnreadable):
                await engine.get(P, C, "d0000")
            with pytest.raises(DataUnreadable):
                await engine.write(P, C, Create("new", b"{}"))
            assert await engine.get("prj_b", C, "d0000") is not None
    named = [log for log in logs if log["log_level"] == "error"]
    assert named
    assert {log["project"] for log in named} == {P}


async def walk(engine: Engine) -> None:
    after, more = "", True
    while more:
        chunk = await engine.page(P, C, after, 500)
        after, more = chunk.items[-1].id, chunk.more
    since = -1
    while since != (changes := await engine.changes(P, max(since, 0), 500)).next:
        since = changes.next


@pytest.mark.parametrize("page", [0, 1, 15, 40, -1])
@pytest.mark.parametrize("offset", [20, 700, 4090])
async def test_a_flipped_bit_is_noticed_when_its_page_is_read(
    directory: Path, kms: FakeKms, page: int, offset: int
) -> None:
    path = directory / P / "data.db"
    content = bytearray(path.read_bytes())
    start = page * PAGE if page >= 0 else len(content) + page * PAGE
    content[start + offset] ^= 0x10
    path.write_bytes(content)

    await refused(directory, kms)


@pytest.mark.parametrize("keep", [0, 1, 100, PAGE - 1, PAGE, 10 * PAGE, 10 * PAGE + 17])
async def test_a_truncated_file_is_noticed(directory: Path, kms: FakeKms, keep: int) -> None:
    path = directory / P / "data.db"
    path.write_bytes(path.read_bytes()[:keep])

    await refused(directory, kms)


async def test_a_missing_file_is_not_taken_for_a_new_project(directory: Path, kms: FakeKms) -> None:
    (directory / P / "data.db").unlink()

    await refused(directory, kms)


async def test_a_missing_key_file_is_not_taken_for_a_new_project(directory: Path, kms: FakeKms) -> None:
    (directory / P / "key.json").unlink()

    await refused(directory, kms)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"wrapped":1}', '{"wrapped":"bunkms:v1:AAAA","complete":true}'])
async def test_a_damaged_key_file_is_noticed(directory: Path, kms: FakeKms, content: str) -> None:
    (directory / P / "key.json").write_text(content)

    await refused(directory, kms)


async def test_files_copied_from_another_project_do_not_open(directory: Path, kms: FakeKms) -> None:
    for name in ("data.db", "key.json"):
        shutil.copy(directory / "prj_b" / name, directory / P / name)

    await refused(directory, kms)


async def test_a_database_copied_from_another_project_does_not_open_under_this_key(
    directory: Path, kms: FakeKms
) -> None:
    shutil.copy(directory / "prj_b" / "data.db", directory / P / "data.db")

    await refused(directory, kms)


async def test_a_plain_sqlite_file_is_not_served(directory: Path, kms: FakeKms) -> None:
    path = directory / P / "data.db"
    path.unlink()
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE collections (id, name); PRAGMA user_version = 1")
    connection.close()

    await refused(directory, kms)


async def test_a_file_of_a_newer_format_is_refused(directory: Path, kms: FakeKms) -> None:
    async with sqlite_engine(directory, kms) as engine:
        await engine.get(P, C, "d0000")
        file = engine.files.ready(P)
        assert file is not None
        key = file.key
    connection = connect(directory / P / "data.db", key)
    connection.pragma("user_version", FORMAT + 1)
    connection.close()

    await refused(directory, kms)


async def test_a_file_found_damaged_is_no_longer_served(directory: Path, kms: FakeKms) -> None:
    async with sqlite_engine(directory, kms) as engine:
        assert await engine.get(P, C, "d0000") is not None
        path = directory / P / "data.db"
        with path.open("r+b") as file:
            file.seek(8 * PAGE)
            file.write(b"\x00" * (path.stat().st_size - 9 * PAGE))

        with pytest.raises(DataUnreadable):
            await walk(engine)

        with pytest.raises(DataUnreadable):
            await engine.get(P, C, "d0000")
        assert await engine.get("prj_b", C, "d0000") is not None


async def test_a_read_that_takes_too_long_is_stopped(directory: Path, kms: FakeKms) -> None:
    async with sqlite_engine(directory, kms, BundocSettings(read_seconds=0.001)) as engine:
        await engine.get(P, C, "d0000")
        file = engine.files.ready(P)
        assert file is not None
        file.tables[C].page_sql = ENDLESS

        for limit in (1, 500):
            with pytest.raises(QueryTooSlow):
                await engine.page(P, C, "", limit)

        assert await engine.get(P, C, "d0000") is not None
