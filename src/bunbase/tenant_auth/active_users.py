"""Count the users that are active in a month.

Concern: a sign-in or a refresh must not wait for an additional write, and a user who refreshes every few minutes must
    not cause thousands of writes.
Decision: each process remembers which users it has noted in this month (at most MAX_KNOWN), and a job stores new users
    every few seconds. If a process is killed, it loses the users of the last seconds; their next refresh counts them.
Decision: the ids are stored only while the month can still change. Afterwards only two numbers per project remain.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.clock import Clock

# These users take about 40 MB. Beyond this number, a user may be stored again, which changes nothing.
MAX_KNOWN: Final = 200_000
MAX_WAITING: Final = 100_000  # At most this many users wait while the database is unavailable.


class Active(msgspec.Struct, frozen=True):
    """A user who was active. `month`: the month in UTC, such as 2026-11."""

    project: str
    month: str
    user: str
    anonymous: bool


class ActiveUsers:
    """The active users of this process."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.known: set[Active] = set()
        self.waiting: set[Active] = set()

    def note(self, project: str, user: User) -> None:
        """Note that a user was active. Return immediately."""
        active = Active(project, month_of(self.clock.now()), user.id, user.anonymous)
        if active in self.known or len(self.waiting) >= MAX_WAITING:
            return
        if len(self.known) >= MAX_KNOWN:
            self.known.clear()
        self.known.add(active)
        self.waiting.add(active)

    def take(self) -> list[Active]:
        """Return the users that are not stored yet. The users are sorted, so that two processes cannot deadlock."""
        taken, self.waiting = self.waiting, set()
        return sorted(taken, key=lambda one: (one.project, one.month, one.user, one.anonymous))

    def forget(self, project: str) -> None:
        """Do not store the users of a project that was deleted."""
        self.waiting = {one for one in self.waiting if one.project != project}

    def put_back(self, active: list[Active]) -> None:
        """Keep users that could not be stored, for the next attempt."""
        self.waiting.update(active[: MAX_WAITING - len(self.waiting)])


def month_of(time: datetime) -> str:
    return f"{time:%Y-%m}"
