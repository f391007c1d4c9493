"""SQL of runs: one row for each attempt of a job."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bunbase.contracts.functions.triggers import Run, RunOutcome, TriggerKind
from bunbase.functions.store.crowded import CrowdedProject
from bunbase.pkg.db.database import Database

# This adds nothing if the function was deleted. FOR KEY SHARE prevents a deletion at the same moment.
ADD = """
INSERT INTO runs
    (project, id, function, version, kind, job, attempt, started_at, duration_ms, outcome, code, invocation, events)
SELECT project, $2, name, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
FROM functions WHERE project = $1 AND name = $3 FOR KEY SHARE"""
# This finds the run of a hook whose answer could not be used. A second call finds no such run, so it changes nothing.
REFUSE = """
UPDATE runs SET outcome = $4, code = $5 WHERE project = $1 AND id = $2 AND kind = $3 AND outcome = 'ok'
RETURNING seq, id, function, version, kind, job, attempt, started_at, duration_ms, outcome, code, invocation, events"""
BEFORE = """
SELECT seq, id, function, version, kind, job, attempt, started_at, duration_ms, outcome, code, invocation, events
FROM runs
WHERE project = $1 AND function = $2 AND seq < $3 AND ($4::text IS NULL OR kind = $4)
AND ($5::text IS NULL OR outcome = $5)
ORDER BY seq DESC LIMIT $6"""
DELETE_OLD = "DELETE FROM runs WHERE seq IN (SELECT seq FROM runs WHERE started_at < $1 LIMIT $2)"
CROWDED = "SELECT project, count(*) AS rows FROM runs GROUP BY project HAVING count(*) > $1"
DELETE_OLDEST = """
DELETE FROM runs WHERE project = $1 AND seq IN (SELECT seq FROM runs WHERE project = $1 ORDER BY seq LIMIT $2)"""


class RunRow(Run, frozen=True):
    seq: int = 0

    def shown(self) -> Run:
        """Return the run as the API shows it."""
        return Run(**{name: getattr(self, name) for name in Run.__struct_fields__})


class RunStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    def transaction(self) -> Any:
        """Return a transaction in which the caller records a run and releases its job."""
        return self.db.transaction()

    async def add(self, project: str, run: Run) -> None:
        await self.db.execute(ADD, project, *(getattr(run, name) for name in Run.__struct_fields__))

    async def refuse(self, project: str, id: str, code: str) -> RunRow | None:
        """Mark the successful run of a hook as failed, and return it. Return None if there is no such run."""
        return await self.db.one(RunRow, REFUSE, project, id, TriggerKind.HOOK, RunOutcome.ERROR, code)

    async def before(
        self, project: str, function: str, seq: int, kind: TriggerKind | None, outcome: RunOutcome | None, limit: int
    ) -> list[RunRow]:
        """Return the runs before `seq`, newest first."""
        return await self.db.all(RunRow, BEFORE, project, function, seq, kind, outcome, limit)

    async def delete_old(self, before: datetime, limit: int) -> int:
        return await self.db.execute(DELETE_OLD, before, limit)

    async def crowded(self, most: int) -> list[CrowdedProject]:
        """Return the projects that have more than `most` runs."""
        return await self.db.all(CrowdedProject, CROWDED, most)

    async def delete_oldest(self, project: str, count: int) -> int:
        return await self.db.execute(DELETE_OLDEST, project, count)
