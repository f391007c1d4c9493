"""What is under way: one piece of work at a time in this process, the others queue. A restart forgets them all."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final

import msgspec

from bunbase.bundoc.backups.engine import Progress
from bunbase.bundoc.counted import counted
from bunbase.contracts.backups import BackupBusy, BackupFailed, BackupJob, BackupJobNotFound, JobState
from bunbase.pkg import context
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("bundoc")

MAX_WAITING: Final = 20
MAX_REMEMBERED: Final = 200
RETRY_SECONDS: Final = 10

Work = Callable[["Running"], Awaitable[None]]


class Running:
    """A job and how far it is. `reads`: backups that must not be deleted meanwhile, as (project, id)."""

    def __init__(self, job: BackupJob, reads: frozenset[tuple[str, str]]) -> None:
        self.job = job
        self.reads = reads
        self.progress = Progress()
        self.task: asyncio.Task[None] | None = None

    def seen(self) -> BackupJob:
        progress = self.progress
        return msgspec.structs.replace(self.job, done_bytes=progress.done_bytes, total_bytes=progress.total_bytes)

    def now(self, **changes: object) -> None:
        self.job = msgspec.structs.replace(self.job, **changes)

    def live(self) -> bool:
        return self.job.state in (JobState.QUEUED, JobState.RUNNING)


class Jobs:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.jobs: OrderedDict[str, Running] = OrderedDict()
        self.turn = asyncio.Lock()

    def begin(self, job: BackupJob, work: Work, reads: frozenset[tuple[str, str]] = frozenset()) -> Running:
        """Start a job, or queue it. Raises: BackupBusy."""
        live = [one for one in self.jobs.values() if one.live()]
        if any(one.job.project == job.project for one in live):
            raise BackupBusy("This project has backup work under way; wait for it.", retry_after_seconds=RETRY_SECONDS)
        if len(live) > MAX_WAITING:
            raise BackupBusy("Too much backup work is waiting; try again later.", retry_after_seconds=RETRY_SECONDS)
        running = self.jobs[job.id] = Running(job, reads)
        # in a context of its own: the deadline of the call that began it is not the job's
        running.task = asyncio.create_task(self._run(running, work), context=Context())
        while len(self.jobs) > MAX_REMEMBERED:
            self.jobs.popitem(last=False)
        return running

    def one(self, project: str, id: str) -> BackupJob:
        """Raises: BackupJobNotFound."""
        running = self.jobs.get(id)
        if running is None or running.job.project != project:
            raise BackupJobNotFound("There is no such job; a restart of the server ends and forgets them.")
        return running.seen()

    def check_free(self, project: str, id: str) -> None:
        """Raises: BackupBusy when a backup is being read."""
        if self.reads(project, id):
            raise BackupBusy("This backup is being read; wait for it.", retry_after_seconds=RETRY_SECONDS)

    def reads(self, project: str, id: str) -> bool:
        return any((project, id) in one.reads for one in self.jobs.values() if one.live())

    async def end(self, project: str) -> None:
        """Stop what is under way for a project, or reads its backups."""
        await self._stop(
            [one for one in self.jobs.values() if project in (one.job.project, *(of for of, _ in one.reads))]
        )

    async def close(self) -> None:
        await self._stop(list(self.jobs.values()))

    async def _stop(self, jobs: list[Running]) -> None:
        live = [one for one in jobs if one.live()]
        for one in live:
            one.progress.stop()
        await asyncio.gather(*(one.task for one in live if one.task is not None), return_exceptions=True)

    async def _run(self, running: Running, work: Work) -> None:
        context.request_id.set(running.job.id)
        try:
            async with self.turn:
                running.progress.go_on()
                running.now(state=JobState.RUNNING)
                bell = asyncio.get_running_loop().call_later(self.seconds, running.progress.stop, True)
                try:
                    with counted(f"{running.job.kind.value}_job"):
                        await work(running)
                finally:
                    bell.cancel()
            running.now(state=JobState.DONE)
        except Problem as problem:
            self._failed(running, problem)
        except Exception:
            log.exception("a backup job failed unexpectedly", project=running.job.project, job=running.job.id)
            self._failed(running, BackupFailed("The server's log says why."))

    def _failed(self, running: Running, problem: Problem) -> None:
        job = running.job
        running.now(state=JobState.FAILED, problem=problem.body())
        log.warning("a backup job failed", project=job.project, kind=job.kind.value, job=job.id, reason=problem.detail)
