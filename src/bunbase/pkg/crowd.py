"""Groups connections by their address, to find a connection that must end when no place is free.

Concern: a limit for all connections together refuses everybody as soon as it is reached, and a few addresses can reach
it. Each address may have a part of the limit, and the owner of an IPv6 network has many addresses. So a newcomer takes
the place of the oldest member of the most crowded address, if that address has more members than the newcomer's own. A
flood from some addresses then only displaces itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Generic, TypeVar

M = TypeVar("M")


class Crowd(Generic[M]):
    """The members of all addresses. `groups`: the members of each address, the oldest first. `levels`: the addresses by
    their number of members, so that the most crowded address is found without a search. `highest`: the largest number
    of members of one address.
    """

    def __init__(self) -> None:
        self.groups: dict[str, dict[M, None]] = {}
        self.levels: dict[int, dict[str, None]] = {}
        self.highest = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def enter(self, address: str, member: M) -> None:
        """Add a member, which must not be in the crowd yet."""
        group = self.groups.setdefault(address, {})
        group[member] = None
        self._count += 1
        self._move(address, len(group) - 1, len(group))
        self.highest = max(self.highest, len(group))

    def leave(self, address: str, member: M) -> None:
        """Remove a member. Idempotent."""
        group = self.groups.get(address)
        if group is None or member not in group:
            return
        del group[member]
        self._count -= 1
        self._move(address, len(group) + 1, len(group))
        if not group:
            del self.groups[address]
        while self.highest and self.highest not in self.levels:
            self.highest -= 1

    def displaceable(self, newcomer: str, most: int) -> Iterator[M]:
        """Yield at most `most` members of the most crowded address, oldest first.

        Yield none if the newcomer's address has equally many members.
        """
        crowded = self.levels.get(self.highest)
        if not crowded or len(self.groups.get(newcomer, ())) >= self.highest:
            return
        yield from list(islice(self.groups[next(iter(crowded))], most))

    def _move(self, address: str, before: int, now: int) -> None:
        if (level := self.levels.get(before)) is not None:
            level.pop(address, None)
            if not level:
                del self.levels[before]
        if now:
            self.levels.setdefault(now, {})[address] = None
