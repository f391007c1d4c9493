"""Settings of tenant-auth."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bunbase.pkg.sessions import SessionSettings


class TenantAuthSettings(SessionSettings, frozen=True):
    """Settings for all projects.

    `max_users_per_project`: how many users a project may have; further sign-ups are refused with `too_many_users`.
    `provider_hosts`: hosts with private addresses or plain http at which projects may have sign-in providers. All other
    providers of projects must have public addresses and https.
    `max_mails_per_hour`: how many mails a project may send to its users in an hour; further mails are dropped. Notices,
    such as "your password has changed", do not count.
    """

    max_users_per_project: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 1_000_000
    provider_hosts: tuple[str, ...] = ()
    max_mails_per_hour: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 200
