"""Settings of Platform."""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class PlatformSettings(msgspec.Struct, frozen=True):
    """Limits of projects.

    `max_projects_per_developer`: how many projects one developer may own.
    `max_keys_per_project`: how many valid keys a project may have.
    `audit_retention_days`: how long entries of the audit log are kept. No organisation can shorten it.
    """

    max_projects_per_developer: Count = 1000
    max_keys_per_project: Annotated[int, msgspec.Meta(ge=2, le=100)] = 100
    audit_retention_days: Annotated[int, msgspec.Meta(ge=30, le=3660)] = 400
