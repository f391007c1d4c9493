"""SQL of log lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from bunbase.contracts.functions.logs import LogFilter, LogLevel, LogLine
from bunbase.functions.store.crowded import CrowdedProject
from bunbase.functions.store.functions import TELL
from bunbase.functions.store.log_days import LOCK, LogDays
from bunbase.pkg.db.database import Database

CHANNEL: Final = "functions_logs"  # The payload is the id of a project with new lines.

TAKE: Final = """
INSERT INTO log_writers AS known (writer, seq, at) VALUES ($1, $2, now())
ON CONFLICT (writer) DO UPDATE SET seq = excluded.seq, at = excluded.at WHERE known.seq < excluded.seq"""
FORGET_WRITERS: Final = "DELETE FROM log_writers WHERE at < $1"
ADD = """
INSERT INTO logs (project, function, version, invocation, at, level, text, truncated)
SELECT project, function, version, invocation, at, level, text, truncated
FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::boolean[])
WITH ORDINALITY AS line (project, function, version, invocation, at, level, text, truncated, place)
ORDER BY place"""
# The conditions on `at` avoid "IS NULL OR", because PostgreSQL could then not skip the tables of days outside the
# range.
LINES = """
SELECT seq, at, level, text, function, version, invocation, truncated FROM logs
WHERE project = $1 AND seq > $2 AND seq <= $3 AND at >= $4 AND at < $5 AND level = ANY($6)
AND ($7::text IS NULL OR function = $7) AND ($8::text IS NULL OR invocation = $8) AND ($9::int IS NULL OR version = $9)
AND ($10 = '' OR position(lower($10) IN lower(text)) > 0)"""
BEFORE = f"{LINES} ORDER BY seq DESC LIMIT $11"
AFTER = f"{LINES} ORDER BY seq LIMIT $11"
NEWEST = """
SELECT seq FROM logs WHERE project = $1 AND ($2::text IS NULL OR function = $2) ORDER BY seq DESC LIMIT 1"""
DELETE_FUNCTION = "DELETE FROM logs WHERE project = $1 AND function = $2"
DELETE_PROJECT = "DELETE FROM logs WHERE project = $1"
CROWDED = "SELECT project, count(*) AS rows FROM logs GROUP BY project HAVING count(*) > $1"
DELETE_OLDEST = """
DELETE FROM logs WHERE project = $1
AND seq <= (SELECT max(seq) FROM (SELECT seq FROM logs WHERE project = $1 ORDER BY seq LIMIT $2) oldest)"""

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
LEVELS: Final = (LogLevel.DEBUG, LogLevel.INFO, LogLevel.WARN, LogLevel.ERROR)


class NewLine(msgspec.Struct, frozen=True):
    project: str
    function: str
    version: int
    invocation: str
    at: datetime
    level: LogLevel
    text: str
    truncated: bool


class LogStore:
    """Stores log lines. `function`: the name, or None for all functions of the project."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.days = LogDays(db)

    async def add_once(self, writer: str, seq: int, lines: Sequence[NewLine]) -> None:
        """Add a batch, unless batch `seq` or a later batch of this writer was already added.

        Writers send batches in order.
        """
        async with self.db.transaction():
            if await self.db.execute(TAKE, writer, seq):
                await self.add(lines)

    async def add(self, lines: Sequence[NewLine]) -> None:
        columns = [[getattr(line, name) for line in lines] for name in NewLine.__struct_fields__]
        async with self.db.transaction():
            # Only one writer may add lines at a time, until its commit. So lines become visible in the order of `seq`,
            # and a reader that continues after the last line that it saw misses no line.
            await self.db.execute(LOCK)
            for day in {line.at.date() for line in lines}:
                await self.days.make(day)  # The table usually exists, unless the background job was late.
            await self.db.execute(ADD, *columns)
            for project in {line.project for line in lines}:
                await self.db.execute(TELL, CHANNEL, project)

    async def forget_writers(self, before: datetime) -> None:
        await self.db.execute(FORGET_WRITERS, before)

    async def before(self, project: str, function: str | None, seq: int, which: LogFilter, limit: int) -> list[LogLine]:
        """Return the lines before `seq`, newest first."""
        return await self.db.all(LogLine, BEFORE, project, 0, seq - 1, *_conditions(function, which), limit)

    async def after(
        self, project: str, function: str | None, seq: int, until: int, which: LogFilter, limit: int
    ) -> list[LogLine]:
        """Return the lines after `seq` up to `until`, oldest first."""
        return await self.db.all(LogLine, AFTER, project, seq, until, *_conditions(function, which), limit)

    async def newest(self, project: str, function: str | None) -> int:
        return await self.db.value(NEWEST, project, function) or 0

    async def delete_function(self, project: str, function: str) -> None:
        await self.db.execute(DELETE_FUNCTION, project, function)

    async def delete_project(self, project: str) -> None:
        await self.db.execute(DELETE_PROJECT, project)

    async def crowded(self, max_lines: int) -> list[CrowdedProject]:
        """Return the projects that have more than `max_lines` lines."""
        return await self.db.all(CrowdedProject, CROWDED, max_lines)

    async def delete_oldest(self, project: str, count: int) -> int:
        return await self.db.execute(DELETE_OLDEST, project, count)


def _conditions(function: str | None, which: LogFilter) -> tuple[object, ...]:
    """Return the parameters $4 to $10 of the statement LINES."""
    levels = LEVELS[LEVELS.index(which.level) :] if which.level else LEVELS
    since, until = which.since or EARLIEST, which.until or LATEST
    return since, until, levels, function, which.invocation, which.version, which.text
