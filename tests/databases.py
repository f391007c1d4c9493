"""Databases for tests. A database in which a test changed only rows is emptied, and serves the next test.

To copy a database, PostgreSQL copies 700 files, and to drop it, PostgreSQL removes them. A test with a database of its
own took 56 ms of processor time before it did anything. With an emptied database, a test takes 30 ms.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bunbase.pkg.ids import new_id

MAX_BYTES: Final = 256 << 10  # One table has at most this size, because deleted rows still take space.
GONE_SECONDS: Final = 10.0
# A change of the tables changes one of these numbers. PostgreSQL's own objects have ids below 16384.
SHAPE: Final = """
    SELECT ROW(
        (SELECT ROW(count(*), max(oid), sum(relnatts), sum(relchecks), sum(relhastriggers::int)) FROM pg_class),
        (SELECT ROW(count(*), sum(atttypid::bigint * attnum), sum(attnotnull::int), sum(atthasdef::int))
            FROM pg_attribute WHERE attrelid >= 16384),
        (SELECT ROW(count(*), max(oid), sum(ascii(tgenabled::text))) FROM pg_trigger),
        (SELECT ROW(count(*), max(oid), sum(length(prosrc))) FROM pg_proc WHERE oid >= 16384),
        (SELECT ROW(count(*), max(oid)) FROM pg_constraint),
        (SELECT ROW(count(*), max(oid)) FROM pg_attrdef)
    )::text"""
# PostgreSQL's counts also show a write if the rows were deleted or their transaction was rolled back.
WRITTEN: Final = """
    SELECT oid::regclass::text AS name, pg_relation_size(oid) AS bytes, reltuples > 0 AS analysed
    FROM pg_class WHERE relkind = 'r' AND oid >= 16384 AND pg_stat_get_tuples_inserted(oid) > 0"""
END_SESSIONS: Final = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_get_activity(NULL)
    WHERE datid = (SELECT oid FROM pg_database WHERE datname = $1)"""
RESTART_SEQUENCES: Final = """
    SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence
    WHERE pg_sequence_last_value(seqrelid) IS NOT NULL"""


class Databases:
    """Copies of the database `original`. Each test gets a new name, so that no session of an earlier test reaches it.

    `filled`: the tables that have rows in the original.
    """

    def __init__(self, postgres: str, original: str) -> None:
        self.postgres = postgres
        self.original = original
        self.free: list[str] = []
        self.admin: asyncpg.Connection | None = None
        self.shape = ""
        self.filled: list[str] = []
        self.rows = ""

    async def take(self) -> str:
        """Return the name of a database without rows that no other test uses."""
        name = new_id("test")
        if self.free:
            free = self.free.pop()
            await self._end_sessions(free)
            await self._command(f'ALTER DATABASE "{free}" RENAME TO "{name}"')
            return name
        await self._command(f'CREATE DATABASE "{name}" TEMPLATE "{self.original}" STRATEGY file_copy')
        if not self.shape:
            await self._learn(name)
        return name

    async def give_back(self, name: str) -> None:
        """Empty the database for the next test, or drop it."""
        await self._end_sessions(name)
        if await self._is_emptied(name):
            self.free.append(name)
        else:
            await self.drop(name)

    async def drop(self, name: str) -> None:
        await self._command(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def close(self) -> None:
        for name in self.free:
            await self.drop(name)
        if self.admin is not None:
            await self.admin.close()

    def url(self, name: str) -> str:
        return urlunsplit(urlsplit(self.postgres)._replace(path=f"/{name}"))

    async def _command(self, sql: str) -> None:
        await (await self._administrator()).execute(sql)

    async def _administrator(self) -> asyncpg.Connection:
        if self.admin is None or self.admin.is_closed():
            self.admin = await asyncpg.connect(self.postgres)
        return self.admin

    async def _end_sessions(self, name: str) -> None:
        admin = await self._administrator()
        async with asyncio.timeout(GONE_SECONDS):
            while await admin.fetchval(END_SESSIONS, name):
                await asyncio.sleep(0.001)

    async def _learn(self, name: str) -> None:
        connection = await asyncpg.connect(self.url(name))
        try:
            self.shape = await connection.fetchval(SHAPE)
            tables = await connection.fetch(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND oid >= 16384"
            )
            for (table,) in tables:
                if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})"):
                    self.filled.append(table)
            self.rows = await connection.fetchval(_hash_of(self.filled))
        finally:
            await connection.close()

    async def _is_emptied(self, name: str) -> bool:
        """Delete all rows. Return False if the database is not the same as before the test."""
        try:
            connection = await asyncpg.connect(self.url(name))
        except asyncpg.PostgresError:  # The test has dropped the database.
            return False
        try:
            return await self._empty(connection)
        except asyncpg.PostgresError:  # For example, only a superuser may turn off triggers.
            return False
        finally:
            await connection.close()

    async def _empty(self, connection: asyncpg.Connection) -> bool:
        if await connection.fetchval(SHAPE) != self.shape:
            return False
        if await connection.fetchval(_hash_of(self.filled)) != self.rows:
            return False
        written = [table for table in await connection.fetch(WRITTEN) if table["name"] not in self.filled]
        if any(table["bytes"] > MAX_BYTES or table["analysed"] for table in written):
            return False
        deletions = [f"DELETE FROM {table['name']}" for table in written]
        # `replica` turns off triggers, such as the triggers of the audit log and of foreign keys.
        await connection.execute(";".join(("SET session_replication_role = replica", *deletions, RESTART_SEQUENCES)))
        return True


def _hash_of(tables: list[str]) -> str:
    """Return a query for a hash of all rows."""
    rows = " UNION ALL ".join(f"SELECT '{table}' || t::text AS row FROM {table} t" for table in tables)
    return f"SELECT md5(string_agg(row, ',' ORDER BY row)) FROM ({rows}) all_rows"
