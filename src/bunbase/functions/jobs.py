"""What Functions does in the background."""

from __future__ import annotations

from bunbase.functions.service import FunctionsService
from bunbase.pkg.jobs import Job
from bunbase.pkg.usage.writer import FREEZE_SECONDS

HEAR_AGAIN_SECONDS = 0.5
WATCH_SECONDS = 0.03  # a worker that allocates as fast as it can takes some 30 MB in this time
WRITE_LOGS_SECONDS = 0.2
LOG_DAYS_SECONDS = 600.0
THIN_OUT_SECONDS = 600.0
RUN_AGAIN_SECONDS = 0.5  # after an error; else running goes on for ever
TICK_SECONDS = 0.5  # how late a schedule is at worst
EXTEND_SECONDS = 8.0  # three times within a lease
FOLLOW_SECONDS = 1.0  # how late the first change of a new trigger is at worst


def jobs_of(service: FunctionsService) -> tuple[Job, ...]:
    return (
        Job("functions.hear_changes", service.hear_changes, HEAR_AGAIN_SECONDS),
        Job("functions.hear_lines", service.hear_lines, HEAR_AGAIN_SECONDS),
        Job("functions.watch_workers", service.watch_workers, WATCH_SECONDS),
        Job("functions.write_logs", service.write_logs, WRITE_LOGS_SECONDS),
        Job("functions.keep_log_days", service.keep_log_days, LOG_DAYS_SECONDS),
        Job("functions.thin_out_logs", service.thin_out_logs, THIN_OUT_SECONDS),
        Job("functions.run_jobs", service.runner.work, RUN_AGAIN_SECONDS),
        Job("functions.keep_jobs", service.runner.extend, EXTEND_SECONDS),
        Job("functions.tick_schedules", service.scheduler.tick, TICK_SECONDS),
        Job("functions.follow_changes", service.feeds.keep, FOLLOW_SECONDS),
        Job("functions.delete_old_runs", service.delete_old_runs, THIN_OUT_SECONDS),
        Job("functions.write_counts", service.write_counts, FREEZE_SECONDS),
        Job("functions.delete_old_counts", service.delete_old_counts, THIN_OUT_SECONDS),
    )
