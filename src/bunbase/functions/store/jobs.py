"""SQL of jobs.

A process that claims a job holds a lease on it. If the process dies, the lease ends, and another process can claim the
job. The jobs for the changes of one document form a queue, which is called a lane: each job is `blocked` until the job
before it has left the lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from bunbase.contracts.functions.triggers import Job, JobStatus, TriggerKind
from bunbase.functions.store.claims import CLAIM, CLAIM_BEHIND, CLAIM_SCHEDULED
from bunbase.functions.store.crowded import CrowdedProject
from bunbase.pkg.db.connecting import NotUnique
from bunbase.pkg.db.database import Database

# This lock serialises two operations: adding a job to a lane, and removing a job from it. Otherwise a job could be
# added as `blocked` after a job that has just ended, and nothing would ever unblock it.
LOCK_LANES = "SELECT pg_advisory_xact_lock(hashtextextended('functions jobs ' || $1, 0))"
COUNT = "SELECT count(*) FROM (SELECT FROM jobs WHERE project = $1 AND state <> 'dead' LIMIT $2) AS found"
COUNT_DEAD = COUNT.replace("<>", "=")
ADD = """
INSERT INTO jobs (id, project, function, kind, state, payload, key, lane, depth, created_at, due_at, look_at, attempts)
SELECT $1, project, name, $4, 'waiting', $5, $6, NULL, $7, $8, $9, $9, $10
FROM functions WHERE project = $2 AND name = $3 FOR KEY SHARE
ON CONFLICT (project, function, key) WHERE key IS NOT NULL AND state <> 'dead' DO NOTHING"""
ADD_TO_LANES = """
INSERT INTO jobs (id, project, function, kind, state, payload, lane, depth, created_at, due_at, look_at, attempts)
SELECT new.id, $1, $2, 'change',
    CASE WHEN new.place = min(new.place) OVER (PARTITION BY new.lane) AND NOT EXISTS (
        SELECT FROM jobs WHERE project = $1 AND function = $2 AND lane = new.lane AND state <> 'dead'
    ) THEN 'waiting' ELSE 'blocked' END,
    new.payload, new.lane, new.depth, $7, $7, $7, $8
FROM unnest($3::text[], $4::text[], $5::bytea[], $6::int[]) WITH ORDINALITY AS new (id, lane, payload, depth, place)
ORDER BY new.place"""
ADD_DEAD = """
INSERT INTO jobs
    (id, project, function, kind, state, payload, lane, depth, created_at, due_at, look_at, attempts, error)
SELECT new.id, $1, $2, 'change', 'dead', new.payload, new.lane, new.depth, $7, $7, $7, $8, $9
FROM unnest($3::text[], $4::text[], $5::bytea[], $6::int[]) WITH ORDINALITY AS new (id, lane, payload, depth, place)
ORDER BY new.place"""

EXTEND = "UPDATE jobs SET look_at = $3 WHERE seq = ANY ($2::bigint[]) AND state = 'running' AND runner = $1"
RELEASE = """
UPDATE jobs SET state = 'waiting', look_at = $2, runner = NULL, attempt = greatest(attempt - 1, 0)
WHERE state = 'running' AND runner = $1"""

# The next statements change a job only while the runner holds its lease.
DELETE_MINE = "DELETE FROM jobs WHERE seq = $1 AND runner = $2 AND lost = $3 AND state = 'running'"
RETRY = """
UPDATE jobs SET state = 'waiting', look_at = $4, due_at = $4, error = $5, runner = NULL, put_off_since = NULL
WHERE seq = $1 AND runner = $2 AND lost = $3 AND state = 'running'"""
POSTPONE = """
UPDATE jobs SET state = 'waiting', look_at = $4, error = $5, runner = NULL, attempt = attempt - 1,
    put_off_since = coalesce(put_off_since, $6)
WHERE seq = $1 AND runner = $2 AND lost = $3 AND state = 'running'"""
BURY = """
UPDATE jobs SET state = 'dead', look_at = $4, error = $5, runner = NULL
WHERE seq = $1 AND runner = $2 AND lost = $3 AND state = 'running'"""
WAKE_NEXT = """
UPDATE jobs SET state = 'waiting', look_at = $4, put_off_since = $5
WHERE state = 'blocked' AND seq = (
    SELECT seq FROM jobs WHERE project = $1 AND function = $2 AND lane = $3 AND state <> 'dead' ORDER BY seq LIMIT 1)"""

SHOWN = """
SELECT seq, lane, payload, id, function, kind, state, created_at, due_at, attempt, attempts, key, error FROM jobs"""
SHOWN_WITHOUT_PAYLOAD = SHOWN.replace("payload, ", "")
LIST = f"""{SHOWN_WITHOUT_PAYLOAD}
WHERE project = $1 AND seq < $2 AND ($3::text IS NULL OR state = $3) AND ($4::text IS NULL OR function = $4)
ORDER BY seq DESC LIMIT $5"""
GET = f"{SHOWN} WHERE project = $1 AND id = $2"
BY_KEY = f"{SHOWN_WITHOUT_PAYLOAD} WHERE project = $1 AND function = $2 AND key = $3 AND state <> 'dead'"
SCHEDULED = """
SELECT state FROM jobs WHERE project = $1 AND function = $2 AND kind = 'cron' AND state <> 'dead'
ORDER BY state = 'running' DESC LIMIT 1"""
# A replayed job gets a new `seq`, because it has lost its place in the lane and goes to the end. The depth of a
# replayed job is 0, because a person has decided to replay the job, so it begins a new chain.
REPLAY = """
UPDATE jobs SET seq = nextval(pg_get_serial_sequence('jobs', 'seq')), attempt = 0, lost = 0, depth = 0,
    due_at = $3, look_at = $3, put_off_since = NULL,
    state = CASE WHEN lane IS NOT NULL AND EXISTS (
        SELECT FROM jobs other WHERE other.project = jobs.project AND other.function = jobs.function
        AND other.lane = jobs.lane AND other.state <> 'dead') THEN 'blocked' ELSE 'waiting' END
WHERE project = $1 AND id = $2 AND state = 'dead' AND NOT EXISTS (
    SELECT FROM jobs other WHERE other.project = jobs.project AND other.function = jobs.function
    AND other.key = jobs.key AND other.state <> 'dead')"""
DELETE = "DELETE FROM jobs WHERE project = $1 AND id = $2 AND state <> 'running'"
DELETE_DEAD = "DELETE FROM jobs WHERE seq IN (SELECT seq FROM jobs WHERE state = 'dead' AND look_at < $1 LIMIT $2)"
CROWDED = "SELECT project, count(*) AS rows FROM jobs WHERE state = 'dead' GROUP BY project HAVING count(*) > $1"
DELETE_OLDEST_DEAD = """
DELETE FROM jobs WHERE project = $1 AND seq IN (
    SELECT seq FROM jobs WHERE project = $1 AND state = 'dead' ORDER BY seq LIMIT $2)"""


class JobRow(msgspec.Struct, frozen=True):
    """A job to add. `depth`: the number of runs that led to this job, where each run was caused by the run before."""

    id: str
    function: str
    kind: TriggerKind
    payload: bytes
    key: str | None
    depth: int
    due_at: datetime
    attempts: int


class ChangeJob(msgspec.Struct, frozen=True):
    """A job to add to a lane, for a changed document. `depth`: the number of runs in a row that led to this job."""

    id: str
    lane: str
    payload: bytes
    depth: int


class ClaimedJob(msgspec.Struct, frozen=True):
    """A job that this process runs.

    `lost_at`: the time at which a process that has died began to run the job; None if no process has died meanwhile.
    `put_off_since`: the first time since the last attempt at which the job could not begin. A job may inherit this time
    from the job before it in its lane. `together`: the number of jobs that may be in one batch with this job; None
    if there is no limit.
    """

    seq: int
    id: str
    project: str
    function: str
    kind: TriggerKind
    payload: bytes
    lane: str | None
    depth: int
    due_at: datetime
    attempt: int
    attempts: int
    lost: int
    put_off_since: datetime | None
    together: int | None
    lost_at: datetime | None


class StoredJob(Job, frozen=True):
    """A job as the API shows it. `payload`: JSON text, or None in lists."""

    seq: int = 0
    lane: str | None = None
    payload: bytes | None = None


class JobStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    # Methods that add jobs.

    async def waiting(self, project: str, most: int) -> int:
        """Return the number of jobs that are not dead, counted up to `most`."""
        count: int = await self.db.value(COUNT, project, most)
        return count

    async def dead(self, project: str, most: int) -> int:
        """Return the number of dead letters, counted up to `most`."""
        count: int = await self.db.value(COUNT_DEAD, project, most)
        return count

    async def add(self, project: str, new: JobRow, now: datetime) -> bool:
        """Add a job. Return False if a job with the same key exists, or if the function does not exist."""
        what = (new.id, project, new.function, new.kind, new.payload, new.key, new.depth, now, new.due_at, new.attempts)
        return bool(await self.db.execute(ADD, *what))

    async def add_changes(
        self, project: str, function: str, changes: Sequence[ChangeJob], now: datetime, attempts: int
    ) -> None:
        """Add jobs to their lanes, in this order, as part of the caller's transaction."""
        await self.db.execute(LOCK_LANES, project)
        await self.db.execute(ADD_TO_LANES, project, function, *_columns(changes), now, attempts)

    async def add_dead(
        self, project: str, function: str, changes: Sequence[ChangeJob], now: datetime, attempts: int, error: str
    ) -> None:
        """Add changes as dead letters, as part of the caller's transaction."""
        await self.db.execute(ADD_DEAD, project, function, *_columns(changes), now, attempts, error)

    async def by_key(self, project: str, function: str, key: str) -> StoredJob | None:
        return await self.db.one(StoredJob, BY_KEY, project, function, key)

    async def unfinished_schedule(self, project: str, function: str) -> JobStatus | None:
        """Return the state of an unfinished run of the function's schedule, or None. A running run takes precedence."""
        state: str | None = await self.db.value(SCHEDULED, project, function)
        return None if state is None else JobStatus(state)

    # Methods that run jobs.

    async def claim(
        self, runner: str, now: datetime, until: datetime, busy: Sequence[str], running: Sequence[int]
    ) -> ClaimedJob | None:
        """Claim one job that is due or whose lease has ended.

        `busy`: projects whose jobs are not claimed. `running`: the jobs that this process runs. The process must not
        claim these jobs again, even if the clock jumped past the end of their leases.
        """
        claimed = await self.db.one(ClaimedJob, CLAIM, now, until, runner, busy, running)
        if claimed is None and (busy or running):
            claimed = await self.db.one(ClaimedJob, CLAIM_BEHIND, now, until, runner, busy, running)
        return claimed

    async def claim_scheduled(
        self, runner: str, now: datetime, until: datetime, busy: Sequence[str], running: Sequence[int]
    ) -> ClaimedJob | None:
        """Claim one due run of a schedule, even if other jobs are due. The parameters are those of `claim`."""
        return await self.db.one(ClaimedJob, CLAIM_SCHEDULED, now, until, runner, busy, running)

    async def extend(self, runner: str, running: Sequence[int], until: datetime) -> None:
        await self.db.execute(EXTEND, runner, running, until)

    async def release(self, runner: str, now: datetime) -> None:
        """Release the unfinished jobs of this runner, so that other processes can run them."""
        await self.db.execute(RELEASE, runner, now)

    async def done(self, job: ClaimedJob, runner: str, now: datetime) -> bool:
        """Delete a finished job. `done`, `retry`, `postpone` and `bury` return False if the lease was lost."""
        return await self._leave(job, runner, now, DELETE_MINE)

    async def retry(self, job: ClaimedJob, runner: str, at: datetime, error: str) -> bool:
        return bool(await self.db.execute(RETRY, job.seq, runner, job.lost, at, error))

    async def postpone(self, job: ClaimedJob, runner: str, now: datetime, at: datetime, error: str) -> bool:
        """Run the job again later, without counting an attempt."""
        return bool(await self.db.execute(POSTPONE, job.seq, runner, job.lost, at, error, now))

    async def bury(self, job: ClaimedJob, runner: str, now: datetime, error: str) -> bool:
        """Make the job a dead letter.

        If the job could not begin, the next job in its lane inherits `put_off_since`. The cause is probably the same,
        so the next job should not wait for the whole time again.
        """
        return await self._leave(job, runner, now, BURY, now, error, put_off_since=job.put_off_since)

    async def _leave(
        self, job: ClaimedJob, runner: str, now: datetime, sql: str, *values: Any, put_off_since: datetime | None = None
    ) -> bool:
        async with self.db.transaction():
            if job.lane is not None:
                await self.db.execute(LOCK_LANES, job.project)
            if not await self.db.execute(sql, job.seq, runner, job.lost, *values):
                return False
            if job.lane is not None:
                await self.db.execute(WAKE_NEXT, job.project, job.function, job.lane, now, put_off_since)
        return True

    # Methods that list and delete jobs.

    async def jobs(
        self, project: str, before: int, state: JobStatus | None, function: str | None, limit: int
    ) -> list[StoredJob]:
        """Return jobs, newest first."""
        return await self.db.all(StoredJob, LIST, project, before, state, function, limit)

    async def job(self, project: str, id: str) -> StoredJob | None:
        return await self.db.one(StoredJob, GET, project, id)

    async def replay(self, project: str, id: str, now: datetime) -> bool:
        try:
            async with self.db.transaction():
                await self.db.execute(LOCK_LANES, project)
                return bool(await self.db.execute(REPLAY, project, id, now))
        except NotUnique:  # Another job with the same key was added at the same moment.
            return False

    async def delete(self, project: str, job: StoredJob, now: datetime) -> bool:
        """Delete a job. Return False if the job is running."""
        async with self.db.transaction():
            await self.db.execute(LOCK_LANES, project)
            if not await self.db.execute(DELETE, project, job.id):
                return False
            if job.lane is not None:
                await self.db.execute(WAKE_NEXT, project, job.function, job.lane, now, None)
        return True

    async def delete_dead(self, before: datetime, limit: int) -> int:
        return await self.db.execute(DELETE_DEAD, before, limit)

    async def crowded(self, most: int) -> list[CrowdedProject]:
        """Return the projects that have more than `most` dead letters."""
        return await self.db.all(CrowdedProject, CROWDED, most)

    async def delete_oldest_dead(self, project: str, count: int) -> int:
        return await self.db.execute(DELETE_OLDEST_DEAD, project, count)


def _columns(changes: Sequence[ChangeJob]) -> list[list[Any]]:
    return [[getattr(one, name) for one in changes] for name in ChangeJob.__struct_fields__]
