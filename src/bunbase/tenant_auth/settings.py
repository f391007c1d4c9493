"""Settings of tenant-auth."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bunbase.pkg.sessions import SessionSettings


class TenantAuthSettings(SessionSettings, frozen=True):
    """Settings for all projects.

    `max_users_per_project`: how many users a project may have; further sign-ups are refused with `too_many_users`.
    `max_mails_per_hour`: how many mails a project may send to its users in an hour; further mails are dropped. Notices,
    such as "your password has changed", do not count.
    """

    max_users_per_project: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 1_000_000
    max_mails_per_hour: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 200
