"""Deletes old log lines: lines older than a number of days, and lines above the limit of a project."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store.crowded import delete_surplus
from bunbase.functions.store.logs import LogStore
from bunbase.pkg.clock import Clock
from bunbase.pkg.logger import logger

log = logger("functions")

WRITERS_KEPT: Final = timedelta(days=40)  # A process that has written nothing for this time has ended.


class LogRetention:
    def __init__(self, store: LogStore, clock: Clock, settings: FunctionsSettings) -> None:
        self.store = store
        self.clock = clock
        self.settings = settings

    async def keep_days(self) -> None:
        """Create the tables for today's and tomorrow's lines, and drop tables whose lines are all too old."""
        today = self.clock.now().date()
        for day in (today, today + timedelta(days=1)):
            await self.store.days.make(day)
        await self.store.forget_writers(self.clock.now() - WRITERS_KEPT)
        oldest = today - timedelta(days=self.settings.log_retention_days)
        for day in await self.store.days.days():
            if day < oldest:
                await self.store.days.drop(day)
                log.info("old log lines of functions were dropped", day=day.isoformat())

    async def thin_out(self) -> None:
        """Delete the oldest lines of projects that exceed `max_log_lines_per_project`."""
        most = self.settings.max_log_lines_per_project
        await delete_surplus(await self.store.crowded(most), most, self.store.delete_oldest)
