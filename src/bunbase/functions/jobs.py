"""The background work of Functions."""

from __future__ import annotations

from bunbase.functions.service import FunctionsService
from bunbase.pkg.jobs import Job
from bunbase.pkg.usage.writer import FREEZE_SECONDS

LISTEN_AGAIN_SECONDS = 0.5  # After a lost connection, the job waits this long before it listens again.
WATCH_SECONDS = 0.03  # The fastest worker allocates about 30 MB in this time.
WRITE_LOGS_SECONDS = 0.2
LOG_DAYS_SECONDS = 600.0
THIN_OUT_SECONDS = 600.0
RUN_AGAIN_SECONDS = 0.5  # The runner works forever. After an error, it starts again after this pause.
TICK_SECONDS = 0.5  # A schedule runs at most this late.
EXTEND_SECONDS = 8.0  # A lease of 30 s is extended three times before it ends.
WALK_SECONDS = 1.0  # A new walk begins at most this late. A lease of 15 s is extended often.
FOLLOW_SECONDS = 1.0  # A new trigger misses no change, but receives its first change at most this late.


def jobs_of(service: FunctionsService) -> tuple[Job, ...]:
    return (
        Job("functions.follow_versions", service.rollout.follow_versions, LISTEN_AGAIN_SECONDS),
        Job("functions.follow_lines", service.followers.follow_lines, LISTEN_AGAIN_SECONDS),
        Job("functions.watch_workers", service.watch_workers, WATCH_SECONDS),
        Job("functions.write_logs", service.log_lines.flush, WRITE_LOGS_SECONDS),
        Job("functions.keep_log_days", service.log_retention.keep_days, LOG_DAYS_SECONDS),
        Job("functions.thin_out_logs", service.log_retention.thin_out, THIN_OUT_SECONDS),
        Job("functions.run_jobs", service.runner.work, RUN_AGAIN_SECONDS),
        Job("functions.keep_jobs", service.runner.extend, EXTEND_SECONDS),
        Job("functions.tick_schedules", service.scheduler.tick, TICK_SECONDS),
        Job("functions.keep_feeds", service.feeds.keep, FOLLOW_SECONDS),
        Job("functions.walk", service.walker.keep, WALK_SECONDS),
        Job("functions.delete_old_runs", service.run_retention.delete_old, THIN_OUT_SECONDS),
        Job("functions.write_counts", service.meter.flush, FREEZE_SECONDS),
        Job("functions.delete_old_counts", service.statistics.delete_old, THIN_OUT_SECONDS),
    )
