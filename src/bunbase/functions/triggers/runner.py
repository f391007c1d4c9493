"""Runs jobs: some at once, fewer of them for one project, each as often as it needs to succeed.

A job is leased: whoever runs it says so again and again, and when a process dies its jobs are run by another as soon as
their leases end. So a job runs at least once, and a function must bear that it is run twice.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import msgspec

from bunbase.contracts.bundoc import Bundoc, BundocBusy, CollectionNotFound, DocumentNotFound
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions import (
    FunctionCpuExceeded,
    FunctionCrashed,
    FunctionNotFound,
    FunctionOverloaded,
    FunctionsUnavailable,
    FunctionTimeout,
)
from bunbase.contracts.triggers import Run, RunOutcome, TriggerKind
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store import Stores
from bunbase.functions.store.jobs import Claimed
from bunbase.functions.triggers.requests import changed_document, request_of, with_document
from bunbase.functions.triggers.retries import retry_seconds
from bunbase.functions.workers.call import Call
from bunbase.functions.workers.deployment import Deployment, Request, Trigger
from bunbase.pkg import metrics
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import DeadlineExceeded, Internal, Problem, Unreachable
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("functions")

LEASE: Final = timedelta(seconds=30)  # how late a run is at worst when its server died; must bear a slow heartbeat
MAX_LOST: Final = 3  # a job that three servers did not survive is more likely the cause than the victim
POSTPONE: Final = timedelta(seconds=5)
TURN_EVERY: Final = 4  # passing over 60,000 jobs of six projects that had a turn takes PostgreSQL 1 ms
POLL_SECONDS: Final = 0.5  # how late another process's job is at worst
FAILED_STATUS: Final = 400
LOST: Final = "server_died"
SETTLE_AGAIN_SECONDS: Final = (0.2, 1.0, 3.0, 6.0)  # well within the lease, which is kept meanwhile if it can be

# not the function's fault: this was no attempt
PASSING: Final = (FunctionOverloaded, FunctionsUnavailable, Unreachable, BundocBusy, DeadlineExceeded)

Find = Callable[[str, str], Awaitable[Deployment]]
Start = Callable[[Deployment, Request], Awaitable[Call]]


class Result(msgspec.Struct, frozen=True):
    outcome: RunOutcome
    code: str | None = None


class Runner:
    """`find` gives what a call of a function runs now, `start` begins a call of it."""

    def __init__(
        self, stores: Stores, bundoc: Bundoc, find: Find, start: Start, clock: Clock, settings: FunctionsSettings
    ) -> None:
        self.id = new_id("run")
        self.stores = stores
        self.bundoc = bundoc
        self.find = find
        self.start = start
        self.clock = clock
        self.settings = settings
        self.tasks: dict[int, asyncio.Task[None]] = {}  # by the seq of the job
        self.running: Counter[str] = Counter()  # by project
        self.claims = 0
        self.served: set[str] = set()  # projects that had a turn in this round
        self.news = asyncio.Event()

    def wake(self) -> None:
        """Look for work now."""
        self.news.set()

    async def work(self) -> None:
        """Run what is due, for ever."""
        away = False
        while True:
            self.news.clear()
            try:
                await self.begin_due()
                away = False
            except Problem as problem:  # not a reason to wait longer than POLL_SECONDS for the database to be back
                if not away:
                    log.warning("jobs cannot be looked for", error=problem.detail)
                away = True
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self.news.wait()
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
            task.add_done_callback(partial(self._ended, job))

    async def _next(self) -> Claimed | None:
        """Claim what is due longest; now and then of a project that had no turn in this round.

        Else projects with long backlogs, which are due longest for hours, would keep all others from running.
        """
        self.claims += 1
        if self.claims % TURN_EVERY == 0:
            if (job := await self._claim(self.served)) is not None:
                return job
            self.served.clear()
        return await self._claim(set())

    async def _claim(self, besides: set[str]) -> Claimed | None:
        most = self.settings.max_triggered_runs_per_project
        busy = {project for project, count in self.running.items() if count >= most}
        now = self.clock.now()
        return await self.stores.jobs.claim(self.id, now, now + LEASE, list(busy | besides), list(self.tasks))

    async def extend(self) -> None:
        """Keep what runs here; should this fail, the next time is early enough."""
        try:
            if self.tasks:
                await self.stores.jobs.extend(self.id, list(self.tasks), self.clock.now() + LEASE)
        except Problem as problem:
            log.warning("jobs that run could not be kept", jobs=len(self.tasks), error=problem.detail)

    async def close(self) -> None:
        """Give back what runs; others begin it again at once."""
        tasks = list(self.tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.stores.jobs.release(self.id, self.clock.now())

    def _ended(self, job: Claimed, _: asyncio.Task[None]) -> None:
        del self.tasks[job.seq]
        self.running[job.project] -= 1
        if not self.running[job.project]:
            del self.running[job.project]
        self.wake()

    async def _run(self, job: Claimed) -> None:
        try:
            if job.lost_at is not None:
                await self._record_lost(job, job.lost_at)
            if job.lost >= MAX_LOST:
                await self.stores.jobs.bury(job, self.id, self.clock.now(), LOST)
            else:
                await self._attempt(job)
        except Problem as problem:  # its lease runs out, and it is run again
            log.warning("a run could not be recorded", job=job.id, project=job.project, error=problem.detail)
        except Exception:
            log.exception("a run could not be recorded", job=job.id, project=job.project)

    async def _attempt(self, job: Claimed) -> None:
        began_at, began = self.clock.now(), time.perf_counter()
        trigger = Trigger(job.kind, job.id, job.attempt, job.due_at, job.depth)
        request, version = request_of(trigger, job.payload), 0
        try:
            request = msgspec.structs.replace(request, body=await self._body(job))
            deployment = await self.find(job.project, job.function)
            version = deployment.version
            call = await self.start(deployment, request)
            job = msgspec.structs.replace(job, put_off_since=None)  # it has begun
            result = await self._answer(call)
        except (FunctionNotFound, *PASSING) as problem:  # not found: its jobs are gone with it, or just this version is
            if not self._in_vain(job):
                now = self.clock.now()
                await self.stores.jobs.postpone(job, self.id, now, now + POSTPONE, problem.code)
                return
            log.warning("a job was given up: it could not begin for too long", job=job.id, project=job.project)
            job, version = msgspec.structs.replace(job, attempts=job.attempt), 0
            result = Result(RunOutcome.ERROR, problem.code)
        except Problem as problem:
            result = Result(_outcome(problem), problem.code)
        except Exception:
            log.exception("a run failed", job=job.id, project=job.project, function=job.function)
            result = Result(RunOutcome.ERROR, Internal.code)
        duration_ms = round((time.perf_counter() - began) * 1000, 3)
        run = Run(
            new_id("run"), job.function, version, job.kind, job.id, job.attempt, began_at, duration_ms,
            result.outcome, result.code, request.invocation if version else "",
        )  # fmt: skip
        await self._settle(job, run)

    def _in_vain(self, job: Claimed) -> bool:
        """Say whether it has been put off for so long that somebody should hear of it."""
        most = timedelta(seconds=self.settings.max_put_off_seconds)
        return job.put_off_since is not None and self.clock.now() - job.put_off_since >= most

    async def _body(self, job: Claimed) -> bytes:
        if job.kind is not TriggerKind.CHANGE:
            return job.payload
        changed = changed_document(job.payload)
        try:
            found = await self.bundoc.get(Caller(CallerKind.SECRET, job.project), changed.collection, changed.id)
        except (DocumentNotFound, CollectionNotFound):
            return with_document(job.payload, None)
        return with_document(job.payload, found.body)

    async def _answer(self, call: Call) -> Result:
        """Read all of the answer: only its end says that the function succeeded."""
        try:
            head = await call.head()
            while await call.read():
                pass
        finally:
            call.abandon()
        if head.status >= FAILED_STATUS:
            return Result(RunOutcome.ERROR, f"http_{head.status}")
        return Result(RunOutcome.OK)

    async def _settle(self, job: Claimed, run: Run) -> None:
        """Write down how it ended; again while the database is away, or what has succeeded would be run once more."""
        metrics.trigger_runs.labels(run.kind, run.outcome).inc()
        waits = iter(SETTLE_AGAIN_SECONDS)
        again = False
        while True:
            try:
                return await self._settled(job, run, again)
            except Problem as problem:
                if (wait := next(waits, None)) is None:
                    raise
                log.warning("a run will be recorded later", job=job.id, project=job.project, error=problem.detail)
            again = True
            await asyncio.sleep(wait)

    async def _settled(self, job: Claimed, run: Run, again: bool) -> None:
        """Record the run and let go of the job, both or none. `again`: COMMIT may have succeeded the time before."""
        with suppress(_Settled):
            async with self.stores.runs.transaction():
                await self.stores.runs.add(job.project, run)
                if not await self._let_go(job, run) and again:
                    raise _Settled

    async def _let_go(self, job: Claimed, run: Run) -> bool:
        now = self.clock.now()
        if run.outcome is RunOutcome.OK or (job.attempt >= job.attempts and job.kind is TriggerKind.CRON):
            return await self.stores.jobs.done(job, self.id, now)  # a schedule's next run comes anyway
        if job.attempt >= job.attempts:
            return await self.stores.jobs.bury(job, self.id, now, run.code or run.outcome)
        wait = timedelta(seconds=retry_seconds(self.settings.retry_seconds, job.attempt))
        return await self.stores.jobs.retry(job, self.id, now + wait, run.code or run.outcome)

    async def _record_lost(self, job: Claimed, began_at: datetime) -> None:
        log.warning("a job is run again: its server died", job=job.id, project=job.project, function=job.function)
        run = Run(
            new_id("run"), job.function, 0, job.kind, job.id, job.attempt, began_at, 0.0, RunOutcome.LOST, LOST, ""
        )
        await self.record(job.project, run)

    async def record(self, project: str, run: Run) -> None:
        metrics.trigger_runs.labels(run.kind, run.outcome).inc()
        await self.stores.runs.add(project, run)


class _Settled(Exception):
    """The job is no longer ours, and the run of the try before is recorded: undo this one."""


def _outcome(problem: Problem) -> RunOutcome:
    match problem:
        case FunctionTimeout() | FunctionCpuExceeded():
            return RunOutcome.TIMEOUT
        case FunctionCrashed():
            return RunOutcome.CRASH
        case _:
            return RunOutcome.ERROR
