"""Runs jobs until they succeed or have no attempts left.

The runner limits the number of jobs that run at the same time, in total and per project.

The life of one job in this process:

1. The runner wakes when `due` is set (this process has added a job), or after POLL_SECONDS (another process may have
   added a job).
2. `_begin_scheduled` claims due runs of schedules, which have reserved places. For the ordinary places, `_next` claims
   the job that has been due for the longest time, in SQL (`store/claims.py`). The row of a claimed job becomes
   `running` and names this process as its runner, with a lease of LEASE.
3. If the function takes several changes in one call, `batches.py` adds other due changes. `attempts.py` calls the
   function and waits for the end of its answer.
4. In one transaction, `records.py` records the run, and deletes the job, schedules its next attempt, or makes it a dead
   letter.
5. During the run, `extend` extends the lease every few seconds. If this process dies, the lease ends, and the job is
   due again for every other process. The row of the job counts the servers that died during its runs.

So a job runs at least once, and a function must tolerate running twice. A row lock during the run, instead of a lease,
was rejected: each run would keep a transaction and a connection open, for up to five minutes.
Record: docs/decisions/0021-every-trigger-is-a-job.md.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Final

from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store.batches import Batch
from bunbase.functions.store.jobs import ClaimedJob
from bunbase.functions.triggers.attempts import Attempts
from bunbase.functions.triggers.batches import Batches
from bunbase.functions.triggers.records import RunRecords
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("functions")

# After its server has died, a job waits at most this long. With a shorter lease, one late extension would lose the job,
# because the database may answer late, or the event loop may be busy.
LEASE: Final = timedelta(seconds=30)
MAX_LOST: Final = 3  # If three servers died during a job, the job is probably the cause.
TURN_EVERY: Final = 4  # Each skipped job costs time: PostgreSQL needs 1 ms to skip 60,000 jobs of six projects.
POLL_SECONDS: Final = 0.5  # A job that another process has added waits at most this long.


class Runner:
    """Runs jobs. `due`: an event that is set when a new job may be ready to run."""

    def __init__(
        self,
        records: RunRecords,
        batches: Batches,
        attempts: Attempts,
        settings: FunctionsSettings,
        due: asyncio.Event,
    ) -> None:
        self.holder = records.holder
        self.records = records
        self.jobs = records.jobs
        self.clock = records.clock
        self.batches = batches
        self.attempts = attempts
        self.settings = settings
        self.due = due
        # The running tasks, by the seq of the job that was claimed first.
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.joined: dict[int, tuple[int, ...]] = {}  # The seqs of the heads that joined a batch, by the same seq.
        self.running: Counter[str] = Counter()  # The number of running jobs of each project.
        # The seq of a project's run in a place for schedules, by project. Such runs are not in `running`.
        self.scheduled: dict[str, int] = {}
        self.scheduled_at = -math.inf
        self.claims = 0
        self.served: set[str] = set()  # Projects that have had a turn in this round.

    async def work(self) -> None:
        """Run due jobs forever."""
        away = False
        while True:
            self.due.clear()
            try:
                await self.begin_due()
                away = False
            # The pause does not grow with failures, because the database may soon work again.
            except Problem as problem:
                if not away:
                    log.warning("due jobs cannot be read", error=problem.detail)
                away = True
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self.due.wait()
            except TimeoutError:
                pass

    async def begin_due(self) -> None:
        """Begin as many due jobs as may run."""
        await self._begin_scheduled()
        while self.running.total() < self.settings.max_triggered_runs:
            job = await self._next()
            if job is None:
                return
            self.served.add(job.project)
            self.running[job.project] += 1
            # This is stored before the next claim, which could otherwise take a job of this batch.
            self._begin(await self.batches.around(job, LEASE, [*self._leased(), job.seq]))

    async def extend(self) -> None:
        """Extend the leases of all jobs that run in this process.

        A single failure is harmless: the next try is early enough.
        """
        try:
            if self.tasks:
                await self.jobs.extend(self.holder, self._leased(), self.clock.now() + LEASE)
        except Problem as problem:
            log.warning("leases of running jobs could not be extended", jobs=len(self.tasks), error=problem.detail)

    async def close(self) -> None:
        """Stop all runs and release their jobs, so that other processes can begin them at once."""
        tasks = list(self.tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.jobs.release(self.holder, self.clock.now())

    async def _begin_scheduled(self) -> None:
        """Begin due runs of schedules in the places that only schedules have, at most one for each project.

        Without these places, a schedule waited for minutes behind 10,000 changes of its own project, because the
        changes had been due longer. During a backlog the runner wakes after each run, so this method runs only twice a
        second.
        """
        if time.monotonic() - self.scheduled_at < POLL_SECONDS:
            return
        self.scheduled_at = time.monotonic()
        while len(self.scheduled) < self.settings.max_scheduled_runs:
            now = self.clock.now()
            job = await self.jobs.claim_scheduled(self.holder, now, now + LEASE, list(self.scheduled), self._leased())
            if job is None:
                return
            self.scheduled[job.project] = job.seq
            self._begin(Batch((job,)))

    def _begin(self, batch: Batch) -> None:
        job = batch.heads[0]
        task = asyncio.create_task(self._run(job, batch))
        self.tasks[job.seq] = task
        self.joined[job.seq] = tuple(head.seq for head in batch.heads[1:])
        task.add_done_callback(partial(self._on_ended, job))

    async def _next(self) -> ClaimedJob | None:
        """Claim the job that has been due longest.

        Every fourth claim considers only projects without a turn in this round.

        Without turns, three projects with 10,000 due jobs each filled all places, and a fourth project waited until all
        30,000 jobs were done, because old jobs have always been due longer than new jobs. The limit of runs per project
        does not help if a few projects together fill all places.
        """
        self.claims += 1
        if self.claims % TURN_EVERY == 0:
            if (job := await self._claim(self.served)) is not None:
                return job
            self.served.clear()
        return await self._claim(set())

    async def _claim(self, besides: set[str]) -> ClaimedJob | None:
        """Claim one job. Skip projects in `besides`, and projects that have reached their limit of runs."""
        most = self.settings.max_triggered_runs_per_project
        busy = {project for project, count in self.running.items() if count >= most}
        now = self.clock.now()
        return await self.jobs.claim(self.holder, now, now + LEASE, list(busy | besides), self._leased())

    def _leased(self) -> list[int]:
        """Return the seqs of all jobs that run here under a lease."""
        return [*self.tasks, *itertools.chain.from_iterable(self.joined.values())]

    def _on_ended(self, job: ClaimedJob, _: asyncio.Task[None]) -> None:
        del self.tasks[job.seq]
        del self.joined[job.seq]
        if self.scheduled.get(job.project) == job.seq:
            del self.scheduled[job.project]
        else:
            self.running[job.project] -= 1
            if not self.running[job.project]:
                del self.running[job.project]
        self.due.set()  # A place is free now.

    async def _run(self, job: ClaimedJob, batch: Batch) -> None:
        """Run a batch. `job`: the job that was claimed first; a job that was lost is the only job of its batch."""
        try:
            if job.lost_at is not None:
                await self.records.record_lost(job, job.lost_at)
            if job.lost >= MAX_LOST:
                await self.records.bury_lost(job)
            else:
                await self.attempts.make(batch)
        except Problem as problem:  # The job's lease ends, and the job runs again.
            log.warning("a run could not be recorded", job=job.id, project=job.project, error=problem.detail)
        except Exception:
            log.exception("a run could not be recorded", job=job.id, project=job.project)
