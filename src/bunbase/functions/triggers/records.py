"""Writes down how runs ended, and lets go of their jobs.

Both happen in one transaction, and only while this process holds the job's lease. So a job counts as done exactly when
its run is recorded, and a process that lost the lease without noticing records nothing twice.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from bunbase.contracts.functions.triggers import Run, RunOutcome, TriggerKind
from bunbase.functions.store.jobs import ClaimedJob, JobStore
from bunbase.functions.store.runs import RunStore
from bunbase.functions.triggers.retries import retry_seconds
from bunbase.pkg import metrics
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("functions")

POSTPONE: Final = timedelta(seconds=5)
LOST: Final = "server_died"
SETTLE_AGAIN_SECONDS: Final = (0.2, 1.0, 3.0, 6.0)  # together well within the lease, which is extended meanwhile


class RunRecords:
    """`runner`: the id of this process among those that lease jobs."""

    def __init__(self, runs: RunStore, jobs: JobStore, clock: Clock, first_retry_seconds: float) -> None:
        self.runner = new_id("run")
        self.runs = runs
        self.jobs = jobs
        self.clock = clock
        self.first_retry_seconds = first_retry_seconds

    async def record(self, project: str, run: Run) -> None:
        """Record a run that has no job, or one whose job goes on."""
        metrics.trigger_runs.labels(run.kind, run.outcome).inc()
        await self.runs.add(project, run)

    async def record_lost(self, job: ClaimedJob, began_at: datetime) -> None:
        """Record the run that a server had begun before it died."""
        log.warning("a job is run again: its server died", job=job.id, project=job.project, function=job.function)
        run = Run(
            new_id("run"), job.function, 0, job.kind, job.id, job.attempt, began_at, 0.0, RunOutcome.LOST, LOST, ""
        )
        await self.record(job.project, run)

    async def bury_lost(self, job: ClaimedJob) -> None:
        """Make a dead letter of a job whose servers died too often."""
        await self.jobs.bury(job, self.runner, self.clock.now(), LOST)

    async def postpone(self, job: ClaimedJob, code: str) -> None:
        """Let the job wait a little; this was no attempt."""
        now = self.clock.now()
        await self.jobs.postpone(job, self.runner, now, now + POSTPONE, code)

    async def settle(self, job: ClaimedJob, run: Run) -> None:
        """Record how the attempt ended, and let go of the job.

        Repeated while the database is away: otherwise a run that succeeded would be run once more.
        """
        metrics.trigger_runs.labels(run.kind, run.outcome).inc()
        waits = iter(SETTLE_AGAIN_SECONDS)
        again = False
        while True:
            try:
                return await self._settle_once(job, run, again)
            except Problem as problem:
                if (wait := next(waits, None)) is None:
                    raise
                log.warning("a run will be recorded later", job=job.id, project=job.project, error=problem.detail)
            again = True
            await asyncio.sleep(wait)

    async def _settle_once(self, job: ClaimedJob, run: Run, again: bool) -> None:
        """Record the run and let go of the job, both or none.

        `again`: an earlier try failed, perhaps only after its COMMIT. Then the job is no longer ours, and this try is
        undone: otherwise the run would be recorded twice.
        """
        with suppress(_SettledBefore):
            async with self.runs.transaction():
                await self.runs.add(job.project, run)
                if not await self._let_go(job, run) and again:
                    raise _SettledBefore

    async def _let_go(self, job: ClaimedJob, run: Run) -> bool:
        now = self.clock.now()
        if run.outcome is RunOutcome.OK or (job.attempt >= job.attempts and job.kind is TriggerKind.CRON):
            # a schedule that failed leaves no dead letter, since its next run comes anyway
            return await self.jobs.done(job, self.runner, now)
        if job.attempt >= job.attempts:
            return await self.jobs.bury(job, self.runner, now, run.code or run.outcome)
        wait = timedelta(seconds=retry_seconds(self.first_retry_seconds, job.attempt))
        return await self.jobs.retry(job, self.runner, now + wait, run.code or run.outcome)


class _SettledBefore(Exception):
    """An earlier try has recorded the run, so this one is undone."""
