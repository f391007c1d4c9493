"""Background work of BunAuth: answer requests for mails, rotate signing keys, and delete rows that ended long ago."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from bunbase.bunauth.service.mail_requests import MailRequests
from bunbase.bunauth.signing_keys import SigningKeys
from bunbase.bunauth.store import Stores
from bunbase.contracts.revocations import RevokedKind
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.jobs import Job
from bunbase.pkg.sessions import SessionSettings
from bunbase.pkg.upkeep import lifetime_job, pairs_job, upkeep_job

KEEP_SECONDS: Final = 60.0
FOLLOW_SECONDS: Final = 1.0  # until the feed is followed again after an interruption
MAIL_REQUESTS_SECONDS: Final = 5.0  # for requests that another process stored


def upkeep_jobs(stores: Stores, settings: SessionSettings, clock: Clock) -> tuple[Job, Job, Job]:
    return (
        upkeep_job("bunauth", stores.feed, stores.delete_over, clock),
        pairs_job("bunauth", stores.sessions.forget_pairs, settings, clock),
        lifetime_job("bunauth", stores.lifetimes.note),
    )


def signing_key_jobs(stores: Stores, keys: SigningKeys) -> tuple[Job, Job]:
    """Return the job that rotates the signing keys, and the job that hears when another process has replaced them."""

    async def follow() -> None:
        with suppress(Problem):  # the database is away: begin again
            async for news in stores.feed.follow():
                if news.kind is RevokedKind.SIGNING_KEY:
                    await keys.load()

    return (
        Job("bunauth.keep_signing_keys", keys.keep, KEEP_SECONDS),
        Job("bunauth.follow_signing_keys", follow, FOLLOW_SECONDS),
    )


def mail_request_job(requests: MailRequests) -> Job:
    """Return the job that answers requests for mails, at once after each request."""
    job = Job("bunauth.answer_mail_requests", requests.answer_all, MAIL_REQUESTS_SECONDS)
    requests.nudge = job.nudge
    return job
