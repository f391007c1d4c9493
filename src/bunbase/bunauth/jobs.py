"""Background work of BunAuth: delete sessions, tokens and revocations that ended or expired long ago."""

from __future__ import annotations

from bunbase.bunauth.settings import BunAuthSettings
from bunbase.bunauth.store import BunAuthStore
from bunbase.pkg.clock import Clock
from bunbase.pkg.jobs import Job
from bunbase.pkg.upkeep import lifetime_job, pairs_job, upkeep_job


def upkeep_jobs(store: BunAuthStore, settings: BunAuthSettings, clock: Clock) -> tuple[Job, Job, Job]:
    return (
        upkeep_job("bunauth", store.feed, store.delete_over, clock),
        pairs_job("bunauth", store.forget_pairs, settings, clock),
        lifetime_job("bunauth", store.lifetimes.note),
    )
