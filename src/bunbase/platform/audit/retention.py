"""The job that deletes entries of the audit log after their retention."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.pkg.clock import Clock
from bunbase.pkg.jobs import Job
from bunbase.platform.audit.store import AuditStore

EVERY_SECONDS: Final = 3600.0


def retention_job(store: AuditStore, retention_days: int, clock: Clock) -> Job:
    async def work() -> None:
        await store.delete_before(clock.now() - timedelta(days=retention_days))

    return Job("platform.audit_retention", work, EVERY_SECONDS)
