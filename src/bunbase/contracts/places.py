"""Projects and organisations: the places that people work in together."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.contracts.roles import Role


class Project(msgspec.Struct, frozen=True, omit_defaults=True):
    """`role`: the role of the caller in this project. `org`: the id of the organisation to which the project belongs.

    Only deleted projects have `deleted_at` and `destroyed_after`: until `destroyed_after`, the project can be restored.
    """

    id: str
    name: str
    slug: str
    role: Role
    created_at: datetime
    org: str = ""
    deleted_at: datetime | None = None
    destroyed_after: datetime | None = None


class Organisation(msgspec.Struct, frozen=True):
    """People who own projects together. `role`: the role of the caller in the organisation.

    `personal`: true for the organisation that an account gets with its first project; nobody else can join it.
    """

    id: str
    slug: str
    name: str
    role: Role
    created_at: datetime
    personal: bool = False
