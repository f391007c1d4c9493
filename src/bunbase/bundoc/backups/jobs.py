"""The backup jobs of this process. One job runs at a time, and the others wait. A restart loses all jobs."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final

import msgspec

from bunbase.bundoc.backups.engine import Progress
from bunbase.bundoc.counted import counted
from bunbase.contracts.bundoc.backups import BackupBusy, BackupFailed, BackupJob, BackupJobNotFound, JobState
from bunbase.pkg import context
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("bundoc")

MAX_WAITING: Final = 20
MAX_REMEMBERED: Final = 200
RETRY_SECONDS: Final = 10

Work = Callable[["RunningJob"], Awaitable[None]]


class RunningJob:
    """A job with its progress.

    `reads`: the backups that the job reads, as (project, id). Nobody can delete these backups while the job runs.
    """

    def __init__(self, job: BackupJob, reads: frozenset[tuple[str, str]]) -> None:
        self.job = job
        self.reads = reads
        self.progress = Progress()
        self.task: asyncio.Task[None] | None = None

    def current(self) -> BackupJob:
        """Return the job as it is now."""
        progress = self.progress
        return msgspec.structs.replace(self.job, done_bytes=progress.done_bytes, total_bytes=progress.total_bytes)

    def set(self, **values: object) -> None:
        self.job = msgspec.structs.replace(self.job, **values)

    def live(self) -> bool:
        return self.job.state in (JobState.QUEUED, JobState.RUNNING)


class Jobs:
    """Runs the jobs of this process. `seconds`: the time limit; a job that runs longer is stopped."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.jobs: OrderedDict[str, RunningJob] = OrderedDict()
        self.turn = asyncio.Lock()

    def begin(self, job: BackupJob, work: Work, reads: frozenset[tuple[str, str]] = frozenset()) -> RunningJob:
        """Start or queue a job. Raises: BackupBusy if the project has a job already, or if too many jobs wait."""
        live = [one for one in self.jobs.values() if one.live()]
        if any(one.job.project == job.project for one in live):
            raise BackupBusy(
                "Another backup job of this project is running; wait until it has ended.",
                retry_after_seconds=RETRY_SECONDS,
            )
        if len(live) > MAX_WAITING:
            raise BackupBusy("Too many backup jobs are waiting; try again later.", retry_after_seconds=RETRY_SECONDS)
        running = self.jobs[job.id] = RunningJob(job, reads)
        # The job runs in a new context, because it must not inherit the deadline of the request that began it.
        running.task = asyncio.create_task(self._run(running, work), context=Context())
        while len(self.jobs) > MAX_REMEMBERED:
            self.jobs.popitem(last=False)
        return running

    def one(self, project: str, id: str) -> BackupJob:
        """Return one job. Raises: BackupJobNotFound."""
        running = self.jobs.get(id)
        if running is None or running.job.project != project:
            raise BackupJobNotFound("There is no such job; a restart of the server ends and removes all jobs.")
        return running.current()

    def check_free(self, project: str, id: str) -> None:
        """Check that no job reads this backup. Raises: BackupBusy."""
        if self.reads(project, id):
            raise BackupBusy(
                "A job is reading this backup; wait until it has ended.", retry_after_seconds=RETRY_SECONDS
            )

    def reads(self, project: str, id: str) -> bool:
        """True while a job reads this backup."""
        return any((project, id) in one.reads for one in self.jobs.values() if one.live())

    async def end(self, project: str) -> None:
        """Stop every job of a project, and every job that reads its backups."""
        await self._stop(
            [one for one in self.jobs.values() if project in (one.job.project, *(of for of, _ in one.reads))]
        )

    async def close(self) -> None:
        await self._stop(list(self.jobs.values()))

    async def _stop(self, jobs: list[RunningJob]) -> None:
        live = [one for one in jobs if one.live()]
        for one in live:
            one.progress.stop()
        await asyncio.gather(*(one.task for one in live if one.task is not None), return_exceptions=True)

    async def _run(self, running: RunningJob, work: Work) -> None:
        context.request_id.set(running.job.id)
        try:
            async with self.turn:
                running.progress.go_on()
                running.set(state=JobState.RUNNING)
                timer = asyncio.get_running_loop().call_later(self.seconds, running.progress.stop, True)
                try:
                    with counted(f"{running.job.kind.value}_job"):
                        await work(running)
                finally:
                    timer.cancel()
            running.set(state=JobState.DONE)
        except Problem as problem:
            self._fail(running, problem)
        except Exception:
            log.exception("a backup job failed unexpectedly", project=running.job.project, job=running.job.id)
            self._fail(running, BackupFailed("The server's log has the reason."))

    def _fail(self, running: RunningJob, problem: Problem) -> None:
        job = running.job
        running.set(state=JobState.FAILED, problem=problem.body())
        log.warning("a backup job failed", project=job.project, kind=job.kind.value, job=job.id, reason=problem.detail)
