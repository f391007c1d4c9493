"""The user for whom the time of a shared group counts, of those who watch it.

Symptom: one user who was the first to watch many common queries made them late for everybody. Cause: their time counted
for this user alone, who had spent all of it. Now the time of a group counts for the one with most time left, of a few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bunbase.contracts.caller import Caller

MOST_PAYERS: Final = 4
MOST_LOOKED_AT: Final = 1000  # watches of one group, spread over all of them


def users_of(callers: Sequence[Caller]) -> tuple[str, ...]:
    """Return the names, as limits count them, of the first MOST_PAYERS users among these callers."""
    users: dict[str, None] = {}
    for caller in callers[:: 1 + len(callers) // MOST_LOOKED_AT]:
        users[caller.counted_as] = None
        if len(users) == MOST_PAYERS:
            break
    return tuple(users)


def payer(users: Sequence[str], spent: Mapping[str, float]) -> str:
    """Return the user who has spent the least time."""
    return min(users, key=lambda user: spent.get(user, 0.0))
