"""What tenant-auth does in the background: forget."""

from __future__ import annotations

from bunbase.pkg.jobs import Job
from bunbase.tenant_auth.service import TenantAuthService

FORGET_SECONDS = 600.0
FORGET_PAIRS_SECONDS = 5.0


def forget_jobs(service: TenantAuthService) -> tuple[Job, ...]:
    return (
        Job("tenant_auth.forget", service.forget, FORGET_SECONDS),
        Job("tenant_auth.forget_pairs", service.forget_pairs, FORGET_PAIRS_SECONDS),
    )
