"""Settings of Platform."""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class PlatformSettings(msgspec.Struct, frozen=True):
    """Limits of projects and organisations.

    `max_projects_per_organisation`: how many projects an organisation may own; deleted projects count until they are
    destroyed.
    `max_organisations_per_developer`: how many organisations a developer may own.
    `max_keys_per_project`: how many valid keys a project may have.
    `max_members`: how many members a project or an organisation may have.
    `max_open_invites`: how many open invitations a project or an organisation may have.
    `max_invites_per_hour`: how many invitations a project, an organisation and a developer may send in an hour.
    """

    max_projects_per_organisation: Count = 1000
    max_organisations_per_developer: Count = 50
    max_keys_per_project: Annotated[int, msgspec.Meta(ge=2, le=100)] = 100
    max_members: Count = 1000
    max_open_invites: Count = 100
    max_invites_per_hour: Count = 50
