"""Runs jobs: a bounded number at once, fewer of them for one project, each until it succeeds or has no attempt left.

The life of one job in this process:

1. The runner wakes: `due` was set (somebody added a job), or POLL_SECONDS have passed (another process added one).
2. `_next` claims the job that has been due longest, in SQL (`store/claims.py`): its row becomes `running` and names
   this process as its runner, with a lease of LEASE.
3. `attempts.py` calls the function and waits for the end of its answer.
4. `records.py` records the run and deletes the job, or lets it wait for its next attempt, or makes a dead letter of it,
   in one transaction.
5. Meanwhile `extend` prolongs the leases every few seconds. If this process dies, nobody prolongs them: the job is due
   again for every other process when its lease ends, and counts how many servers it has lost.

So a job is run at least once, and a function must bear being run twice. A row lock held during the run, in place of the
lease, would keep one transaction and one connection open for each run, up to five minutes.
Record: docs/decisions/0021-every-trigger-is-a-job.md.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Final

from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store.jobs import ClaimedJob
from bunbase.functions.triggers.attempts import Attempts
from bunbase.functions.triggers.records import RunRecords
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("functions")

# The longest that a job waits after its server died. Shorter leases would be lost to one slow heartbeat: a database
# that answers late, or an event loop that is held up.
LEASE: Final = timedelta(seconds=30)
MAX_LOST: Final = 3  # if three servers died with a job, the job is more likely the cause than the victim
TURN_EVERY: Final = 4  # passing over 60,000 jobs of six projects that had their turn takes PostgreSQL 1 ms
POLL_SECONDS: Final = 0.5  # a job added by another process waits this long at most


class Runner:
    """`due` is set when there may be a job to run."""

    def __init__(
        self, records: RunRecords, attempts: Attempts, settings: FunctionsSettings, due: asyncio.Event
    ) -> None:
        self.id = records.runner
        self.records = records
        self.jobs = records.jobs
        self.clock = records.clock
        self.attempts = attempts
        self.settings = settings
        self.due = due
        self.tasks: dict[int, asyncio.Task[None]] = {}  # by the seq of the job
        self.running: Counter[str] = Counter()  # by project
        self.claims = 0
        self.served: set[str] = set()  # projects that had a turn in this round

    async def work(self) -> None:
        """Run what is due, for ever."""
        away = False
        while True:
            self.due.clear()
            try:
                await self.begin_due()
                away = False
            except Problem as problem:  # no backing off: a database that is back should be noticed within POLL_SECONDS
                if not away:
                    log.warning("jobs cannot be looked for", error=problem.detail)
                away = True
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self.due.wait()
            except TimeoutError:
                pass

    async def begin_due(self) -> None:
        """Begin as many jobs as may run."""
        while len(self.tasks) < self.settings.max_triggered_runs:
            job = await self._next()
            if job is None:
                return
            self.served.add(job.project)
            self.running[job.project] += 1
            task = asyncio.create_task(self._run(job))
            self.tasks[job.seq] = task
            task.add_done_callback(partial(self._on_ended, job))

    async def extend(self) -> None:
        """Prolong the leases of all jobs that run here. One failure does no harm: the next try comes early enough."""
        try:
            if self.tasks:
                await self.jobs.extend(self.id, list(self.tasks), self.clock.now() + LEASE)
        except Problem as problem:
            log.warning("leases of running jobs could not be extended", jobs=len(self.tasks), error=problem.detail)

    async def close(self) -> None:
        """Stop all runs and release their jobs, so that other processes begin them again at once."""
        tasks = list(self.tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.jobs.release(self.id, self.clock.now())

    async def _next(self) -> ClaimedJob | None:
        """Claim the job that has been due longest; every fourth time, of a project without a turn in this round.

        Symptom without such turns: three projects with 10,000 due jobs each filled every slot, and a fourth project
        waited until all of these were done. The cause is that old jobs are always due longer than new ones; the limit
        of runs per project does not help once a few projects together fill all slots.
        """
        self.claims += 1
        if self.claims % TURN_EVERY == 0:
            if (job := await self._claim(self.served)) is not None:
                return job
            self.served.clear()
        return await self._claim(set())

    async def _claim(self, besides: set[str]) -> ClaimedJob | None:
        """Claim one job. Projects in `besides` and projects at their limit of runs are passed over."""
        most = self.settings.max_triggered_runs_per_project
        busy = {project for project, count in self.running.items() if count >= most}
        now = self.clock.now()
        return await self.jobs.claim(self.id, now, now + LEASE, list(busy | besides), list(self.tasks))

    def _on_ended(self, job: ClaimedJob, _: asyncio.Task[None]) -> None:
        del self.tasks[job.seq]
        self.running[job.project] -= 1
        if not self.running[job.project]:
            del self.running[job.project]
        self.due.set()  # a slot is free

    async def _run(self, job: ClaimedJob) -> None:
        try:
            if job.lost_at is not None:
                await self.records.record_lost(job, job.lost_at)
            if job.lost >= MAX_LOST:
                await self.records.bury_lost(job)
            else:
                await self.attempts.make(job)
        except Problem as problem:  # its lease runs out, and it is run again
            log.warning("a run could not be recorded", job=job.id, project=job.project, error=problem.detail)
        except Exception:
            log.exception("a run could not be recorded", job=job.id, project=job.project)
