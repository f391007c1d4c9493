"""Calls in this process that wait for the next change of a project."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from bunbase.contracts.bundoc.problems import BundocBusy


class Waiters:
    """The calls that wait. At most `most` calls may wait at once, because each of them keeps a request open."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self.count = 0

    def enter(self, project: str) -> asyncio.Future[None]:
        """Return a future that is done at the project's next change.

        The caller must pass the future to `leave` afterwards. Raises: BundocBusy.
        """
        if self.count >= self.most:
            raise BundocBusy("Too many calls wait for changes; send wait_seconds=0.", retry_after_seconds=1)
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting[project].add(news)
        self.count += 1
        return news

    def leave(self, project: str, news: asyncio.Future[None]) -> None:
        self.count -= 1
        waiting = self.waiting[project]
        waiting.discard(news)
        if not waiting:
            del self.waiting[project]

    def wake(self, project: str) -> None:
        """Wake all calls that wait for this project."""
        for news in self.waiting.get(project, ()):
            if not news.done():
                news.set_result(None)
