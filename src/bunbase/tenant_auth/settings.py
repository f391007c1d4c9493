"""Settings of tenant-auth."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bunbase.pkg.sessions import SessionSettings


class TenantAuthSettings(SessionSettings, frozen=True):
    """Settings for all projects.

    `max_users_per_project`: how many users a project may have; further sign-ups are refused with `too_many_users`.
    """

    max_users_per_project: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 1_000_000
