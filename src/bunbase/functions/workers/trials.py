"""Limits how many bundles are tried or compiled at the same time: MAX_TRIALS in total, and one for each project.

The workers that try bundles do not count as workers that serve calls. A project whose bundles load slowly waits for its
own bundles and does not delay other projects.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bunbase.functions.workers.waiting import overloaded

MAX_TRIALS: Final = 2
MAX_OF_PROJECT: Final = 16  # This limit includes waiting bundles, because each bundle is in memory.


class Trials:
    def __init__(self) -> None:
        self.places = asyncio.Semaphore(MAX_TRIALS)
        self.of_project: Counter[str] = Counter()
        self.turns: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def turn(self, project: str) -> AsyncIterator[None]:
        """Wait for a place, in the order of arrival. Raises: FunctionOverloaded."""
        if self.of_project[project] >= MAX_OF_PROJECT:
            raise overloaded(f"{MAX_OF_PROJECT} deployments of this project are under way already")
        self.of_project[project] += 1
        try:
            async with self.turns.setdefault(project, asyncio.Lock()), self.places:
                yield
        finally:
            self.of_project[project] -= 1
            if not self.of_project[project]:
                del self.of_project[project], self.turns[project]
