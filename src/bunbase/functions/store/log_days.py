"""The tables that hold log lines: one per day, made ahead, dropped when all of its lines are old."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

PREFIX: Final = "logs_"
DAY: Final = timedelta(days=1)
FORMAT: Final = "%Y%m%d"

# Two processes must not make the same day at once; also what log writers wait for.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('functions.logs', 0))"
# Dropping needs the whole table for a moment. Who cannot have it soon comes back later instead of holding up everyone.
PATIENCE = "SET LOCAL lock_timeout = '2s'"
# Not to_regclass: while one waits for LOCK, that goes on believing what it knew before.
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
        """Oldest first."""
        return [found.day for found in await self.db.all(Partition, DAYS)]

    async def make(self, day: date) -> None:
        """Have a table for the day, if there is none yet."""
        if day in await self.days():
            return
        async with self.db.transaction():
            await self.db.execute(LOCK)
            if day in await self.days():
                return
            name, bounds = _table(day), f"FROM ('{_midnight(day)}') TO ('{_midnight(day + DAY)}')"
            # Made first and attached then: that lets others read and write meanwhile, as PARTITION OF would not.
            await self.db.execute(f"CREATE TABLE {name} (LIKE logs INCLUDING DEFAULTS)")
            await self.db.execute(f"ALTER TABLE logs ATTACH PARTITION {name} FOR VALUES {bounds}")

    async def drop(self, day: date) -> None:
        """Raises: asyncpg's LockNotAvailableError when somebody reads for long."""
        async with self.db.transaction():
            await self.db.execute(PATIENCE)
            await self.db.execute(f"DROP TABLE IF EXISTS {_table(day)}")


def _table(day: date) -> str:
    return f"{PREFIX}{day:{FORMAT}}"


def _midnight(day: date) -> str:
    return f"{day.isoformat()} 00:00+00"
