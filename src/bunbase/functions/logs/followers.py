"""Readers that wait for new log lines. A new line of a project wakes the readers of this project."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bunbase.functions.store.logs import CHANNEL
from bunbase.functions.store.notifications import Notifications
from bunbase.pkg.errors import RateLimited, Unreachable

# A project has at most this many followers, because each follower queries the database once a second.
MAX_OF_PROJECT: Final = 100
RETRY_AFTER_SECONDS: Final = 10


class Followers:
    def __init__(self, notifications: Notifications) -> None:
        self.notifications = notifications
        self.waiting: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def following(self, project: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the project has new lines. Raises: RateLimited."""
        if len(self.waiting.get(project, ())) >= MAX_OF_PROJECT:
            message = f"{MAX_OF_PROJECT} readers follow this project's log already, which is the limit. Close one."
            raise RateLimited(message, retry_after_seconds=RETRY_AFTER_SECONDS)
        event = asyncio.Event()
        self.waiting.setdefault(project, set()).add(event)
        try:
            yield event
        finally:
            self.waiting[project].discard(event)
            if not self.waiting[project]:
                del self.waiting[project]

    def wake(self, project: str) -> None:
        for event in self.waiting.get(project, ()):
            event.set()

    async def follow_lines(self) -> None:
        """Wake followers until the connection to PostgreSQL is lost.

        Without this connection, followers query the database every second.
        """
        try:
            async for project in self.notifications.follow(CHANNEL, lambda: None):
                self.wake(project)
        except Unreachable:
            pass
