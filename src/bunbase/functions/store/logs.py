"""Log lines at rest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.functions import LogLevel, LogLine
from bunbase.functions.store.functions import TELL
from bunbase.pkg.db.database import Database

CHANNEL: Final = "functions_logs"  # payload: a project that has new lines

# One writer at a time, from the first seq to the commit: a reader that has seen a line has seen all before it.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('functions.logs', 0))"
ADD = """
INSERT INTO logs (project, function, version, invocation, at, level, text, truncated)
SELECT project, function, version, invocation, at, level, text, truncated
FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::boolean[])
WITH ORDINALITY AS line (project, function, version, invocation, at, level, text, truncated, place)
ORDER BY place"""
COLUMNS = "SELECT seq, at, level, text, function, version, invocation, truncated FROM logs"
BEFORE = f"""{COLUMNS}
WHERE project = $1 AND function = $2 AND seq < $3 AND ($4::text IS NULL OR invocation = $4)
ORDER BY seq DESC LIMIT $5"""
AFTER = f"{COLUMNS} WHERE project = $1 AND function = $2 AND seq > $3 ORDER BY seq LIMIT $4"
NEWEST = "SELECT seq FROM logs WHERE project = $1 AND function = $2 ORDER BY seq DESC LIMIT 1"
DELETE_FUNCTION = "DELETE FROM logs WHERE project = $1 AND function = $2"
DELETE_PROJECT = "DELETE FROM logs WHERE project = $1"
DELETE_OLD = "DELETE FROM logs WHERE seq IN (SELECT seq FROM logs WHERE at < $1 LIMIT $2)"
CROWDED = "SELECT project, count(*) AS lines FROM logs GROUP BY project HAVING count(*) > $1"
DELETE_OLDEST = """
DELETE FROM logs WHERE project = $1 AND seq IN (SELECT seq FROM logs WHERE project = $1 ORDER BY seq LIMIT $2)"""


class NewLine(msgspec.Struct, frozen=True):
    project: str
    function: str
    version: int
    invocation: str
    at: datetime
    level: LogLevel
    text: str
    truncated: bool


class Crowded(msgspec.Struct, frozen=True):
    project: str
    lines: int


class LogStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, lines: Sequence[NewLine]) -> None:
        columns = [[getattr(line, name) for line in lines] for name in NewLine.__struct_fields__]
        async with self.db.transaction():
            await self.db.execute(LOCK)
            await self.db.execute(ADD, *columns)
            for project in {line.project for line in lines}:
                await self.db.execute(TELL, CHANNEL, project)

    async def before(self, project: str, function: str, seq: int, invocation: str | None, limit: int) -> list[LogLine]:
        """Newest first."""
        return await self.db.all(LogLine, BEFORE, project, function, seq, invocation, limit)

    async def after(self, project: str, function: str, seq: int, limit: int) -> list[LogLine]:
        """Oldest first."""
        return await self.db.all(LogLine, AFTER, project, function, seq, limit)

    async def newest(self, project: str, function: str) -> int:
        return await self.db.value(NEWEST, project, function) or 0

    async def delete_function(self, project: str, function: str) -> None:
        await self.db.execute(DELETE_FUNCTION, project, function)

    async def delete_project(self, project: str) -> None:
        await self.db.execute(DELETE_PROJECT, project)

    async def delete_old(self, before: datetime, limit: int) -> int:
        return await self.db.execute(DELETE_OLD, before, limit)

    async def crowded(self, max_lines: int) -> list[Crowded]:
        """List the projects that have more lines than they may."""
        return await self.db.all(Crowded, CROWDED, max_lines)

    async def delete_oldest(self, project: str, count: int) -> int:
        return await self.db.execute(DELETE_OLDEST, project, count)
