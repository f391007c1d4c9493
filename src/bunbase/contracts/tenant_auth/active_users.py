"""The number of users who were active in a month."""

from __future__ import annotations

from typing import Protocol

import msgspec


class ActiveMonth(msgspec.Struct, frozen=True):
    """`month`: the month in UTC, such as 2026-11. `users`: the number of users who signed in or refreshed a session in
    this month; each user counts once.

    `anonymous`: the number of anonymous users, who do not count in `users`.
    """

    month: str
    users: int
    anonymous: int


class ActiveUserCounts(Protocol):
    """The interface for other rooms, which check the caller."""

    async def monthly_active_users(self, project: str) -> tuple[ActiveMonth, ...]:
        """Return this month and the eleven before it, newest first. Months without active users are missing."""
        ...

    async def active_users_of_installation(self) -> int:
        """Return the number of users of all projects who were active in this month, without anonymous users."""
        ...
