"""The tables of log lines: one table for each day, so that old lines are deleted by dropping a table."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

PREFIX: Final = "logs_"
DAY: Final = timedelta(days=1)
FORMAT: Final = "%Y%m%d"

# Two processes must not create the table of the same day at once. Writers of log lines use the same lock.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('functions.logs', 0))"
# DROP needs a lock on all log lines for a moment. While DROP waits for a slow reader, all later readers wait for DROP.
# So DROP gives up after 2 s, and the next run of the background job tries again.
PATIENCE = "SET LOCAL lock_timeout = '2s'"
# to_regclass was rejected: after the wait for LOCK, it still sees the tables from before the wait.
DAYS = """
SELECT child.relname AS name FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = 'logs'::regclass ORDER BY child.relname"""


class Partition(msgspec.Struct, frozen=True):
    name: str

    @property
    def day(self) -> date:
        return datetime.strptime(self.name.removeprefix(PREFIX), FORMAT).replace(tzinfo=UTC).date()


class LogDays:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def days(self) -> list[date]:
        """Return the days that have a table, oldest first."""
        return [found.day for found in await self.db.all(Partition, DAYS)]

    async def make(self, day: date) -> None:
        """Create the table of a day, unless it exists."""
        if day in await self.days():
            return
        async with self.db.transaction():
            await self.db.execute(LOCK)
            if day in await self.days():
                return
            name, bounds = _table(day), f"FROM ('{_midnight(day)}') TO ('{_midnight(day + DAY)}')"
            # The table is created first and then attached, because CREATE TABLE … PARTITION OF would block readers and
            # writers.
            await self.db.execute(f"CREATE TABLE {name} (LIKE logs INCLUDING DEFAULTS)")
            await self.db.execute(f"ALTER TABLE logs ATTACH PARTITION {name} FOR VALUES {bounds}")

    async def drop(self, day: date) -> None:
        """Drop the table of a day. Raises: asyncpg's LockNotAvailableError if a reader holds the lock for too long."""
        async with self.db.transaction():
            await self.db.execute(PATIENCE)
            await self.db.execute(f"DROP TABLE IF EXISTS {_table(day)}")


def _table(day: date) -> str:
    return f"{PREFIX}{day:{FORMAT}}"


def _midnight(day: date) -> str:
    return f"{day.isoformat()} 00:00+00"
