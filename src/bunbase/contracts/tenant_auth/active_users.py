"""How many users were active in a month."""

from __future__ import annotations

from typing import Protocol

import msgspec


class ActiveMonth(msgspec.Struct, frozen=True):
    """`month`: as 2026-11, in UTC. `users`: who signed in or refreshed a session in it, each counted once.

    `anonymous`: anonymous users, who are not among `users`.
    """

    month: str
    users: int
    anonymous: int


class ActiveUserCounts(Protocol):
    """For other rooms, which check the caller."""

    async def monthly_active_users(self, project: str) -> tuple[ActiveMonth, ...]:
        """Return this month and the eleven before it, newest first. Months without active users are missing."""
        ...

    async def active_users_of_installation(self) -> int:
        """Return how many users of all projects were active in this month, without anonymous ones."""
        ...
