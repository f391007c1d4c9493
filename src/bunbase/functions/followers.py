"""Who waits for new log lines: woken when another line of the project is visible, and now and then in any case."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bunbase.pkg.errors import RateLimited

MAX_OF_PROJECT: Final = 100  # each asks the database once a second
RETRY_AFTER_SECONDS: Final = 10


class Followers:
    def __init__(self) -> None:
        self.waiting: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def following(self, project: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever the project has new lines. Raises: RateLimited."""
        if len(self.waiting.get(project, ())) >= MAX_OF_PROJECT:
            message = f"{MAX_OF_PROJECT} follow this project's log, the most that may; close one."
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
