"""The access of one room to PostgreSQL.

A Database has one schema and one pool, runs SQL, and returns rows as Structs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar, overload

import asyncpg
import msgspec

from bunbase.pkg.db.connecting import CONNECT_SECONDS, LOST, as_problems, connect
from bunbase.pkg.db.migrations import migrate
from bunbase.pkg.db.notifications import Notifications
from bunbase.pkg.errors import Problem

T = TypeVar("T", bound=msgspec.Struct)

STATEMENT_SECONDS = 10.0
ACQUIRE_SECONDS = 5.0
POOL_SIZE = 10
DELETE_BATCH = 1000  # One batch deletes this many rows.


class Database:
    """Runs statements. Inside `transaction()`, all statements use one connection. Outside, each statement takes a
    connection from the pool.

    Every method may raise Unreachable and DatabaseBusy.
    """

    def __init__(self, url: str, pool: asyncpg.Pool, schema: str) -> None:
        self.url = url
        self.pool = pool
        self.schema = schema
        self._transaction: ContextVar[asyncpg.Connection | None] = ContextVar(f"{schema}_tx", default=None)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commit at the end of the block. Roll back if the block raises an exception.

        A nested block is part of the outer transaction.
        """
        if self._transaction.get() is not None:
            yield
            return
        async with self._pooled() as connection:
            block = connection.transaction()
            with as_problems(), _whole_or_gone(connection):
                await block.start()
            token = self._transaction.set(connection)
            try:
                yield
            except BaseException:
                with suppress(asyncpg.InterfaceError, *LOST), _whole_or_gone(connection):
                    await block.rollback()  # If the connection is lost, PostgreSQL rolls the transaction back.
                raise
            finally:
                self._transaction.reset(token)
            with as_problems(), _whole_or_gone(connection):
                await block.commit()

    async def all(self, row: type[T], sql: str, *args: Any) -> list[T]:
        async with self._connection() as connection:
            return [_to(row, record) for record in await connection.fetch(sql, *args)]

    async def one(self, row: type[T], sql: str, *args: Any) -> T | None:
        async with self._connection() as connection:
            record = await connection.fetchrow(sql, *args)
        return None if record is None else _to(row, record)

    async def value(self, sql: str, *args: Any) -> Any:
        """Return the first column of the first row, or None."""
        async with self._connection() as connection:
            return await connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: Any) -> int:
        """Run a statement and return the number of rows that it changed."""
        async with self._connection() as connection:
            status: str = await connection.execute(sql, *args)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def delete_in_batches(self, sql: str, *args: Any) -> None:
        """Run a DELETE repeatedly, until no rows are left to delete.

        The last parameter of the statement is the LIMIT for one batch.

        Each batch is a separate statement, so that no statement holds locks for long.
        """
        while await self.execute(sql, *args, DELETE_BATCH) == DELETE_BATCH:
            pass

    @asynccontextmanager
    async def notifications(self, channel: str) -> AsyncIterator[Notifications]:
        """Yield the notifications of a channel.

        Notifications arrive on a separate connection, which is not in the pool.
        """
        connection = await connect(self.url)
        try:
            notifications = Notifications(connection)
            await notifications.listen(channel)
            yield notifications
        finally:
            connection.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        """Yield a connection for a single statement.

        Run no other code inside the block: its errors would be reported as errors of PostgreSQL.
        """
        current = self._transaction.get()
        if current is not None:
            with as_problems():
                yield current
            return
        async with self._pooled() as connection:
            with as_problems():
                yield connection

    @asynccontextmanager
    async def _pooled(self) -> AsyncIterator[Any]:
        with as_problems():
            connection = await self.pool.acquire(timeout=ACQUIRE_SECONDS)
        try:
            yield connection
        finally:
            await self._release(connection)

    async def _release(self, connection: Any) -> None:
        """Return a connection to the pool. If the connection is lost, free its place in the pool.

        If PostgreSQL ends a session between two statements, asyncpg closes the connection, but still counts it as in
        use (asyncpg #1069). After ten such losses, the pool would be empty until a restart. `terminate` frees the
        place.
        """
        with suppress(Problem, asyncpg.InterfaceError), as_problems():  # the statement itself has succeeded
            if connection.is_closed():
                connection.terminate()
            await self.pool.release(connection)


@contextmanager
def _whole_or_gone(connection: Any) -> Iterator[None]:
    """Close the connection if BEGIN, COMMIT or ROLLBACK is interrupted, for example by a cancellation.

    The connection may then still be in a transaction, so the pool must not reuse it.
    """
    try:
        yield
    except asyncpg.PostgresError:  # PostgreSQL has answered, so the transaction is over.
        raise
    except BaseException:
        connection.terminate()
        raise


@overload
def _to(row: type[T], record: asyncpg.Record) -> T: ...
@overload
def _to(row: Any, record: asyncpg.Record) -> Any: ...
def _to(row: Any, record: asyncpg.Record) -> Any:
    return msgspec.convert(dict(record), row)


@asynccontextmanager
async def open_database(url: str, schema: str, migrations: str) -> AsyncIterator[Database]:
    """Apply the migrations of the package `migrations` to a room's schema, and yield the Database.

    Raises: MigrationEdited, SchemaTooNew, DatabaseRefused, Unreachable.
    """

    async def prepare(connection: asyncpg.Connection) -> None:
        for kind in ("json", "jsonb"):
            await connection.set_type_codec(
                kind, encoder=_to_json, decoder=msgspec.json.decode, schema="pg_catalog", format="text"
            )

    await migrate(url, schema, migrations)
    with as_problems():
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=POOL_SIZE,
            init=prepare,
            command_timeout=STATEMENT_SECONDS,
            timeout=CONNECT_SECONDS,
            max_inactive_connection_lifetime=60.0,
            reset=_nothing_to_reset,
            server_settings={"search_path": schema, "application_name": f"bunbase-{schema}"},
        )
    try:
        yield Database(url, pool, schema)
    finally:
        with suppress(asyncpg.InterfaceError, *LOST):
            # Every statement has ended by then. `close` alone would wait without a limit.
            async with asyncio.timeout(STATEMENT_SECONDS):
                await pool.close()


async def _nothing_to_reset(_connection: Any) -> None:
    """Keep the session unchanged when a connection returns to the pool.

    asyncpg has already rolled back an open transaction. The reset of asyncpg (RESET ALL, UNLISTEN and more) would cost
    one more round trip after each statement. BunBase does not need this reset, because none of its statements changes
    the session: settings belong to the connection, locks end with the transaction, and LISTEN has its own connections
    (`notifications`). `tests/pkg/db/test_database.py` searches the code for statements that change the session.
    """


async def ping(url: str) -> None:
    """Check that PostgreSQL answers. Raises: Unreachable, DatabaseBusy."""
    connection = await connect(url)
    try:
        with as_problems():
            await connection.fetchval("SELECT 1")
    finally:
        connection.terminate()


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
