from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

import bunbase
from bunbase.pkg.db import database as database_module
from bunbase.pkg.db.connecting import DatabaseBusy, as_problems
from bunbase.pkg.db.database import POOL_SIZE, Database, ping
from bunbase.pkg.errors import InvalidInput, Unreachable
from bunbase.pkg.postgres.cluster import Cluster
from tests.pkg.db.sample_schema import opened_database

TABLE = "CREATE TABLE things (name text PRIMARY KEY, size int NOT NULL, extra jsonb)"
ADD = "INSERT INTO things (name, size) VALUES ($1, $2)"
NAMES = "SELECT coalesce(array_agg(name ORDER BY name), '{}') FROM things"


class Thing(msgspec.Struct, frozen=True):
    name: str
    size: int


class Extra(msgspec.Struct, frozen=True):
    tags: list[str]


class WithExtra(msgspec.Struct, frozen=True):
    extra: Extra


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with opened_database(database_url, TABLE) as opened:
        yield opened


async def test_rows_are_returned_as_structs(db: Database) -> None:
    for thing in (("a", 1), ("b", 2)):
        await db.execute(ADD, *thing)

    assert await db.all(Thing, "SELECT name, size FROM things ORDER BY name") == [Thing("a", 1), Thing("b", 2)]
    assert await db.one(Thing, "SELECT name, size FROM things WHERE name = $1", "b") == Thing("b", 2)
    assert await db.one(Thing, "SELECT name, size FROM things WHERE name = $1", "c") is None
    assert await db.value("SELECT size FROM things WHERE name = $1", "c") is None
    assert await db.execute("UPDATE things SET size = 0") == 2


async def test_a_struct_is_stored_as_json_and_read_back(db: Database) -> None:
    await db.execute("INSERT INTO things VALUES ('a', 1, $1)", Extra(["x", "ü"]))

    assert await db.one(WithExtra, "SELECT extra FROM things") == WithExtra(Extra(["x", "ü"]))


async def test_other_connections_see_a_transaction_only_after_its_commit(db: Database) -> None:
    async with db.transaction():
        await db.execute(ADD, "a", 1)
        assert await asyncio.create_task(elsewhere(db)) == []
        await db.execute(ADD, "b", 2)

    assert await db.value(NAMES) == ["a", "b"]


async def test_a_transaction_that_fails_writes_nothing(db: Database) -> None:
    async def fail() -> None:
        async with db.transaction():
            await db.execute(ADD, "a", 1)
            raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        await fail()

    assert await db.value(NAMES) == []


async def test_an_inner_transaction_is_rolled_back_with_the_outer_one(db: Database) -> None:
    async def fail() -> None:
        async with db.transaction():
            async with db.transaction():
                await db.execute(ADD, "a", 1)
            raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        await fail()

    assert await db.value(NAMES) == []


async def test_a_cancelled_transaction_writes_nothing_and_returns_its_connection(db: Database) -> None:
    inside = asyncio.Event()

    async def never_done() -> None:
        async with db.transaction():
            await db.execute(ADD, "a", 1)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(never_done())
    await inside.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await db.value(NAMES) == []
    assert db.pool.get_idle_size() == db.pool.get_size()


@pytest.mark.parametrize("cut_short", ["BEGIN;", "ROLLBACK;", "COMMIT;"])
async def test_a_transaction_cancelled_during_begin_or_its_end_returns_its_connection(
    db: Database, monkeypatch: pytest.MonkeyPatch, cut_short: str
) -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
    execute, at_the_edge = asyncpg.Connection.execute, asyncio.Event()

    async def held(connection: asyncpg.Connection, sql: str, *args: object, **options: object) -> str:
        done: str = await execute(connection, sql, *args, **options)
        if sql == cut_short:
            at_the_edge.set()
            await asyncio.Event().wait()
        return done

    async def one_transaction() -> None:
        async with db.transaction():
            await db.execute(ADD, "a", 1)
            if cut_short == "ROLLBACK;":
                raise InvalidInput("no")

    monkeypatch.setattr(asyncpg.Connection, "execute", held)
    task = asyncio.create_task(one_transaction())
    await at_the_edge.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    monkeypatch.undo()

    assert complaints == []
    assert await db.value(NAMES) == (["a"] if cut_short == "COMMIT;" else [])
    assert db.pool.get_idle_size() == db.pool.get_size()


async def test_an_error_raised_inside_a_transaction_keeps_its_type(db: Database) -> None:
    with pytest.raises(TimeoutError):
        async with db.transaction():
            raise TimeoutError("some other service was slow")
    with pytest.raises(ConnectionResetError):
        async with db.transaction():
            raise ConnectionResetError("some other service went away")


async def test_a_violated_constraint_raises_the_original_error_of_asyncpg(db: Database) -> None:
    await db.execute(ADD, "a", 1)

    with pytest.raises(asyncpg.UniqueViolationError):
        await db.execute(ADD, "a", 2)


async def test_a_wrong_argument_raises_the_error_of_asyncpg(db: Database) -> None:
    with pytest.raises(asyncpg.DataError):
        await db.execute(ADD, "a", "not a number")
    with pytest.raises(asyncpg.InterfaceError):
        await db.execute(ADD, "a")


async def test_a_query_without_a_free_connection_raises_database_busy(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, done = asyncio.Barrier(database_module.POOL_SIZE + 1), asyncio.Event()

    async def hold() -> None:
        async with db.transaction():
            await full.wait()
            await done.wait()

    holding = [asyncio.create_task(hold()) for _ in range(database_module.POOL_SIZE)]
    async with asyncio.timeout(30):
        await full.wait()
    monkeypatch.setattr(database_module, "ACQUIRE_SECONDS", 0.05)

    with pytest.raises(DatabaseBusy):
        await db.value("SELECT 1")

    done.set()
    await asyncio.gather(*holding)
    monkeypatch.undo()
    assert await db.value("SELECT 1") == 1


async def test_a_statement_that_takes_too_long_raises_database_busy(db: Database) -> None:
    db.pool._connect_kwargs["command_timeout"] = 0.05
    await db.pool.expire_connections()

    with pytest.raises(DatabaseBusy):
        await db.execute("SELECT pg_sleep(60)")


@pytest.mark.parametrize("sqlstate", ["53100", "53200", "40P01", "57014", "58030", "25006", "55P03"])
async def test_a_temporary_error_of_postgresql_raises_database_busy(db: Database, sqlstate: str) -> None:
    """These errors are not bugs: full disk, no memory, deadlock, cancelled statement, broken disk, standby, lock.

    Usage is kept and sent again after such an error. Usage is dropped only after a permanent error.
    """
    with pytest.raises(DatabaseBusy):
        await db.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$")

    assert await db.value("SELECT 1") == 1


async def test_a_wrong_statement_raises_the_error_of_asyncpg(db: Database) -> None:
    with pytest.raises(asyncpg.NumericValueOutOfRangeError):
        await db.execute("SELECT 9223372036854775807::bigint + 1")


async def test_a_connection_that_postgresql_ended_is_replaced(db: Database, database_url: str) -> None:
    other = await asyncpg.connect(database_url)
    asleep = asyncio.create_task(db.value("SELECT pg_sleep(60)"))
    ended = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> $1"
    )
    async with asyncio.timeout(10):
        while not await other.fetchval(ended, other.get_server_pid()):
            await asyncio.sleep(0.01)

    with pytest.raises(Unreachable):
        await asleep

    assert await db.value("SELECT 1") == 1
    await other.close()


async def test_sessions_that_end_between_two_statements_take_no_place_in_the_pool(
    db: Database, database_url: str
) -> None:
    """Because of asyncpg #1069, a closed connection counted in the limit until the next start."""
    other = await asyncpg.connect(database_url)
    for turns in range(4 * POOL_SIZE):
        ending = None
        with suppress(Unreachable):  # During each statement, this session or the previous session may end.
            session = await db.value("SELECT pg_backend_pid()")
            ending = asyncio.create_task(other.fetchval("SELECT pg_terminate_backend($1)", session))
            for _ in range(
                turns
            ):  # Wait for more or fewer turns of the event loop, so that the session ends at different moments.
                await asyncio.sleep(0)
            for number in range(10):
                await db.value(f"SELECT {number}")
        if ending is not None:
            await ending
    for _ in range(POOL_SIZE):
        with suppress(Unreachable):
            await db.value("SELECT 1")

    async with asyncio.TaskGroup() as all_places:
        for _ in range(POOL_SIZE):
            all_places.create_task(db.value("SELECT pg_sleep(0.01)"))
    await other.close()


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.QueryCanceledError("reset"),
        asyncpg.OutOfMemoryError("reset"),
        asyncpg.InterfaceError("reset"),
        asyncpg.ConnectionDoesNotExistError("reset"),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_answered_statement_succeeds_even_if_its_connection_cannot_be_returned(
    db: Database, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    release = db.pool.release

    async def failing(connection: Any) -> None:
        await release(connection)
        raise error

    monkeypatch.setattr(asyncpg.Pool, "release", lambda _, connection: failing(connection))

    assert await db.value("SELECT 1") == 1


def test_an_internal_error_of_the_driver_is_a_bug_unless_the_session_was_cut_off() -> None:
    with pytest.raises(asyncpg.InternalClientError), as_problems():
        raise asyncpg.InternalClientError("no binary format encoder for type foo")
    with pytest.raises(Unreachable), as_problems():
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")


async def test_every_call_raises_unreachable_after_postgresql_stopped(own_postgres: Cluster) -> None:
    async with opened_database(own_postgres.url, TABLE) as db:
        await ping(own_postgres.url)
        own_postgres.stop()

        for _ in range(3):
            with pytest.raises(Unreachable):
                await db.value("SELECT 1")
        with pytest.raises(Unreachable):
            async with db.transaction():
                raise AssertionError("there is nothing to begin")
        with pytest.raises(Unreachable):
            await ping(own_postgres.url)


async def test_a_transaction_raises_unreachable_if_postgresql_stops_during_it(own_postgres: Cluster) -> None:
    async with opened_database(own_postgres.url, TABLE) as db:

        async def is_interrupted() -> None:
            async with db.transaction():
                await db.execute(ADD, "a", 1)
                own_postgres.stop()
                await db.execute(ADD, "b", 2)

        with pytest.raises(Unreachable):
            await is_interrupted()


async def elsewhere(db: Database) -> list[str]:
    """Return the names that another connection sees."""
    names: list[str] = await db.pool.fetchval(NAMES)
    return names


async def test_a_statement_is_one_round_trip_and_leaves_no_open_transaction(db: Database) -> None:
    sent: list[str] = []
    async with db.pool.acquire() as connection:
        connection.add_query_logger(lambda query: sent.append(query.query))
    await db.execute(ADD, "a", 1)
    assert sent == [ADD]

    connection = await db.pool.acquire()
    await connection.execute("BEGIN")
    await connection.execute(ADD, "b", 2)
    with suppress(asyncpg.InterfaceError):  # asyncpg complains, and rolls back.
        await db.pool.release(connection)
    assert await db.value(NAMES) == ["a"]


SESSION_STATE = re.compile(r'pg_(try_)?advisory_lock|set_config\(|"(SET|LISTEN|DECLARE) [a-z_]+|TEMP TABLE')


def test_no_statement_changes_the_session_that_the_pool_keeps() -> None:
    """The pool does not reset connections. Locks and settings must end with their transaction."""
    source = Path(bunbase.__file__).parent
    # The connections of these modules are outside of the pool.
    allowed = {"pkg/db/migrations.py", "pkg/db/notifications.py"}
    found = {str(file.relative_to(source)) for file in source.rglob("*.py") if SESSION_STATE.search(file.read_text())}

    assert found - allowed == set()
