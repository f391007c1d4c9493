"""Choose the user for whom the time of a shared group counts, among the users who watch the group.

Symptom: one user was the first to watch many common queries, and these queries became late for everybody. Cause: the
time of these queries counted only for this user, who had spent all of it. Now the time of a group counts for the user
with the most time left, among a few users who watch the group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bunbase.contracts.caller import Caller

MOST_PAYERS: Final = 4
# At most this many watches of a group are examined. These watches are spread evenly over the group.
MOST_LOOKED_AT: Final = 1000


def users_of(callers: Sequence[Caller]) -> tuple[str, ...]:
    """Return the first MOST_PAYERS users among these callers, by the names that the limits use."""
    users: dict[str, None] = {}
    for caller in callers[:: 1 + len(callers) // MOST_LOOKED_AT]:
        users[caller.counted_as] = None
        if len(users) == MOST_PAYERS:
            break
    return tuple(users)


def payer(users: Sequence[str], spent: Mapping[str, float]) -> str:
    """Return the user who has spent the least time."""
    return min(users, key=lambda user: spent.get(user, 0.0))
