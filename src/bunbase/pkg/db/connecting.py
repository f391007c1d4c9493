"""How asyncpg says that PostgreSQL is not there, or no longer, or has too much to do; and how we say it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from bunbase.pkg.errors import InvalidInput, Problem, Unreachable
from bunbase.pkg.logger import logger

log = logger("db")

CONNECT_SECONDS = 5.0

NotUnique = asyncpg.UniqueViolationError  # for stores, which import no driver: another row has this value already

LOST = (
    OSError,  # the socket is gone, or refuses
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
)
# The same statement may succeed the next time: nothing is wrong with it.
PASSING = (
    asyncpg.InsufficientResourcesError,  # its disk is full, it has no memory
    asyncpg.TransactionRollbackError,  # a deadlock with another writer
    asyncpg.OperatorInterventionError,  # somebody cancelled the statement
    asyncpg.PostgresSystemError,  # its disk does not read or write
    asyncpg.ReadOnlySQLTransactionError,  # a standby that takes over, or no longer does
    asyncpg.LockNotAvailableError,
)
CLOSED = ("connection is closed", "pool is clos", "connection was closed", "underlying connection is closed")


class DatabaseBusy(Problem):
    status, code, title = 503, "database_busy", "The database has too much to do"


@contextmanager
def as_problems() -> Iterator[None]:
    """Turn what asyncpg raises when PostgreSQL is away or busy into Problems; all else is a bug, and left alone."""
    try:
        yield
    except TimeoutError as error:  # an OSError too: it comes first
        raise DatabaseBusy("PostgreSQL did not answer in time; try again.") from error
    except asyncpg.TooManyConnectionsError as error:
        raise DatabaseBusy("PostgreSQL takes no more connections; try again.") from error
    except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError) as error:  # in text, in jsonb
        raise InvalidInput("Texts must not hold the character U+0000.") from error
    except LOST as error:
        raise Unreachable("PostgreSQL cannot be reached; try again.") from error
    except PASSING as error:
        log.warning("PostgreSQL could not do it now", error=str(error), sqlstate=error.sqlstate)
        raise DatabaseBusy("PostgreSQL could not do this now; try again.") from error
    except asyncpg.InterfaceError as error:  # most say that we called it wrongly
        if not any(said in str(error) for said in CLOSED):
            raise
        raise Unreachable("PostgreSQL cannot be reached; try again.") from error


async def connect(url: str, **options: Any) -> asyncpg.Connection:
    """Open a connection outside any pool. Raises: Unreachable, whatever the reason."""
    try:
        return await asyncpg.connect(url, timeout=CONNECT_SECONDS, **options)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unreachable(f"PostgreSQL cannot be reached: {error or type(error).__name__}.") from error
