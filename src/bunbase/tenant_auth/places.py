"""Places for new users: enforce the maximum number of users per project without making sign-ups wait for each other.

A counter in a database row was tried. Every sign-up of a project then waited for the commit of the previous sign-up,
and meanwhile used a connection that other projects needed. Therefore each process counts the users once a minute, and
keeps the number of free places in memory. One process never exceeds the maximum. Several processes together may exceed
the maximum by a few users.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from bunbase.contracts.tenant_auth.problems import TooManyUsers
from bunbase.pkg.cache import Cache

PROJECTS: Final = 10_000
COUNTED_SECONDS: Final = 60.0
FULL_SECONDS: Final = 5.0  # A full project is counted at most once in this time, even if many people want to sign up.
FEW: Final = 100  # If there are more free places, only a quarter of them may be used before the next count.


class _Left(msgspec.Struct):
    """The free places of one project. `full`: True if no place was free at the last count.

    If `full` is False and all places are used, the users are counted again.
    """

    places: int
    full: bool


class Places:
    """The places of all projects. `count(project)` returns the number of users that a project has now."""

    def __init__(self, most: int, count: Callable[[str], Awaitable[int]]) -> None:
        self.most = most
        self.count = count
        self.left: Cache[str, _Left] = Cache(PROJECTS, COUNTED_SECONDS)
        # This is the number of places for sign-ups that have not stored their users yet.
        self.taken: Counter[str] = Counter()
        self.counting: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def reserve(self, project: str) -> AsyncIterator[None]:
        """Reserve a place for the user that the block adds. If the block raises an error, free the place.

        Raises: TooManyUsers.
        """
        left = await self._counted(project)
        if left.places <= 0:
            raise TooManyUsers(
                f"The project has {self.most} users and cannot have more (tenant_auth.max_users_per_project). "
                "Delete some users, or ask the operator of the server to raise the limit."
            )
        left.places -= 1
        self.taken[project] += 1
        try:
            yield
        except BaseException:
            left.places += 1
            raise
        finally:
            self.taken[project] -= 1
            if not self.taken[project]:
                del self.taken[project]

    def count_again(self, project: str) -> None:
        """Make the next sign-up count the users again, because users were deleted."""
        self.left.drop(project)

    async def _counted(self, project: str) -> _Left:
        """Return the free places. If several sign-ups need a count at the same time, only one of them counts."""
        if found := self._last_count(project):
            return found
        async with self.counting.setdefault(project, asyncio.Lock()):
            try:
                return self._last_count(project) or await self._count(project)
            finally:
                self.counting.pop(project, None)

    def _last_count(self, project: str) -> _Left | None:
        found = self.left.get(project)
        return found if found is not None and (found.places > 0 or found.full) else None

    async def _count(self, project: str) -> _Left:
        places = self.most - await self.count(project) - self.taken[project]
        left = _Left(places // 4 if places > FEW else places, full=places <= 0)
        self.left.put(project, left, FULL_SECONDS if left.full else COUNTED_SECONDS)
        return left
