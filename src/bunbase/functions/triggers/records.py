"""Records how runs ended, and deletes or retries their jobs, or makes them dead letters.

One transaction records the run and changes its jobs, and only while this process holds their leases. So a job is done
exactly when its run is recorded. A process that has lost the lease without noticing cannot record a run twice.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from bunbase.contracts.functions.triggers import Run, RunOutcome, TriggerKind
from bunbase.functions.store import Stores
from bunbase.functions.store.batches import Batch
from bunbase.functions.store.jobs import ClaimedJob
from bunbase.functions.triggers.retries import retry_seconds
from bunbase.pkg import metrics
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("functions")

POSTPONE: Final = timedelta(seconds=5)
LOST: Final = "server_died"
# These pauses together are shorter than a lease, and the lease is also extended meanwhile.
SETTLE_AGAIN_SECONDS: Final = (0.2, 1.0, 3.0, 6.0)


class RunRecords:
    """Records runs. `holder`: the id under which this process holds leases."""

    def __init__(self, stores: Stores, clock: Clock, first_retry_seconds: float, holder: str) -> None:
        self.holder = holder
        self.runs = stores.runs
        self.jobs = stores.jobs
        self.batches = stores.batches
        self.clock = clock
        self.first_retry_seconds = first_retry_seconds

    async def record(self, project: str, run: Run) -> None:
        """Record a run without changing a job."""
        metrics.trigger_runs.labels(run.kind, run.outcome).inc()
        await self.runs.add(project, run)

    async def refuse(self, project: str, id: str, code: str) -> Run | None:
        """Mark the successful run of a hook as failed, and return it. Return None if there is no such run."""
        run = await self.runs.refuse(project, id, code)
        if run is not None:
            metrics.trigger_runs.labels(run.kind, run.outcome).inc()
        return run

    async def record_lost(self, job: ClaimedJob, began_at: datetime) -> None:
        """Record the run that another server had begun before it died."""
        log.warning("a job is run again: its server died", job=job.id, project=job.project, function=job.function)
        run = Run(
            new_id("run"), job.function, 0, job.kind, job.id, job.attempt, began_at, 0.0, RunOutcome.LOST, LOST, ""
        )
        await self.record(job.project, run)

    async def bury_lost(self, job: ClaimedJob) -> None:
        """Make a job a dead letter, because too many servers died during the job."""
        await self.jobs.bury(job, self.holder, self.clock.now(), LOST)

    async def postpone(self, batch: Batch, code: str) -> None:
        """Run the jobs again a little later, without counting an attempt."""
        now = self.clock.now()
        if batch.size > 1:
            await self.batches.postpone(batch, self.holder, now, now + POSTPONE, code)
        else:
            await self.jobs.postpone(batch.first, self.holder, now, now + POSTPONE, code)

    async def settle(self, batch: Batch, run: Run) -> None:
        """Record how the attempt ended, and release the jobs.

        While the database is unreachable, try again. Otherwise a job that succeeded would run once more.
        """
        metrics.trigger_runs.labels(run.kind, run.outcome).inc()
        waits = iter(SETTLE_AGAIN_SECONDS)
        again = False
        while True:
            try:
                return await self._settle_once(batch, run, again)
            except Problem as problem:
                if (wait := next(waits, None)) is None:
                    raise
                job = batch.first
                log.warning("a run will be recorded later", job=job.id, project=job.project, error=problem.detail)
            again = True
            await asyncio.sleep(wait)

    async def _settle_once(self, batch: Batch, run: Run, again: bool) -> None:
        """Record the run and release the jobs, in one transaction.

        `again`: True if an earlier try failed. The earlier try may have failed after its COMMIT. In this case, this
        process no longer holds the jobs, and this try is rolled back, so that the run is not recorded twice.
        """
        with suppress(_SettledBefore):
            async with self.runs.transaction():
                await self.runs.add(batch.first.project, run)
                let_go = self._let_go_of_all(batch, run) if batch.size > 1 else self._let_go(batch.first, run)
                if not await let_go and again:
                    raise _SettledBefore

    async def _let_go(self, job: ClaimedJob, run: Run) -> bool:
        now = self.clock.now()
        if run.outcome is RunOutcome.OK or (job.attempt >= job.attempts and job.kind is TriggerKind.CRON):
            # A failed run of a schedule leaves no dead letter, because the schedule runs again anyway.
            return await self.jobs.done(job, self.holder, now)
        if job.attempt >= job.attempts:
            return await self.jobs.bury(job, self.holder, now, run.code or run.outcome)
        return await self.jobs.retry(job, self.holder, now + self._wait(job), run.code or run.outcome)

    async def _let_go_of_all(self, batch: Batch, run: Run) -> bool:
        now = self.clock.now()
        if run.outcome is RunOutcome.OK:
            return await self.batches.done(batch, self.holder, now)
        if batch.first.attempt == 1 and batch.first.together is None:
            # The cause is often unreachable for a moment, and smaller batches would only cause more failing calls.
            return await self.batches.retry(batch, self.holder, now + self._wait(batch.first), run.code or run.outcome)
        return await self.batches.split(batch, self.holder, now, run.code or run.outcome)

    def _wait(self, job: ClaimedJob) -> timedelta:
        return timedelta(seconds=retry_seconds(self.first_retry_seconds, job.attempt))


class _SettledBefore(Exception):
    """An earlier try has already recorded the run, so this try is rolled back."""
