"""Records how runs ended, and deletes, retries or buries their jobs.

One transaction does both, and only while this process holds the job's lease. So a job is done exactly when its run is
recorded, and a process that lost the lease without noticing cannot record a run twice.
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
SETTLE_AGAIN_SECONDS: Final = (0.2, 1.0, 3.0, 6.0)  # in total less than a lease, which is extended in the meantime


class RunRecords:
    """Records runs. `runner`: the id under which this process leases jobs."""

    def __init__(self, runs: RunStore, jobs: JobStore, clock: Clock, first_retry_seconds: float) -> None:
        self.runner = new_id("run")
        self.runs = runs
        self.jobs = jobs
        self.clock = clock
        self.first_retry_seconds = first_retry_seconds

    async def record(self, project: str, run: Run) -> None:
        """Record a run without changing a job."""
        metrics.trigger_runs.labels(run.kind, run.outcome).inc()
        await self.runs.add(project, run)

    async def record_lost(self, job: ClaimedJob, began_at: datetime) -> None:
        """Record the run that another server had begun before it died."""
        log.warning("a job is run again: its server died", job=job.id, project=job.project, function=job.function)
        run = Run(
            new_id("run"), job.function, 0, job.kind, job.id, job.attempt, began_at, 0.0, RunOutcome.LOST, LOST, ""
        )
        await self.record(job.project, run)

    async def bury_lost(self, job: ClaimedJob) -> None:
        """Make a dead letter of a job whose servers died too often."""
        await self.jobs.bury(job, self.runner, self.clock.now(), LOST)

    async def postpone(self, job: ClaimedJob, code: str) -> None:
        """Run the job again a little later, without counting an attempt."""
        now = self.clock.now()
        await self.jobs.postpone(job, self.runner, now, now + POSTPONE, code)

    async def settle(self, job: ClaimedJob, run: Run) -> None:
        """Record how the attempt ended, and release the job.

        Tries again while the database is unreachable. Otherwise a job that succeeded would run once more.
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
        """Record the run and release the job, in one transaction.

        `again`: True if an earlier try failed. It may have failed after its COMMIT; then this process no longer holds
        the job, and this try is rolled back. Otherwise the run would be recorded twice.
        """
        with suppress(_SettledBefore):
            async with self.runs.transaction():
                await self.runs.add(job.project, run)
                if not await self._let_go(job, run) and again:
                    raise _SettledBefore

    async def _let_go(self, job: ClaimedJob, run: Run) -> bool:
        now = self.clock.now()
        if run.outcome is RunOutcome.OK or (job.attempt >= job.attempts and job.kind is TriggerKind.CRON):
            # a failed run of a schedule leaves no dead letter, because the schedule runs again anyway
            return await self.jobs.done(job, self.runner, now)
        if job.attempt >= job.attempts:
            return await self.jobs.bury(job, self.runner, now, run.code or run.outcome)
        wait = timedelta(seconds=retry_seconds(self.first_retry_seconds, job.attempt))
        return await self.jobs.retry(job, self.runner, now + wait, run.code or run.outcome)


class _SettledBefore(Exception):
    """An earlier try has recorded the run, so this try is rolled back."""
