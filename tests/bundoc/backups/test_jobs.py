"""Backup jobs run one after the other, end in time, and report the reason of a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bunbase.bundoc.backups.jobs import MAX_REMEMBERED, MAX_WAITING, Jobs, RunningJob
from bunbase.contracts.bundoc.backups import BackupBusy, BackupJob, BackupJobNotFound, JobKind, JobState
from bunbase.pkg import context


@pytest.fixture
async def jobs() -> AsyncIterator[Jobs]:
    jobs = Jobs(seconds=60.0)
    yield jobs
    await jobs.close()


def job(number: int) -> BackupJob:
    return BackupJob(f"job_{number}", f"prj_{number}", JobKind.CREATE, JobState.QUEUED, f"bkp_{number}", "now")


async def at_once(_running: RunningJob) -> None:
    return


async def until_stopped(running: RunningJob) -> None:
    await asyncio.to_thread(running.progress.stopped.wait, 10.0)
    running.progress.tell(1, 2)


async def ended(running: RunningJob) -> BackupJob:
    assert running.task is not None
    await running.task
    return running.current()


async def test_a_backup_job_that_takes_too_long_is_stopped() -> None:
    done = await ended(Jobs(seconds=0.0).begin(job(1), until_stopped))

    assert done.state is JobState.FAILED
    assert done.problem is not None
    assert done.problem["code"] == "deadline_exceeded"
    assert (done.done_bytes, done.total_bytes) == (1, 2)


async def test_deleting_a_project_ends_its_jobs_and_the_jobs_that_read_its_backups(jobs: Jobs) -> None:
    reading = jobs.begin(job(1), until_stopped, frozenset({("prj_2", "bkp_2")}))
    own = jobs.begin(job(2), until_stopped)

    await jobs.end("prj_2")

    assert [one.job.state for one in (reading, own)] == [JobState.FAILED, JobState.FAILED]


async def test_the_number_of_waiting_backup_jobs_is_limited(jobs: Jobs) -> None:
    for number in range(MAX_WAITING + 1):
        jobs.begin(job(number), until_stopped)

    with pytest.raises(BackupBusy):
        jobs.begin(job(99), at_once)


async def test_only_the_newest_backup_jobs_are_kept(jobs: Jobs) -> None:
    for number in range(MAX_REMEMBERED + 1):
        await ended(jobs.begin(job(number), at_once))

    with pytest.raises(BackupJobNotFound):
        jobs.one("prj_0", "job_0")
    assert jobs.one("prj_1", "job_1").state is JobState.DONE


async def test_an_internal_error_fails_the_backup_job_without_details(jobs: Jobs) -> None:
    async def bug(_running: RunningJob) -> None:
        raise KeyError("a detail that nobody outside may see")

    done = await ended(jobs.begin(job(1), bug))

    assert done.problem is not None
    assert (done.problem["code"], "detail that" in str(done.problem)) == ("backup_failed", False)


async def test_a_backup_job_does_not_inherit_the_deadline_of_its_request(jobs: Jobs) -> None:
    left = []

    async def look(_running: RunningJob) -> None:
        left.append(context.seconds_left(1000.0))

    with context.deadline_in(0.0):
        running = jobs.begin(job(1), look)
    await ended(running)

    assert left == [1000.0]
