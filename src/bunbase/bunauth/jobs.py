"""What BunAuth does in the background: forget."""

from __future__ import annotations

from bunbase.bunauth.service import BunAuthService
from bunbase.pkg.jobs import Job

FORGET_SECONDS = 600.0
FORGET_PAIRS_SECONDS = 5.0


def forget_jobs(service: BunAuthService) -> tuple[Job, ...]:
    return (
        Job("bunauth.forget", service.forget, FORGET_SECONDS),
        Job("bunauth.forget_pairs", service.forget_pairs, FORGET_PAIRS_SECONDS),
    )
