"""Group commit: writes share a commit, and each gets its own result."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine import writer as writer_module
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.bundoc.sqlite_engine.tables import Table
from bunbase.bundoc.sqlite_engine.writer import Writer
from bunbase.bundoc.writes import Create, Delete, Put
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Precondition
from bunbase.contracts.bundoc.problems import BundocBusy, DiskFull, DocumentExists, DocumentNotFound, StaleRevision
from bunbase.pkg.errors import InvalidInput
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms

P, C = "prj_a", "posts"


async def opened(engine: SqliteEngine) -> tuple[ProjectFile, Writer]:
    """Return the open project and its writer, after one write."""
    await engine.write(P, C, Create("first", b"{}"))
    file = engine.files.ready(P)
    assert file is not None
    assert file.writer is not None
    return file, file.writer


async def test_every_commit_is_synced_and_nothing_spills_to_a_temporary_file(engine: SqliteEngine) -> None:
    file, writer = await opened(engine)
    assert writer.connection is not None

    for connection in (file.reader, writer.connection):
        assert connection.pragma("journal_mode") == "wal"
        assert connection.pragma("synchronous") == 2  # 2 means FULL: the log is synced with every commit.
        assert connection.pragma("temp_store") == 2  # 2 means MEMORY.


async def test_a_refused_write_does_not_fail_other_writes_of_its_batch(engine: SqliteEngine) -> None:
    await engine.write(P, C, Create("taken", b"{}"))

    good = [engine.write(P, C, Create(f"d{number}", b"{}")) for number in range(100)]
    bad = [
        engine.write(P, C, Create("taken", b"{}")),
        engine.write(P, C, Delete("nothing", NO_PRECONDITION)),
        engine.write(P, "elsewhere", Put("d1", b"{}", Precondition(rev=7))),
    ]
    results = await asyncio.gather(*good[:50], *bad, *good[50:], return_exceptions=True)

    assert [type(result) for result in results[50:53]] == [DocumentExists, DocumentNotFound, StaleRevision]
    assert all(isinstance(result, StoredDocument) for result in results[:50] + results[53:])
    assert len((await engine.page(P, C, "", 500)).items) == 101


async def test_writes_that_wait_together_share_a_commit(engine: SqliteEngine) -> None:
    _, writer = await opened(engine)
    assert writer.connection is not None
    before = commits(writer)

    await asyncio.gather(*(engine.write(P, C, Create(f"d{number}", b"{}")) for number in range(200)))

    assert 0 < commits(writer) - before < 20


async def test_a_write_with_an_internal_error_changes_nothing(
    engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = Table.insert

    def failing(self: Table, connection: apsw.Connection, new: StoredDocument) -> None:
        insert(self, connection, new)
        if new.id == "bad":
            raise RuntimeError("a bug")

    monkeypatch.setattr(Table, "insert", failing)

    results = await asyncio.gather(
        engine.write(P, C, Create("good", b"{}")),
        engine.write(P, "fresh", Create("bad", b"{}")),
        engine.write(P, C, Create("bad", b"{}")),
        engine.write(P, C, Create("fine", b"{}")),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [StoredDocument, RuntimeError, RuntimeError, StoredDocument]
    assert [stored.id for stored in (await engine.page(P, C, "", 10)).items] == ["fine", "good"]
    monkeypatch.undo()
    assert await engine.write(P, "fresh", Create("bad", b"{}")) is not None


async def test_a_failed_commit_fails_the_whole_batch(engine: SqliteEngine) -> None:
    _, writer = await opened(engine)
    assert writer.connection is not None
    writer.connection.set_commit_hook(lambda: True)  # This makes SQLite roll back instead of committing.

    results = await asyncio.gather(
        *(engine.write(P, name, Create("d1", b"{}")) for name in (C, "fresh")), return_exceptions=True
    )

    assert all(isinstance(result, Exception) for result in results)
    writer.connection.set_commit_hook(None)
    assert await engine.get(P, C, "d1") is None
    assert await engine.write(P, "fresh", Create("d1", b"{}")) is not None


async def test_a_full_disk_is_reported_and_nothing_of_the_batch_is_kept(engine: SqliteEngine) -> None:
    _, writer = await opened(engine)
    assert writer.connection is not None
    writer.connection.pragma("max_page_count", writer.connection.pragma("page_count") + 4)

    large = b'{"a":"%b"}' % (b"x" * 50_000)
    results = await asyncio.gather(
        *(engine.write(P, C, Create(id, body)) for id, body in (("small", b"{}"), ("large", large))),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [DiskFull, DiskFull]
    assert await engine.get(P, C, "small") is None
    writer.connection.pragma("max_page_count", 1 << 30)
    assert await engine.write(P, C, Create("large", large)) is not None


async def test_a_full_queue_refuses_a_write_at_once(tmp_path: Path) -> None:
    settings = BundocSettings(queued_writes=10, batch_writes=5)
    async with sqlite_engine(tmp_path / "bundoc", FakeKms(), settings) as engine:
        await opened(engine)

        writes = (engine.write(P, C, Create(f"d{number}", b"{}")) for number in range(100))
        results = await asyncio.gather(*writes, return_exceptions=True)

        refused = [result for result in results if isinstance(result, BundocBusy)]
        stored = [result for result in results if isinstance(result, StoredDocument)]
        assert len(refused) + len(stored) == 100
        assert refused[0].extra == {"retry_after_seconds": 1}
        assert len((await engine.page(P, C, "", 500)).items) == len(stored) + 1 > 10


async def test_the_write_queue_is_limited_in_bytes_too(tmp_path: Path) -> None:
    async with sqlite_engine(tmp_path / "bundoc", FakeKms(), BundocSettings(queued_mib=1)) as engine:
        await opened(engine)
        body = b'{"a":"%b"}' % (b"x" * 900_000)

        writes = (engine.write(P, C, Create(f"d{number}", body)) for number in range(20))
        results = await asyncio.gather(*writes, return_exceptions=True)

        assert any(isinstance(result, BundocBusy) for result in results)
        assert isinstance(results[0], StoredDocument)


async def test_a_caller_that_leaves_early_stops_no_write_of_another_caller(engine: SqliteEngine) -> None:
    await opened(engine)

    writes = [asyncio.create_task(engine.write(P, C, Create(f"d{number}", b"{}"))) for number in range(50)]
    await asyncio.sleep(0)
    for write in writes[::2]:
        write.cancel()
    results = await asyncio.gather(*writes, return_exceptions=True)

    assert all(isinstance(result, StoredDocument) for result in results[1::2])


async def test_the_number_of_collections_is_limited(tmp_path: Path) -> None:
    async with sqlite_engine(tmp_path / "bundoc", FakeKms(), BundocSettings(max_collections=3)) as engine:
        writes = (engine.write(P, f"c{number}", Create("d1", b"{}")) for number in range(5))
        results = await asyncio.gather(*writes, return_exceptions=True)

        assert [type(result) for result in results].count(InvalidInput) == 2
        assert await engine.write(P, "c0", Create("d2", b"{}")) is not None


async def test_the_write_ahead_log_is_checkpointed_as_it_grows(
    engine: SqliteEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "CHECKPOINT_PAGES", 50)
    await opened(engine)

    for batch in range(30):
        await asyncio.gather(*(engine.write(P, C, Create(f"d{batch}-{n}", b'{"a":1}')) for n in range(100)))

    wal = tmp_path / "bundoc" / P / "data.db-wal"
    assert wal.stat().st_size < 200 * 4096


def commits(writer: Writer) -> int:
    """Return the data version of the file. Another connection sees it change once per commit of a batch."""
    assert writer.connection is not None
    return int(writer.connection.data_version())
