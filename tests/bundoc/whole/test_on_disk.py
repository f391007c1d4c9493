"""No data of a client is readable on disk, at any time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bunbase.bundoc.documents import fields_of
from bunbase.bundoc.writes import Create, Delete, Patch
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms

MARKERS = ("marker_in_collection", "Marker-In-Id", "marker in a value", "marker in a name")
SQL = "CREATE TABLE"  # Every readable SQLite file shows this text in its schema.


async def test_no_data_is_readable_on_disk_while_the_file_is_open_or_afterwards(tmp_path: Path) -> None:
    collection, id, value, name = MARKERS
    body = f'{{"{name}":"{value}"}}'.encode()
    async with sqlite_engine(tmp_path / "bundoc", FakeKms()) as engine:
        writes = (engine.write("prj_a", collection, Create(f"{id}{number}", body)) for number in range(2000))
        await asyncio.gather(*writes)
        await engine.write("prj_a", collection, Patch(f"{id}1", fields_of(body), NO_PRECONDITION, len(body)))
        await engine.write("prj_a", collection, Delete(f"{id}2", NO_PRECONDITION))
        await engine.page("prj_a", collection, "", 500)

        written = read_all(tmp_path)
        assert {"lock", "key.json", "data.db", "data.db-wal", "data.db-shm"} <= written.keys()
        assert len(written["data.db-wal"]) > 100_000
        assert readable(written) == []

    written = read_all(tmp_path)
    assert written.keys() == {"lock", "key.json", "data.db"}
    assert len(written["data.db"]) > 100_000
    assert readable(written) == []


async def test_only_the_owner_may_open_the_files(tmp_path: Path) -> None:
    async with sqlite_engine(tmp_path / "bundoc", FakeKms()) as engine:
        await engine.write("prj_a", "posts", Create("d1", b"{}"))

        for path in (tmp_path / "bundoc").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path


async def test_the_data_key_is_nowhere_on_disk(tmp_path: Path) -> None:
    async with sqlite_engine(tmp_path / "bundoc", FakeKms()) as engine:
        await engine.write("prj_a", "posts", Create("d1", b"{}"))
        file = engine.files.ready("prj_a")
        assert file is not None
        key = file.key

    for name, content in read_all(tmp_path).items():
        assert key not in content, name
        assert key.hex().encode() not in content.lower(), name


def read_all(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def readable(files: dict[str, bytes]) -> list[tuple[str, str]]:
    """Return each marker found in one of the files, in UTF-8 or UTF-16, in upper or lower case."""
    return [
        (name, marker)
        for name, content in files.items()
        for marker in (*MARKERS, SQL)
        for encoding in ("utf-8", "utf-16-le", "utf-16-be")
        if marker.lower().encode(encoding) in content.lower()
    ]
