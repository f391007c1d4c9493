"""The roles of a project's members."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """A developer's role in one project, strongest first."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"


RANK: Final = {role: rank for rank, role in enumerate(reversed(Role))}
