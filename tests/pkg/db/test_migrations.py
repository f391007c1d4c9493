from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import asyncpg
import pytest

from bunbase.pkg.db.database import open_database
from bunbase.pkg.db.migrations import Migration, MigrationEdited, SchemaTooNew, apply_migrations, migrations_in
from bunbase.pkg.errors import Unreachable

FIRST = Migration(1, "0001_first.sql", "CREATE TABLE things (n int); INSERT INTO things VALUES (1)")
SECOND = Migration(2, "0002_second.sql", "UPDATE things SET n = n + 1")
BROKEN = Migration(3, "0003_broken.sql", "UPDATE things SET n = 100; SELECT * FROM nowhere")


async def ask(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_each_migration_is_applied_once_and_in_order(database_url: str) -> None:
    await apply_migrations(database_url, "room", [FIRST])
    await apply_migrations(database_url, "room", [FIRST, SECOND])
    await apply_migrations(database_url, "room", [FIRST, SECOND])

    assert await ask(database_url, "SELECT n FROM room.things") == 2
    assert await ask(database_url, "SELECT count(*) FROM room.migrations") == 2


async def test_migrations_of_two_rooms_use_separate_schemas(database_url: str) -> None:
    await apply_migrations(database_url, "one", [FIRST])
    await apply_migrations(database_url, "other", [FIRST, SECOND])

    assert await ask(database_url, "SELECT n FROM one.things") == 1
    assert await ask(database_url, "SELECT n FROM other.things") == 2


async def test_an_older_version_refuses_the_schema_of_a_newer_one(database_url: str) -> None:
    await apply_migrations(database_url, "room", [FIRST, SECOND])

    with pytest.raises(SchemaTooNew, match="room has migration 0002, this version knows 0001"):
        await apply_migrations(database_url, "room", [FIRST])


async def test_a_migration_edited_after_it_was_applied_is_refused(database_url: str) -> None:
    await apply_migrations(database_url, "room", [FIRST])

    with pytest.raises(MigrationEdited, match=r"room/0001_first\.sql was edited"):
        await apply_migrations(database_url, "room", [Migration(1, FIRST.name, FIRST.sql + " "), SECOND])

    assert await ask(database_url, "SELECT n FROM room.things") == 1


async def test_a_migration_that_fails_is_rolled_back_whole(database_url: str) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await apply_migrations(database_url, "room", [FIRST, SECOND, BROKEN])

    assert await ask(database_url, "SELECT n FROM room.things") == 2
    assert await ask(database_url, "SELECT max(number) FROM room.migrations") == 2


async def test_processes_that_start_at_once_apply_each_migration_once(database_url: str) -> None:
    await asyncio.gather(*(apply_migrations(database_url, "room", [FIRST, SECOND]) for _ in range(8)))

    assert await ask(database_url, "SELECT array_agg(n) FROM room.things") == [2]


async def test_migrations_without_postgresql_raise_unreachable() -> None:
    with pytest.raises(Unreachable, match=r"PostgreSQL at .* cannot be reached"):
        await apply_migrations("postgresql://ada@/nothing?host=/nowhere", "room", [FIRST])


def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, **files: str) -> str:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for file, sql in files.items():
        (folder / f"{file}.sql").write_text(sql)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


async def test_opening_a_room_applies_the_migrations_of_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    name = package(tmp_path, monkeypatch, "room_files", **{"0001_first": FIRST.sql, "0002_second": SECOND.sql})

    async with open_database(database_url, "room", name) as db:
        assert await db.value("SELECT n FROM things") == 2


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"0001_first": "", "0003_third": ""}, "without a gap"),
        ({"0002_second": ""}, "without a gap"),
        ({"0001_first": "", "0001_again": ""}, "without a gap"),
        ({"first": ""}, "0001_what_it_does"),
        ({"0001_First": ""}, "0001_what_it_does"),
    ],
)
def test_migration_files_with_wrong_names_or_numbers_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        migrations_in(package(tmp_path, monkeypatch, "badly_numbered", **files))
