"""Places for new users: a project has so many, and counting them must not make its sign-ups wait for each other.

A counter in a row was tried: every sign-up of a project then waits for the commit of the one before, and meanwhile
holds a connection that other projects need. So each process counts the users once a minute and keeps the number of
places left in memory. Sign-ups of one process never exceed it; several processes together may, by a little.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from bunbase.contracts.tenant_auth import TooManyUsers
from bunbase.pkg.cache import Cache

PROJECTS: Final = 10_000
COUNTED_SECONDS: Final = 60.0
FULL_SECONDS: Final = 5.0  # a full project counts again no sooner, however many want to sign up
FEW: Final = 100  # with more places left than that, only a quarter is given away before the next count


class _Left(msgspec.Struct):
    """`full`: there was none when they were counted; else the next sign-up counts again once all are given away."""

    places: int
    full: bool


class Places:
    """`count`: how many users a project has now."""

    def __init__(self, most: int, count: Callable[[str], Awaitable[int]]) -> None:
        self.most = most
        self.count = count
        self.left: Cache[str, _Left] = Cache(PROJECTS, COUNTED_SECONDS)
        self.taken: Counter[str] = Counter()  # by sign-ups under way, which no count of users sees yet
        self.counting: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def reserve(self, project: str) -> AsyncIterator[None]:
        """Take a place; if the block raises, it is free again. Raises: TooManyUsers."""
        left = await self._counted(project)
        if left.places <= 0:
            raise TooManyUsers(
                f"The project has {self.most} users, the most it can have (tenant_auth.max_users_per_project): "
                "delete some, or ask those who run the server for more."
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
        """Count again at the next sign-up: some users are gone."""
        self.left.drop(project)

    async def _counted(self, project: str) -> _Left:
        """Return what is left, counted by one sign-up for all that come meanwhile."""
        if found := self._known(project):
            return found
        async with self.counting.setdefault(project, asyncio.Lock()):
            try:
                return self._known(project) or await self._count(project)
            finally:
                self.counting.pop(project, None)

    def _known(self, project: str) -> _Left | None:
        found = self.left.get(project)
        return found if found is not None and (found.places > 0 or found.full) else None

    async def _count(self, project: str) -> _Left:
        places = self.most - await self.count(project) - self.taken[project]
        left = _Left(places // 4 if places > FEW else places, full=places <= 0)
        self.left.put(project, left, FULL_SECONDS if left.full else COUNTED_SECONDS)
        return left
