"""Background work of BunAuth: answer requests for mails, and delete rows that ended or expired long ago."""

from __future__ import annotations

from typing import Final

from bunbase.bunauth.service.mail_requests import MailRequests
from bunbase.bunauth.store import Stores
from bunbase.pkg.clock import Clock
from bunbase.pkg.jobs import Job
from bunbase.pkg.sessions import SessionSettings
from bunbase.pkg.upkeep import lifetime_job, pairs_job, upkeep_job

MAIL_REQUESTS_SECONDS: Final = 5.0  # for requests that another process stored


def upkeep_jobs(stores: Stores, settings: SessionSettings, clock: Clock) -> tuple[Job, Job, Job]:
    return (
        upkeep_job("bunauth", stores.feed, stores.delete_over, clock),
        pairs_job("bunauth", stores.sessions.forget_pairs, settings, clock),
        lifetime_job("bunauth", stores.lifetimes.note),
    )


def mail_request_job(requests: MailRequests) -> Job:
    """Return the job that answers requests for mails, at once after each request."""
    job = Job("bunauth.answer_mail_requests", requests.answer_all, MAIL_REQUESTS_SECONDS)
    requests.nudge = job.nudge
    return job
