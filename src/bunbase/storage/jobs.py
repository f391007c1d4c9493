"""The background work of Storage."""

from __future__ import annotations

from typing import Final

from bunbase.pkg.jobs import Job
from bunbase.pkg.usage.writer import FREEZE_SECONDS
from bunbase.storage.service import StorageService
from bunbase.storage.usage import SAMPLE_SECONDS

TEND_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 10.0
SWEEP_SECONDS: Final = 60.0
SWEEP_EVERYTHING_SECONDS: Final = 6 * 3600.0
SHORTEN_SECONDS: Final = 30.0


def storage_jobs(service: StorageService) -> tuple[Job, ...]:
    return (
        Job("storage.tend", service.holdings.files.tend, TEND_SECONDS),
        Job("storage.end_idle_uploads", service.uploads.end_idle, IDLE_SECONDS),
        Job("storage.end_idle_chunks", service.resumables.end_idle, IDLE_SECONDS),
        Job("storage.end_idle_restores", service.restoring.end_idle, SWEEP_SECONDS),
        Job("storage.measure", service.meter.sample, SAMPLE_SECONDS),
        Job("storage.write_usage", service.meter.writer.flush, FREEZE_SECONDS),
        Job("storage.sweep", service.sweeping.sweep, SWEEP_SECONDS),
        Job("storage.sweep_everything", service.sweeping.sweep_everything, SWEEP_EVERYTHING_SECONDS),
        Job("storage.shorten_written_logs", service.change_acts.shorten_written, SHORTEN_SECONDS),
        Job("storage.shorten_all_logs", service.change_acts.shorten_all, SWEEP_EVERYTHING_SECONDS),
    )
