"""The background jobs of Bundoc: regular upkeep, and scheduled backups."""

from __future__ import annotations

from bunbase.bundoc.backups.service import BackupsService
from bunbase.bundoc.live.service import LiveService
from bunbase.bundoc.service import BundocService
from bunbase.pkg.jobs import Job

TEND_SECONDS = 15.0
# The job runs at this interval, because each live result is checked in one fixed second of every minute.
CHECK_SECONDS = 1.0
BACK_UP_SECONDS = 60.0
FREE_SECONDS = 60.0
SETTLE_SECONDS = 10.0


def tend_job(service: BundocService) -> Job:
    return Job("bundoc: tend", service.tend, TEND_SECONDS)


def tend_live_job(live: LiveService) -> Job:
    return Job("bundoc: tend live queries", live.tend, TEND_SECONDS)


def check_live_job(live: LiveService) -> Job:
    return Job("bundoc: check live queries", live.check, CHECK_SECONDS)


def back_up_job(backups: BackupsService) -> Job:
    return Job("bundoc: back up", backups.back_up_due, BACK_UP_SECONDS)


def free_blobs_job(backups: BackupsService) -> Job:
    return Job("bundoc: free backed up files", backups.free_blobs, FREE_SECONDS)


def settle_job(backups: BackupsService) -> Job:
    return Job("bundoc: settle restores", backups.settle_restores, SETTLE_SECONDS)
