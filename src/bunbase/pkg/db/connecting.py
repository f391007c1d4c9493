"""Translate the exceptions of asyncpg: PostgreSQL is unreachable, the connection was lost, or it is too busy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from bunbase.pkg.errors import InvalidInput, Problem, Unreachable
from bunbase.pkg.logger import logger

log = logger("db")

CONNECT_SECONDS = 5.0

NotUnique = (
    asyncpg.UniqueViolationError
)  # another row has this value already; named here, because stores import no driver

LOST = (
    OSError,  # the socket is closed, or refuses the connection
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InternalClientError,  # "cannot switch to state": the session ended between two statements (asyncpg #1069)
)
# Nothing is wrong with the statement: it may succeed the next time.
PASSING = (
    asyncpg.InsufficientResourcesError,  # PostgreSQL has no disk space or no memory left
    asyncpg.TransactionRollbackError,  # a deadlock with another writer
    asyncpg.OperatorInterventionError,  # somebody cancelled the statement
    asyncpg.PostgresSystemError,  # PostgreSQL's disk cannot be read or written
    asyncpg.ReadOnlySQLTransactionError,  # a standby server is taking over, or has just lost that role
    asyncpg.LockNotAvailableError,
)
CLOSED = ("connection is closed", "pool is clos", "connection was closed", "underlying connection is closed")


class DatabaseBusy(Problem):
    status, code, title = 503, "database_busy", "The database has too much to do"


@contextmanager
def as_problems() -> Iterator[None]:
    """Raise a Problem in place of an asyncpg exception that means unreachable or busy.

    Others are bugs and pass through.
    """
    try:
        yield
    except TimeoutError as error:  # before LOST: TimeoutError is an OSError
        raise DatabaseBusy("PostgreSQL did not answer in time; try again.") from error
    except asyncpg.TooManyConnectionsError as error:
        raise DatabaseBusy("PostgreSQL takes no more connections; try again.") from error
    except (
        asyncpg.CharacterNotInRepertoireError,
        asyncpg.UntranslatableCharacterError,
    ) as error:  # the first for text, the second for jsonb
        raise InvalidInput("Texts must not hold the character U+0000.") from error
    except LOST as error:
        raise Unreachable("PostgreSQL cannot be reached; try again.") from error
    except PASSING as error:
        log.warning("PostgreSQL could not run a statement now", error=str(error), sqlstate=error.sqlstate)
        raise DatabaseBusy("PostgreSQL could not run this now; try again.") from error
    except asyncpg.InterfaceError as error:  # most of them mean that we used asyncpg wrongly: a bug
        if not any(said in str(error) for said in CLOSED):
            raise
        raise Unreachable("PostgreSQL cannot be reached; try again.") from error


async def connect(url: str, **options: Any) -> asyncpg.Connection:
    """Return a new connection outside any pool. Raises: Unreachable, whatever the reason."""
    try:
        return await asyncpg.connect(url, timeout=CONNECT_SECONDS, **options)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unreachable(f"PostgreSQL cannot be reached: {error or type(error).__name__}.") from error
