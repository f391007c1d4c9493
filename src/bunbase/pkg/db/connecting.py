"""Translate exceptions of asyncpg into the Problems Unreachable and DatabaseBusy."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import asyncpg

from bunbase.pkg.errors import CannotStart, InvalidInput, Problem, Unreachable
from bunbase.pkg.logger import logger

log = logger("db")

CONNECT_SECONDS = 5.0

# Another row already has this value. The name is defined here, because stores must not import asyncpg.
NotUnique = asyncpg.UniqueViolationError

LOST = (
    OSError,  # the socket is closed, or refuses the connection
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
)
# The statement is correct, so a later attempt may succeed.
PASSING = (
    asyncpg.InsufficientResourcesError,  # PostgreSQL has no disk space or no memory left
    asyncpg.TransactionRollbackError,  # a deadlock with another writer
    asyncpg.OperatorInterventionError,  # somebody cancelled the statement
    asyncpg.PostgresSystemError,  # PostgreSQL's disk cannot be read or written
    asyncpg.ReadOnlySQLTransactionError,  # a standby server is taking over, or has just lost that role
    asyncpg.LockNotAvailableError,
)
# A new attempt fails in the same way until a person corrects the URL or the rights of its role.
HOPELESS: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,  # a wrong password, an unknown role, pg_hba.conf
    asyncpg.InvalidCatalogNameError,  # there is no such database
    asyncpg.InsufficientPrivilegeError,
    ssl.SSLCertVerificationError,
    ValueError,  # the URL cannot be read; asyncpg's errors of this kind are ValueErrors too
    OverflowError,  # a port above 65535
)
HOW_TO_WRITE_IT: Final = (
    "write postgresql://user:password@host:5432/name, and percent-encode special characters in user and password "
    "(@ is %40, / is %2F, : is %3A, # is %23, ? is %3F)"
)
AT_BEFORE_NAME: Final = re.compile(r"[^=]*@")
DEFAULT_PORT: Final = "5432"
CLOSED = ("connection is closed", "pool is clos", "connection was closed", "underlying connection is closed")


CUT_OFF = "cannot switch to state"  # PostgreSQL ended the session between two statements (asyncpg #1069).


class DatabaseBusy(Problem):
    status, code, title = 503, "database_busy", "The database is too busy"


@contextmanager
def as_problems() -> Iterator[None]:
    """Raise a Problem instead of an exception that means that PostgreSQL is unreachable or busy.

    Other exceptions of asyncpg are bugs, and are raised unchanged.
    """
    try:
        yield
    except TimeoutError as error:  # this clause precedes LOST, because TimeoutError is a subclass of OSError
        raise DatabaseBusy("PostgreSQL did not answer in time; try again.") from error
    except asyncpg.TooManyConnectionsError as error:
        raise DatabaseBusy("PostgreSQL accepts no more connections; try again.") from error
    except (
        asyncpg.CharacterNotInRepertoireError,
        asyncpg.UntranslatableCharacterError,
    ) as error:  # asyncpg raises the first for text, the second for jsonb
        raise InvalidInput("Texts must not contain the character U+0000.") from error
    except LOST as error:
        raise Unreachable("PostgreSQL cannot be reached; try again.") from error
    except PASSING as error:
        log.warning("PostgreSQL could not run a statement now", error=str(error), sqlstate=error.sqlstate)
        raise DatabaseBusy("PostgreSQL could not run this now; try again.") from error
    except asyncpg.InternalClientError as error:
        if CUT_OFF not in str(error):
            raise
        raise Unreachable("PostgreSQL cannot be reached; try again.") from error
    except asyncpg.InterfaceError as error:  # most of these mean that the code uses asyncpg wrongly, which is a bug
        if not any(said in str(error) for said in CLOSED):
            raise
        raise Unreachable("PostgreSQL cannot be reached; try again.") from error


async def connect(url: str, **options: Any) -> asyncpg.Connection:
    """Return a new connection outside of the pool. Raises: Unreachable for every failure."""
    try:
        place = place_of(url)
    except ValueError as error:
        raise Unreachable(f"PostgreSQL cannot be reached: {_reason(error)}.") from error
    try:
        return await asyncpg.connect(url, timeout=CONNECT_SECONDS, **options)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, OverflowError) as error:
        raise Unreachable(f"PostgreSQL at {place} cannot be reached: {_reason(error)}.") from error


def place_of(url: str) -> str:
    """Return the server and the database of a URL, such as `db.internal:5432/main`, without user and password.

    If a password contains / # or ? unescaped, the host ends early: `ada:p@ss/w@db/main` names the host `ss`. This
    function refuses such a URL, because BunBase would connect to a wrong host, whose name shows a part of the password.
    Raises: ValueError, if user or password contain a special character that is not percent-encoded.
    """
    parts = urlsplit(url)
    if "@" in parts.path + parts.fragment or AT_BEFORE_NAME.match(parts.query):
        raise ValueError
    options = parse_qs(parts.query)
    host = unquote(parts.netloc.rpartition("@")[2]) or ",".join(options.get("host", ("the default host",)))
    return host + _port(host, options, parts) + (parts.path if len(parts.path) > 1 else "")


def _port(host: str, options: dict[str, list[str]], parts: SplitResult) -> str:
    named = parts.netloc.endswith("]") or ":" not in parts.netloc.rpartition("@")[2]
    return f":{options.get('port', [DEFAULT_PORT])[0]}" if named and not host.startswith("/") else ""


class DatabaseRefused(CannotStart):
    """PostgreSQL refuses this process, and a new attempt would fail in the same way."""


@contextmanager
def hopeless_is_final() -> Iterator[None]:
    """During a start, raise DatabaseRefused for a failure that a later attempt cannot change, such as a wrong password.

    After the start, the same failure is Unreachable: an operator who changes a password corrects it while BunBase runs.
    """
    try:
        yield
    except (Unreachable, *HOPELESS) as error:
        cause = error.__cause__ if isinstance(error, Unreachable) else error
        if not isinstance(cause, HOPELESS):
            raise
        raise DatabaseRefused(f"PostgreSQL cannot be used: {_reason(cause)} (see DATABASE_URL)") from error


def _reason(error: BaseException) -> str:
    """Return the message of an error, or a general message if the message could contain a part of the URL."""
    if isinstance(error, TimeoutError):
        return f"there was no answer within {CONNECT_SECONDS:.0f} s"
    if isinstance(error, socket.gaierror):
        return f"its host was not found ({error.strerror}); see DATABASE_URL: {HOW_TO_WRITE_IT}"
    if isinstance(error, asyncpg.InterfaceError | OSError | asyncpg.PostgresError):
        return str(error) or type(error).__name__
    return f"the URL cannot be read; {HOW_TO_WRITE_IT}"
