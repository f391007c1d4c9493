"""Background work of BunAuth: answer requests for mails, rotate signing keys, and delete rows that ended long ago."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Final

from bunbase.bunauth.service.activity import ActivityService
from bunbase.bunauth.service.mail_requests import MailRequests
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.bunauth.signing_keys import SigningKeys
from bunbase.bunauth.store import Stores
from bunbase.contracts.revocations import RevokedKind
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.jobs import Job
from bunbase.pkg.sessions import SessionSettings
from bunbase.pkg.upkeep import lifetime_job, pairs_job, upkeep_job

REFUSED_SECONDS: Final = 1.0
DELETE_SECONDS: Final = 3600.0
KNOWN_DEVICES: Final = timedelta(days=365)  # A known device is forgotten this long after its last sign-in.
KEEP_SECONDS: Final = 60.0
# After an interruption, the job waits this long before it follows the feed of changes again.
FOLLOW_SECONDS: Final = 1.0
MAIL_REQUESTS_SECONDS: Final = 5.0  # The job looks at this interval for requests that another process has stored.


def upkeep_jobs(stores: Stores, settings: SessionSettings, clock: Clock) -> tuple[Job, Job, Job]:
    return (
        upkeep_job("bunauth", stores.feed, stores.delete_over, clock),
        pairs_job("bunauth", stores.sessions.forget_pairs, settings, clock),
        lifetime_job("bunauth", stores.lifetimes.note),
    )


def signing_key_jobs(stores: Stores, keys: SigningKeys) -> tuple[Job, Job]:
    """Return the job that rotates the signing keys, and the job that loads keys that another process has replaced."""

    async def follow() -> None:
        with suppress(Problem):  # The database is unavailable, so the job starts again.
            async for news in stores.feed.follow():
                if news.kind is RevokedKind.SIGNING_KEY:
                    await keys.load()

    return (
        Job("bunauth.keep_signing_keys", keys.keep, KEEP_SECONDS),
        Job("bunauth.follow_signing_keys", follow, FOLLOW_SECONDS),
    )


def activity_jobs(activity: ActivityService, settings: BunAuthSettings, clock: Clock) -> tuple[Job, Job]:
    """Return the job that stores refused sign-ins, and the job that deletes old activity and forgotten devices."""

    async def delete_old() -> None:
        now = clock.now()
        await activity.stores.activity.delete_before(now - timedelta(days=settings.activity_days))
        await activity.stores.known_devices.delete_before(now - KNOWN_DEVICES)

    return (
        Job("bunauth.store_refused_sign_ins", activity.store_refused, REFUSED_SECONDS),
        Job("bunauth.delete_old_activity", delete_old, DELETE_SECONDS),
    )


def mail_request_job(requests: MailRequests) -> Job:
    """Return the job that answers requests for mails. It runs shortly after each request."""
    job = Job("bunauth.answer_mail_requests", requests.answer_all, MAIL_REQUESTS_SECONDS)
    requests.nudge = job.nudge_later
    return job
