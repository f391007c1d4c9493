from __future__ import annotations

import asyncpg
import pytest

from tests.databases import MAX_BYTES, Databases

ENTRIES = """
    INSERT INTO platform.audit (id, at, project, actor_kind, actor_id, action, target, ip, agent, request_id)
    SELECT n::text, now(), '', 'key', '', 'act', repeat('x', 1000), '', '', '' FROM generate_series(1, {}) n;"""


async def after(databases: Databases, sql: str) -> tuple[bool, asyncpg.Connection]:
    """Let a test run `sql`. Return True if its database serves the next test, and a connection of that test."""
    name = await databases.take()
    # The connection is left open, as a test that fails would do.
    connection = await asyncpg.connect(databases.url(name))
    await connection.execute(sql)
    await databases.give_back(name)
    serves_again = bool(databases.free)
    return serves_again, await asyncpg.connect(databases.url(await databases.take()))


@pytest.fixture
async def databases(databases: Databases) -> Databases:
    """Return databases, of which none is free for another test."""
    while databases.free:
        await databases.drop(databases.free.pop())
    return databases


async def test_the_next_test_finds_neither_rows_nor_used_numbers(databases: Databases) -> None:
    serves_again, connection = await after(databases, ENTRIES.format(1) + "SELECT nextval('functions.logs_order')")

    assert serves_again
    assert await connection.fetchval("SELECT count(*) FROM platform.audit") == 0
    assert await connection.fetchval("SELECT nextval('functions.logs_order')") == 1
    await connection.close()


@pytest.mark.parametrize(
    "changed",
    [
        "ALTER TABLE platform.projects ADD COLUMN mine text",
        "ALTER TABLE platform.projects DROP COLUMN name",
        "ALTER TABLE platform.audit DISABLE TRIGGER audit_rows",
        "CREATE INDEX mine ON platform.projects (name)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DELETE FROM platform.migrations",
        ENTRIES.format(MAX_BYTES // 1000),
    ],
    ids=["a column", "no column", "a trigger", "an index", "a function", "migrations", "many rows"],
)
async def test_a_database_that_cannot_be_emptied_is_dropped(databases: Databases, changed: str) -> None:
    serves_again, connection = await after(databases, changed)

    assert not serves_again
    assert await connection.fetchval("SELECT count(*) FROM platform.migrations") > 0
    assert await connection.fetchval("SELECT count(*) FROM pg_class WHERE relname = 'mine'") == 0
    await connection.close()
