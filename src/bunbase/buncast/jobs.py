"""The background work of Buncast."""

from __future__ import annotations

from typing import Final

from bunbase.buncast.service import BuncastService
from bunbase.pkg.jobs import Job
from bunbase.pkg.usage.writer import FREEZE_SECONDS

MEMBERS_SECONDS: Final = 5.0  # The job runs at this interval, and also at once when members change.
LEASES_SECONDS: Final = 0.5
TRIM_SECONDS: Final = 5.0
TIMED_SECONDS: Final = 15.0
THIN_OUT_SECONDS: Final = 600.0
# The job runs at this interval, because documents may expire and collections may be dropped.
DEPENDENT_SECONDS: Final = 60.0


def members_job(service: BuncastService) -> Job:
    job = Job("buncast.members", service.tell_members, MEMBERS_SECONDS)
    service.on_busy = job.nudge
    return job


def leases_job(service: BuncastService) -> Job:
    return Job("buncast.leases", service.end_leases, LEASES_SECONDS)


def trim_job(service: BuncastService) -> Job:
    return Job("buncast.trim", service.trim, TRIM_SECONDS)


def deciding_jobs(service: BuncastService) -> tuple[Job, Job]:
    return (
        Job("buncast.timed", service.decide_timed, TIMED_SECONDS),
        Job("buncast.dependent", service.decide_dependent, DEPENDENT_SECONDS),
    )


def usage_jobs(service: BuncastService) -> tuple[Job, Job]:
    return (
        Job("buncast.write_usage", service.usage.writer.flush, FREEZE_SECONDS),
        Job("buncast.delete_old_usage", service.store.delete_old_usage, THIN_OUT_SECONDS),
    )
