"""The SQL that claims the next job. Of all jobs that may run, this is the job that has been due for the longest time.

The concern: thousands of older due jobs may belong to projects that have reached their limit of runs, and reading all
these jobs would be slow. So CLAIM reads only the first LOOKED_AT due jobs. If none of these jobs may run, CLAIM_BEHIND
goes from project to project and reads the first due job of each project. CLAIM_SCHEDULED reads only runs of schedules,
through a separate index.
"""

from __future__ import annotations

from typing import Final

LOOKED_AT: Final = 500
# CLAIM tries this many candidates, because other processes may lock the first ones at the same moment.
PICKED: Final = 32

# Parameters: $1 now, $2 end of the lease, $3 runner, $4 projects at their limit, $5 jobs that run here.
HELD: Final = "state IN ('waiting', 'running')"
DUE: Final = f"{HELD} AND look_at <= $1"
# A paused project has no such jobs.
HAS_SLOTS: Final = "project <> ALL ($4::text[]) AND project NOT IN (SELECT project FROM paused_projects)"
ELSEWHERE: Final = "seq <> ALL ($5::bigint[])"

CLAIMED: Final = """jobs.seq, jobs.id, jobs.project, jobs.function, jobs.kind, jobs.payload, jobs.lane, jobs.depth,
    jobs.due_at, jobs.attempt, jobs.attempts, jobs.lost, jobs.put_off_since, jobs.together"""

TAKE: Final = f"""
next AS (
    SELECT seq, state AS was, started_at AS began FROM jobs
    WHERE seq = ANY (ARRAY(SELECT seq FROM picked)) AND {DUE}
    ORDER BY look_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET state = 'running', look_at = $2, runner = $3, started_at = $1,
    attempt = attempt + (was = 'waiting')::int, lost = lost + (was = 'running')::int
FROM next WHERE jobs.seq = next.seq
RETURNING {CLAIMED}, CASE WHEN was = 'running' THEN began END AS lost_at"""

CLAIM: Final = f"""
WITH near AS (SELECT seq, project, look_at FROM jobs WHERE {DUE} ORDER BY look_at LIMIT {LOOKED_AT}),
picked AS (SELECT seq FROM near WHERE {HAS_SLOTS} AND {ELSEWHERE} ORDER BY look_at LIMIT {PICKED}),
{TAKE}"""

# The recursive query finds the projects through the index, one step for each project.
CLAIM_BEHIND: Final = f"""
WITH RECURSIVE projects AS (
    SELECT min(project) AS project FROM jobs
    WHERE {HELD} AND (SELECT count(*) FROM (SELECT FROM jobs WHERE {DUE} LIMIT {LOOKED_AT}) AS found) = {LOOKED_AT}
    UNION ALL
    SELECT (SELECT min(project) FROM jobs WHERE {HELD} AND project > before.project)
    FROM projects AS before WHERE before.project IS NOT NULL
),
picked AS (
    SELECT first.seq FROM (SELECT project FROM projects WHERE {HAS_SLOTS}) AS free CROSS JOIN LATERAL (
        SELECT seq, look_at FROM jobs WHERE project = free.project AND {DUE} AND {ELSEWHERE} ORDER BY look_at LIMIT 1
    ) AS first ORDER BY first.look_at LIMIT {PICKED}
),
{TAKE}"""

CLAIM_SCHEDULED: Final = f"""
WITH picked AS (
    SELECT seq FROM jobs WHERE kind = 'cron' AND {DUE} AND {HAS_SLOTS} AND {ELSEWHERE} ORDER BY look_at LIMIT {PICKED}
),
{TAKE}"""
