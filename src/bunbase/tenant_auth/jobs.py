"""Background work of tenant-auth: delete sessions, tokens and revocations that ended or expired long ago."""

from __future__ import annotations

from bunbase.pkg.clock import Clock
from bunbase.pkg.jobs import Job
from bunbase.pkg.upkeep import lifetime_job, pairs_job, upkeep_job
from bunbase.tenant_auth.settings import TenantAuthSettings
from bunbase.tenant_auth.store import Stores


def upkeep_jobs(stores: Stores, settings: TenantAuthSettings, clock: Clock) -> tuple[Job, Job, Job]:
    return (
        upkeep_job("tenant_auth", stores.feed, stores.sessions.delete_over, clock),
        pairs_job("tenant_auth", stores.sessions.forget_pairs, settings, clock),
        lifetime_job("tenant_auth", stores.lifetimes.note),
    )
