"""A room's own door to PostgreSQL: one schema, one pool, SQL with parameters, rows out as Structs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, overload

import asyncpg
import msgspec

from bunbase.pkg.db.migrations import migrate
from bunbase.pkg.errors import Problem, Unreachable

T = TypeVar("T", bound=msgspec.Struct)

STATEMENT_SECONDS = 10.0
ACQUIRE_SECONDS = 5.0
POOL_SIZE = 10
LOST = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError)


class DatabaseBusy(Problem):
    status, code, title = 503, "database_busy", "The database has too much to do"


class Database:
    """Statements inside `transaction()` share its connection; outside, each takes one from the pool."""

    def __init__(self, url: str, pool: asyncpg.Pool, schema: str) -> None:
        self.url = url
        self.pool = pool
        self.schema = schema
        self._transaction: ContextVar[asyncpg.Connection | None] = ContextVar(f"{schema}_tx", default=None)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commit at the end of the block, roll back if it raises. Inside another, be a part of that one."""
        if self._transaction.get() is not None:
            yield
            return
        async with self._connection() as connection, connection.transaction():
            token = self._transaction.set(connection)
            try:
                yield
            finally:
                self._transaction.reset(token)

    async def all(self, row: type[T], sql: str, *args: Any) -> list[T]:
        async with self._connection() as connection:
            return [_to(row, record) for record in await connection.fetch(sql, *args)]

    async def one(self, row: type[T], sql: str, *args: Any) -> T | None:
        async with self._connection() as connection:
            record = await connection.fetchrow(sql, *args)
        return None if record is None else _to(row, record)

    async def value(self, sql: str, *args: Any) -> Any:
        """Give the first column of the first row, or None."""
        async with self._connection() as connection:
            return await connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: Any) -> int:
        """Run a statement; give how many rows it changed."""
        async with self._connection() as connection:
            status: str = await connection.execute(sql, *args)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per row, all or nothing."""
        async with self._connection() as connection:
            await connection.executemany(sql, rows)

    @asynccontextmanager
    async def notifications(self, channel: str) -> AsyncIterator[asyncio.Queue[str | None]]:
        """Listen on a connection of its own; the queue gets each payload, and None when the connection is lost."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        try:
            connection = await asyncpg.connect(self.url, timeout=ACQUIRE_SECONDS)
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            raise Unreachable("PostgreSQL cannot be reached; try again.") from error
        try:
            connection.add_termination_listener(lambda _: queue.put_nowait(None))
            await connection.add_listener(channel, lambda *heard: queue.put_nowait(heard[3]))
            yield queue
        finally:
            connection.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        current = self._transaction.get()
        if current is not None:
            yield current
            return
        try:
            async with self.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                yield connection
        except TimeoutError as error:
            raise DatabaseBusy("PostgreSQL did not answer in time; try again.") from error
        except asyncpg.TooManyConnectionsError as error:
            raise DatabaseBusy("PostgreSQL takes no more connections; try again.") from error
        except LOST as error:
            raise Unreachable("PostgreSQL cannot be reached; try again.") from error


@overload
def _to(row: type[T], record: asyncpg.Record) -> T: ...
@overload
def _to(row: Any, record: asyncpg.Record) -> Any: ...
def _to(row: Any, record: asyncpg.Record) -> Any:
    return msgspec.convert(dict(record), row)


@asynccontextmanager
async def open_database(url: str, schema: str, migrations: str) -> AsyncIterator[Database]:
    """Open a room's schema, brought up to date from the SQL files of the package `migrations`.

    Raises: MigrationEdited, Unreachable.
    """

    async def prepare(connection: asyncpg.Connection) -> None:
        for kind in ("json", "jsonb"):
            await connection.set_type_codec(
                kind, encoder=_to_json, decoder=msgspec.json.decode, schema="pg_catalog", format="text"
            )

    try:
        await migrate(url, schema, migrations)
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=POOL_SIZE,
            init=prepare,
            command_timeout=STATEMENT_SECONDS,
            timeout=ACQUIRE_SECONDS,
            max_inactive_connection_lifetime=60.0,
            server_settings={"search_path": schema, "application_name": f"bunbase-{schema}"},
        )
    except (OSError, asyncpg.PostgresConnectionError, TimeoutError) as error:
        raise Unreachable(f"PostgreSQL cannot be reached: {error}") from error
    try:
        yield Database(url, pool, schema)
    finally:
        await pool.close()


async def ping(url: str) -> None:
    """Ask PostgreSQL for an answer. Raises: Unreachable."""
    try:
        connection = await asyncpg.connect(url, timeout=ACQUIRE_SECONDS)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise Unreachable("PostgreSQL cannot be reached.") from error
    try:
        await connection.fetchval("SELECT 1")
    finally:
        await connection.close()


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
