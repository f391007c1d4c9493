"""The settings of projects in memory, so that a sign-in needs no database query for them.

A transaction that changes settings also publishes the change on the room's feed, and every process of the room follows
the feed. If the feed is silent for three seconds, each use reads the settings from the database. The cache drops an
entry after a minute in any case.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Generic, TypeVar

from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.cache import Cache

PROJECTS: Final = 10_000
TTL_SECONDS: Final = 60.0
STALE_SECONDS: Final = 3.0  # A feed sends a heartbeat every second, so a longer silence means that it is broken.

T = TypeVar("T")


def nothing_else(_news: Revocation) -> None:
    """Do nothing. This is the default."""


class SettingsCache(Generic[T]):
    """The cache. `read(project)`: reads the settings of a project, and returns the object to cache."""

    def __init__(self, read: Callable[[str], Awaitable[T]], now: Callable[[], float] = time.monotonic) -> None:
        self.read = read
        self.now = now
        self.known: Cache[str, T] = Cache(PROJECTS, TTL_SECONDS, now)
        # The epoch increases with every change. A result that was read in an earlier epoch is not cached.
        self.epoch = 0
        self.heard_at = -STALE_SECONDS

    async def of(self, project: str) -> T:
        live = self.now() - self.heard_at < STALE_SECONDS
        found = self.known.get(project) if live else None
        if found is not None:
            return found
        epoch = self.epoch
        read = await self.read(project)
        if live and epoch == self.epoch:
            self.known.put(project, read)
        return read

    async def follow(self, feed: AsyncIterator[Revocation], also: Callable[[Revocation], None] = nothing_else) -> None:
        """Forget the settings that other processes change, until the feed breaks off. A job calls this.

        `also`: a function that is called with every message of the feed.
        """
        self._forget_all()  # Changes may have been missed while the feed was not connected.
        async for news in feed:
            self.heard_at = self.now()
            also(news)
            if news.kind is RevokedKind.SETTINGS:
                self.forget(news.id)

    def forget(self, project: str) -> None:
        """Forget the settings of a project, because they have changed.

        The next use of the settings reads them again.
        """
        self.epoch += 1
        self.known.drop(project)

    def _forget_all(self) -> None:
        self.epoch += 1
        self.known.clear()
