from __future__ import annotations

import asyncio

import pytest
import structlog.testing

from bunbase.pkg import jobs
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.jobs import Job, running, wait_seconds
from tests.pkg.waiting import eventually


class Counted:
    def __init__(self, failures: int = 0) -> None:
        self.runs = 0
        self.failures = failures

    async def __call__(self) -> None:
        self.runs += 1
        if self.runs <= self.failures:
            raise RuntimeError("not yet")


async def test_a_job_runs_at_once_and_then_repeatedly() -> None:
    work = Counted()

    async with running(Job("count", work, every_seconds=0.001)):
        await eventually(lambda: work.runs >= 3)


async def test_a_nudge_during_a_run_starts_another_run() -> None:
    started, go_on, runs = asyncio.Event(), asyncio.Event(), []

    async def work() -> None:
        runs.append(1)
        started.set()
        await go_on.wait()

    job = Job("slow", work, every_seconds=3600)
    async with running(job):
        await started.wait()
        job.nudge()
        go_on.set()
        await eventually(lambda: len(runs) == 2)


async def test_a_later_nudge_starts_one_run_and_not_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Counted()
    job = Job("later", work, every_seconds=3600)
    async with running(job):
        await eventually(lambda: work.runs == 1)
        monkeypatch.setattr(jobs, "LATER_SECONDS", (3600, 3600))
        job.nudge_later()
        assert job._later is not None
        waits = job._later
        job.nudge_later()
        assert job._later is waits

        assert not job._nudged.is_set()
        waits.cancel()
        job._nudge_now()
        await eventually(lambda: work.runs == 2)

        monkeypatch.setattr(jobs, "LATER_SECONDS", (0, 0))
        job.nudge_later()
        await eventually(lambda: work.runs == 3)


async def test_a_job_runs_again_after_it_failed() -> None:
    work = Counted(failures=3)

    async with running(Job("stumbles", work, every_seconds=0.001)):
        await eventually(lambda: work.runs >= 5)


@pytest.mark.parametrize(
    ("error", "traces"), [(Unreachable("PostgreSQL cannot be reached."), 0), (RuntimeError("x"), 1)]
)
async def test_only_a_bug_is_logged_with_its_stack_trace(error: Exception, traces: int) -> None:
    async def work() -> None:
        raise error

    with structlog.testing.capture_logs() as lines:
        async with running(Job("fails", work, every_seconds=3600)):
            await eventually(lambda: bool(lines))

    assert [line["event"] for line in lines] == ["a job failed"]
    assert sum("exc_info" in line for line in lines) == traces


@pytest.mark.parametrize(
    ("every_seconds", "failures", "waits"),
    [(1, 0, 1), (1, 1, 2), (1, 5, 32), (1, 6, 60), (3600, 9, 3600), (0.001, 100_000, 60)],
)
def test_the_wait_doubles_with_each_failure_in_a_row_up_to_a_limit(
    every_seconds: float, failures: int, waits: float
) -> None:
    assert wait_seconds(every_seconds, failures) == waits


async def test_running_jobs_are_cancelled_at_the_end_of_the_block() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with running(Job("waits", work, every_seconds=1)):
        await asyncio.sleep(0)

    assert cancelled.is_set()
