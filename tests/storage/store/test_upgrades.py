"""Files of older formats. `format_1` is the directory of Storage that release 0.1 wrote, with the keys of a FakeKms."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw
import pytest

from bunbase.contracts.storage import BucketNotFound, Listing
from bunbase.pkg.sealed_sqlite.faults import FileUnreadable
from bunbase.storage.store.blobs import named_blobs, totals
from bunbase.storage.store.tables import FORMAT, create_tables, upgrade_tables
from tests.fakes import FakeKms
from tests.storage.room import SECRET, opened_storage, put, read

FORMAT_1 = Path(__file__).parent / "format_1"
SECRET_OF_KMS = bytes(32)


def shapes(connection: apsw.Connection) -> dict[str, list[tuple[object, ...]]]:
    tables = [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    columns = 'SELECT name, type, "notnull", pk FROM pragma_table_info(?) ORDER BY name'
    return {table: [tuple(row) for row in connection.execute(columns, (table,))] for table in tables}


async def test_a_file_of_format_1_opens_with_all_objects(tmp_path: Path) -> None:
    shutil.copytree(FORMAT_1, tmp_path / "storage")

    async with opened_storage(tmp_path, FakeKms(SECRET_OF_KMS)) as storage:
        found = await storage.objects(SECRET, "files", Listing())
        assert [one.key for one in found.items] == ["a/rye.txt", "copy", "large"]
        assert (found.items[0].metadata, found.items[0].cache_control) == ({"colour": "brown"}, "no-store")
        assert await read(storage, "copy") == bytes(range(256)) * 300
        await put(storage, "new", b"new")
        async with storage.holdings.files.using("prj_a") as file:
            assert file is not None
            assert await file.read(lambda connection: connection.pragma("user_version")) == FORMAT
            assert (await file.read(totals)).waiting_bytes == 4
            assert len(await file.read(named_blobs)) == 3
            upgraded = await file.read(shapes)

    async with opened_storage(tmp_path, FakeKms(SECRET_OF_KMS)) as storage:
        assert await read(storage, "new") == b"new"
        with pytest.raises(BucketNotFound):
            await storage.bucket(SECRET, "missing")
    assert upgraded == shapes(new_file())


@pytest.mark.parametrize(
    ("format", "missing"),
    [
        (2, ("finished_uploads", "changes", "change_log", "variants")),
        (3, ("changes", "change_log", "variants")),
        (4, ("variants",)),
        (5, ()),
    ],
)
def test_a_file_of_an_older_format_gets_the_tables_that_it_lacks(format: int, missing: tuple[str, ...]) -> None:
    connection = new_file()
    for table in missing:
        connection.execute(f"DROP TABLE {table}")
    if format < 5:
        connection.execute("ALTER TABLE totals DROP COLUMN variant_bytes")
    connection.execute("ALTER TABLE totals DROP COLUMN upload_parts")
    connection.pragma("user_version", format)

    upgrade_tables(connection)

    assert shapes(connection) == shapes(new_file())
    assert connection.pragma("user_version") == FORMAT


def test_a_file_of_format_5_gets_the_number_of_its_parts() -> None:
    connection = new_file()
    connection.execute("ALTER TABLE totals DROP COLUMN upload_parts")
    connection.execute("INSERT INTO buckets (id, name, spec, created) VALUES (1, 'files', '{}', 1)")
    connection.execute("INSERT INTO uploads (id, bucket, key, properties, created) VALUES ('u', 1, x'61', '{}', 1)")
    for number in (1, 2, 3):
        connection.execute("INSERT INTO blobs VALUES (?, 5, 1)", (f"b{number}",))
        connection.execute("INSERT INTO upload_parts VALUES ('u', ?, ?, 5, '', '', 1)", (number, f"b{number}"))
    connection.pragma("user_version", 5)

    upgrade_tables(connection)

    assert totals(connection).upload_parts == 3


def test_a_file_of_a_newer_format_is_refused() -> None:
    connection = new_file()
    connection.pragma("user_version", FORMAT + 1)

    with pytest.raises(FileUnreadable, match=str(FORMAT + 1)):
        upgrade_tables(connection)


def new_file() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    create_tables(connection)
    return connection
