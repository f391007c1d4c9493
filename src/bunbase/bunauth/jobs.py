"""Background work of BunAuth: delete sessions, tokens and revocations that ended or expired long ago."""

from __future__ import annotations

from bunbase.bunauth.store import Stores
from bunbase.pkg.clock import Clock
from bunbase.pkg.jobs import Job
from bunbase.pkg.sessions import SessionSettings
from bunbase.pkg.upkeep import lifetime_job, pairs_job, upkeep_job


def upkeep_jobs(stores: Stores, settings: SessionSettings, clock: Clock) -> tuple[Job, Job, Job]:
    return (
        upkeep_job("bunauth", stores.feed, stores.delete_over, clock),
        pairs_job("bunauth", stores.sessions.forget_pairs, settings, clock),
        lifetime_job("bunauth", stores.lifetimes.note),
    )
