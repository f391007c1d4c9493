"""SQL of batches: several changes that one call of a function handles.

A batch has two kinds of jobs. The jobs for the changes of one document form a queue, which is called a lane. The
`heads` are the first jobs of their lanes, and this process leases each of them. The `followers` are later jobs of the
same lanes. A follower stays `blocked` and has no lease: while the head of its lane runs, no other process can run the
follower. If this process dies, a lane therefore still runs from its first job on.

Each statement changes only heads whose lease this process holds, and the followers of those heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from bunbase.functions.store.claims import CLAIMED, DUE, ELSEWHERE
from bunbase.functions.store.jobs import LOCK_LANES, ClaimedJob
from bunbase.pkg.db.database import Database

# Parameters: $1 now, $2 end of the lease, $3 runner, $4 only jobs with a later `put_off_since`, $5 jobs that run here.
CLAIM_MORE = f"""
WITH next AS (
    SELECT seq FROM jobs WHERE project = $6 AND function = $7 AND {DUE} AND {ELSEWHERE}
    AND kind = 'change' AND state = 'waiting' AND lost = 0 AND attempt = $8 - 1 AND depth = $9
    AND together IS NOT DISTINCT FROM $10 AND (put_off_since IS NULL OR put_off_since > $4)
    ORDER BY seq LIMIT $11 FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET state = 'running', look_at = $2, runner = $3, started_at = $1, attempt = attempt + 1
FROM next WHERE jobs.seq = next.seq
RETURNING {CLAIMED}, NULL::timestamptz AS lost_at"""
FOLLOWERS = f"""
SELECT {CLAIMED}, NULL::timestamptz AS lost_at FROM unnest($3::text[]) AS lanes (lane) CROSS JOIN LATERAL (
    SELECT * FROM jobs WHERE project = $1 AND function = $2 AND lane = lanes.lane AND state = 'blocked'
    ORDER BY seq LIMIT $4
) AS jobs ORDER BY jobs.seq LIMIT $4"""

# Parameters: $1 the seqs of heads, $2 runner.
MINE = "seq = ANY ($1::bigint[]) AND runner = $2 AND lost = 0 AND state = 'running'"
# Parameters: $1 project, $2 function, $3 the seqs of followers, $4 lanes.
THEIRS = """project = $1 AND function = $2 AND seq = ANY ($3::bigint[]) AND lane = ANY ($4::text[])
AND state = 'blocked'"""
DELETE_HEADS = f"DELETE FROM jobs WHERE {MINE} RETURNING lane"
DELETE_FOLLOWERS = f"DELETE FROM jobs WHERE {THEIRS}"
RETRY_HEADS = f"""
UPDATE jobs SET state = 'waiting', look_at = $3, due_at = $3, error = $4, runner = NULL, put_off_since = NULL
WHERE {MINE} RETURNING lane"""
RETRY_FOLLOWERS = f"UPDATE jobs SET attempt = $5, error = $6 WHERE {THEIRS}"
SPLIT_HEADS = f"""
UPDATE jobs SET state = 'waiting', look_at = $3, error = $4, together = $5, attempt = attempt - 1, runner = NULL,
    put_off_since = NULL
WHERE {MINE} RETURNING lane"""
SPLIT_FOLLOWERS = f"UPDATE jobs SET error = $5, together = $6 WHERE {THEIRS}"
POSTPONE = f"""
UPDATE jobs SET state = 'waiting', look_at = $3, error = $4, runner = NULL, attempt = attempt - 1,
    put_off_since = coalesce(put_off_since, $5)
WHERE {MINE}"""
PUT_BACK = f"UPDATE jobs SET state = 'waiting', look_at = $3, runner = NULL, attempt = attempt - 1 WHERE {MINE}"
WAKE_NEXT = """
UPDATE jobs SET state = 'waiting', look_at = $4 WHERE state = 'blocked' AND seq IN (
    SELECT (SELECT seq FROM jobs WHERE project = $1 AND function = $2 AND lane = lanes.lane AND state <> 'dead'
        ORDER BY seq LIMIT 1)
    FROM unnest($3::text[]) AS lanes (lane))"""


class Batch(msgspec.Struct, frozen=True):
    """The jobs of one call: a single job of any kind, or several changes for one function.

    At least one of them is a head.
    """

    heads: tuple[ClaimedJob, ...]
    followers: tuple[ClaimedJob, ...] = ()

    @property
    def jobs(self) -> list[ClaimedJob]:
        """All jobs, in the order of the change log."""
        return sorted((*self.heads, *self.followers), key=lambda job: job.seq)

    @property
    def size(self) -> int:
        return len(self.heads) + len(self.followers)

    @property
    def first(self) -> ClaimedJob:
        """The oldest job, which is always a head, because every follower comes after the head of its lane."""
        return min(self.heads, key=lambda job: job.seq)

    def first_jobs(self, count: int) -> Batch:
        """Return a batch of the oldest `count` jobs."""
        seqs = {job.seq for job in self.jobs[:count]}
        return Batch(*(tuple(job for job in jobs if job.seq in seqs) for jobs in (self.heads, self.followers)))


class LaneRow(msgspec.Struct, frozen=True):
    lane: str


class BatchStore:
    """Claims and releases the jobs of batches.

    The methods that release jobs return False if this process held no lease.
    """

    def __init__(self, db: Database) -> None:
        self.db = db

    async def claim_more(
        self,
        first: ClaimedJob,
        runner: str,
        now: datetime,
        until: datetime,
        put_off_after: datetime,
        running: Sequence[int],
        most: int,
    ) -> list[ClaimedJob]:
        """Claim up to `most` due changes that may be in one batch with the claimed change `first`.

        These changes have the same function, and as many attempts and causes (`depth`) as `first`. Changes that were
        first put off before `put_off_after` are left out, because each of them has its own time limit.
        """
        return await self.db.all(
            ClaimedJob, CLAIM_MORE, now, until, runner, put_off_after, running,
            first.project, first.function, first.attempt, first.depth, first.together, most,
        )  # fmt: skip

    async def followers(self, heads: Sequence[ClaimedJob], most: int) -> list[ClaimedJob]:
        """Return up to `most` blocked jobs of the lanes of `heads`, oldest first."""
        lanes = [head.lane for head in heads]
        return await self.db.all(ClaimedJob, FOLLOWERS, heads[0].project, heads[0].function, lanes, most)

    async def done(self, batch: Batch, runner: str, now: datetime) -> bool:
        """Delete the jobs, and wake the next job of each lane."""
        project, function = batch.first.project, batch.first.function
        async with self.db.transaction():
            await self.db.execute(LOCK_LANES, project)
            lanes = await self._lanes(DELETE_HEADS, _seqs(batch.heads), runner)
            await self.db.execute(DELETE_FOLLOWERS, project, function, _seqs(batch.followers), lanes)
            await self.db.execute(WAKE_NEXT, project, function, lanes, now)
        return bool(lanes)

    async def retry(self, batch: Batch, runner: str, at: datetime, error: str) -> bool:
        """Run the jobs again later, as one batch."""
        project, function = batch.first.project, batch.first.function
        async with self.db.transaction():
            lanes = await self._lanes(RETRY_HEADS, _seqs(batch.heads), runner, at, error)
            theirs = (project, function, _seqs(batch.followers), lanes)
            await self.db.execute(RETRY_FOLLOWERS, *theirs, batch.first.attempt, error)
        return bool(lanes)

    async def split(self, batch: Batch, runner: str, now: datetime, error: str) -> bool:
        """Run the jobs again at once, in smaller batches, without counting an attempt."""
        project, function, together = batch.first.project, batch.first.function, batch.size // 2
        async with self.db.transaction():
            lanes = await self._lanes(SPLIT_HEADS, _seqs(batch.heads), runner, now, error, together)
            theirs = (project, function, _seqs(batch.followers), lanes)
            await self.db.execute(SPLIT_FOLLOWERS, *theirs, error, together)
        return bool(lanes)

    async def postpone(self, batch: Batch, runner: str, now: datetime, at: datetime, error: str) -> bool:
        """Run the jobs again later, without counting an attempt."""
        return bool(await self.db.execute(POSTPONE, _seqs(batch.heads), runner, at, error, now))

    async def put_back(self, heads: Sequence[ClaimedJob], runner: str, now: datetime) -> None:
        """Release jobs that were claimed, but do not fit into the batch."""
        await self.db.execute(PUT_BACK, _seqs(heads), runner, now)

    async def _lanes(self, sql: str, *values: object) -> list[str]:
        return [row.lane for row in await self.db.all(LaneRow, sql, *values)]


def _seqs(jobs: Sequence[ClaimedJob]) -> list[int]:
    return [job.seq for job in jobs]
