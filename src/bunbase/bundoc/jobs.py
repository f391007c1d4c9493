"""Background work of Bundoc."""

from __future__ import annotations

from bunbase.bundoc.service import BundocService
from bunbase.pkg.jobs import Job

TEND_SECONDS = 15.0


def tend_job(service: BundocService) -> Job:
    return Job("bundoc: tend", service.tend, TEND_SECONDS)
