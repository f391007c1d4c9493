"""What Functions does in the background."""

from __future__ import annotations

from bunbase.functions.service import FunctionsService
from bunbase.pkg.jobs import Job

HEAR_AGAIN_SECONDS = 0.5
WATCH_SECONDS = 0.03  # a worker that allocates as fast as it can takes some 30 MB in this time
WRITE_LOGS_SECONDS = 0.2
WRITE_COUNTS_SECONDS = 5.0
DELETE_LOGS_SECONDS = 600.0


def jobs_of(service: FunctionsService) -> tuple[Job, ...]:
    return (
        Job("functions.hear_changes", service.hear_changes, HEAR_AGAIN_SECONDS),
        Job("functions.hear_lines", service.hear_lines, HEAR_AGAIN_SECONDS),
        Job("functions.watch_workers", service.watch_workers, WATCH_SECONDS),
        Job("functions.write_logs", service.write_logs, WRITE_LOGS_SECONDS),
        Job("functions.delete_old_logs", service.delete_old_logs, DELETE_LOGS_SECONDS),
        Job("functions.write_counts", service.write_counts, WRITE_COUNTS_SECONDS),
        Job("functions.delete_old_counts", service.delete_old_counts, DELETE_LOGS_SECONDS),
    )
