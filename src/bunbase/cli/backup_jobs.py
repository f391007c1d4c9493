"""Wait for a backup job on the server, and show its progress."""

from __future__ import annotations

import time
from typing import Final

from bunbase.cli.errors import Refused
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output, size_text
from bunbase.cli.session import Session
from bunbase.contracts.bundoc.backups import BackupJob, JobState

FIRST_SECONDS: Final = 0.05
MOST_SECONDS: Final = 1.0  # the pause between two requests doubles up to this limit


def run_backup_job(session: Session, call: Call, text: str, out: Output) -> BackupJob:
    """Start a job and wait for its end; after Ctrl-C the server continues the job. Raises: Refused if the job fails."""
    job = session.ask(BackupJob, call)
    seconds = FIRST_SECONDS
    with out.working(text) as told:
        while job.state in (JobState.QUEUED, JobState.RUNNING):
            told(_far(job))
            time.sleep(seconds)
            seconds = min(MOST_SECONDS, seconds * 2)
            job = session.ask(BackupJob, Call("GET", at("projects", job.project, "backups", "jobs", job.id)))
    if job.problem is not None:
        raise Refused(job.problem)
    return job


def _far(job: BackupJob) -> str:
    if job.state is JobState.QUEUED:
        return "waiting for other backup work"
    return f"{size_text(job.done_bytes)} of {size_text(job.total_bytes)}" if job.total_bytes else "under way"
