"""Settings of Platform."""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class PlatformSettings(msgspec.Struct, frozen=True):
    """Limits of projects and organisations.

    `max_projects_per_organisation`: the number of projects that an organisation may own; deleted projects count until
    they are destroyed.
    `max_organisations_per_developer`: the number of organisations that a developer may own.
    `max_keys_per_project`: the number of valid keys that a project may have.
    `max_members`: the number of members that a project or an organisation may have.
    `max_open_invites`: the number of open invitations that a project or an organisation may have.
    `max_invites_per_hour`: the number of invitations that a project, an organisation and a developer may each send in
    an hour.
    `audit_retention_days`: the days for which entries of the audit log are kept. An organisation cannot shorten this
    time.
    """

    max_projects_per_organisation: Count = 1000
    max_organisations_per_developer: Count = 50
    max_keys_per_project: Annotated[int, msgspec.Meta(ge=2, le=100)] = 100
    max_members: Count = 1000
    max_open_invites: Count = 100
    max_invites_per_hour: Count = 50
    audit_retention_days: Annotated[int, msgspec.Meta(ge=30, le=3660)] = 400
