"""Background work of tenant_auth.

The jobs answer requests for mails, enqueue hooks, follow changes of settings, and delete old rows.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.jobs import Job
from bunbase.pkg.upkeep import lifetime_job, pairs_job, upkeep_job
from bunbase.tenant_auth.access_tokens import UserTokens
from bunbase.tenant_auth.journal import Journal
from bunbase.tenant_auth.pool import Pools
from bunbase.tenant_auth.service.active_months import ActiveMonths
from bunbase.tenant_auth.service.cascade import USER_DELETED, Cascade
from bunbase.tenant_auth.service.hooks import Hooks
from bunbase.tenant_auth.service.mail_requests import MailRequests
from bunbase.tenant_auth.service.text_messages import TextMessages
from bunbase.tenant_auth.settings import TenantAuthSettings
from bunbase.tenant_auth.store import Stores

# After an interruption, the job waits this long before it follows the feed of changes again.
FOLLOW_SECONDS: Final = 0.2
# The job runs at this interval. Users may stay idle for days, and each run examines all anonymous users.
IDLE_SECONDS: Final = 3600.0
TEXT_MESSAGES_SECONDS: Final = 2.0
FORGET_SECONDS: Final = 600.0
# Active users are stored at this interval. A killed process loses the users of this time.
ACTIVE_SECONDS: Final = 5.0
RELAY_SECONDS: Final = 1.0
REFUSED_SECONDS: Final = 1.0
MAIL_REQUESTS_SECONDS: Final = 5.0  # The job looks at this interval for requests that another process has stored.


def upkeep_jobs(stores: Stores, settings: TenantAuthSettings, clock: Clock) -> tuple[Job, ...]:
    return (
        upkeep_job("tenant_auth", stores.feed, stores.delete_over, clock),
        pairs_job("tenant_auth", stores.sessions.forget_pairs, settings, clock),
        lifetime_job("tenant_auth", stores.settings.note_lifetimes),
        Job("tenant_auth.delete_idle_anonymous", stores.delete_idle_anonymous, IDLE_SECONDS),
    )


def settings_job(stores: Stores, pools: Pools, access: UserTokens) -> Job:
    """Return the job that drops a project's settings and keys from memory after another process has changed them."""

    def forget_keys(news: Revocation) -> None:
        if news.kind is RevokedKind.SIGNING_KEY:
            access.end_key(news.id)

    async def follow() -> None:
        with suppress(Problem):  # The database is unavailable, so the job starts again.
            await pools.cache.follow(stores.feed.follow(), forget_keys)

    return Job("tenant_auth.follow_settings", follow, FOLLOW_SECONDS)


def activity_jobs(journal: Journal, settings: TenantAuthSettings) -> tuple[Job, Job]:
    """Return the job that stores refused sign-ins, and the job that deletes old entries."""

    async def delete_old() -> None:
        await journal.store.delete_old(journal.clock.now(), settings.activity_days)

    return (
        Job("tenant_auth.store_refused_sign_ins", journal.store_refused, REFUSED_SECONDS),
        Job("tenant_auth.delete_old_activity", delete_old, IDLE_SECONDS),
    )


def active_user_jobs(months: ActiveMonths) -> tuple[Job, ...]:
    """Return the job that stores active users, and the job that closes past months."""
    return (
        Job("tenant_auth.store_active_users", months.flush, ACTIVE_SECONDS),
        Job("tenant_auth.close_months", months.close_months, IDLE_SECONDS),
    )


def relay_job(stores: Stores, hooks: Hooks, cascade: Cascade) -> Job:
    """Return the job that enqueues the hooks `after_signup`, and deletes the data of deleted users."""

    async def deliver(topic: str, payload: Any) -> None:
        await (cascade if topic == USER_DELETED else hooks).deliver(topic, payload)

    async def relay() -> None:
        await stores.outbox.relay(deliver)

    job = Job("tenant_auth.relay", relay, RELAY_SECONDS)
    cascade.nudge = job.nudge
    return job


def mail_request_job(requests: MailRequests) -> Job:
    """Return the job that answers requests for mails. It runs shortly after each request."""
    job = Job("tenant_auth.answer_mail_requests", requests.answer_all, MAIL_REQUESTS_SECONDS)
    requests.nudge = job.nudge_later
    return job


def text_message_jobs(texts: TextMessages) -> tuple[Job, Job]:
    """Return the job that sends each text message as soon as it is stored, and the job that deletes old messages."""
    job = Job("tenant_auth.send_text_messages", texts.send_due, TEXT_MESSAGES_SECONDS)
    texts.nudge = job.nudge
    return job, Job("tenant_auth.forget_text_messages", texts.forget, FORGET_SECONDS)
